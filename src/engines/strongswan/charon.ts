import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { describeError, errorCode, TransientError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { deviceAlias } from '../iproute2/model.ts';
import { observeLinks } from '../iproute2/observe.ts';
import { createDaemon, type Daemon, replaceFile } from '../process/daemon.ts';
import { CommandError, run } from '../process/run.ts';
import {
  childName,
  compileSettings,
  compileTunnel,
  type IpsecIdentity,
  type IpsecSettings,
  type IpsecTunnel,
  ipsecDevice,
  ipsecNumber,
  isFailure,
  isInitiator,
  tunnelStates,
} from './config.ts';
import type { FoundDriver } from './driver.ts';
import { openSession, type ViciSession } from './session.ts';

export interface CharonOptions {
  /** Holds the settings, the control socket, the pid file and the log. */
  readonly folder: string;
  readonly found: FoundDriver;
  readonly clock: Clock;
  readonly log: Log;
  /** The state of tunnels may have changed: apply once more. */
  onChange(): void;
}

/** What shall be; the driver is found. */
export interface IpsecWish extends Omit<IpsecSettings, 'driver'> {
  readonly tunnels: readonly IpsecTunnel[];
}

/** A tunnel that does not stand. */
export interface TunnelDown {
  readonly name: string;
  /** What strongSwan has said about it; undefined while it is being set up. */
  readonly why: string | undefined;
}

/**
 * A charon of our own. It outlives this process and keeps the tunnels up meanwhile; one that is killed is started again and told
 * everything anew.
 */
export interface Charon extends AsyncDisposable {
  /** Starts it where it does not run, and makes the interface that leads into the tunnels. Its addresses have to be there before tunnels. */
  ensure(): Promise<void>;
  /** Makes the tunnels what they shall be. Those that stand as wished are not touched. */
  apply(wish: IpsecWish): Promise<readonly TunnelDown[]>;
}

const startTimeoutMs = 10_000;
const stopTimeoutMs = 5000;
/** The node that does not begin waits so long for the other one to do so. */
const patienceMs = 2000;
const hint = 'install strongSwan on this node (Debian, Ubuntu: apt-get install strongswan-charon strongswan-swanctl)';
const ports = [500, 4500];

/** /run is its own, so that no other charon of this machine is taken for it: the place of its pid file is compiled in. */
const launch = `mount -t tmpfs -o mode=0755,size=64k tmpfs /run
export STRONGSWAN_CONF="$2"
exec "$1"`;

export function createCharon(options: CharonOptions): Charon {
  return new OwnCharon(options);
}

/** Ends a charon that an earlier process has left, and what it made in the kernel. Idempotent. */
export async function removeCharon(options: Omit<CharonOptions, 'found' | 'onChange'>): Promise<void> {
  const { folder } = options;
  if (!existsSync(folder)) return;
  await charonDaemon({ ...options, found: { driver: 'kernel', charon: '' } }).stop();
  await rm(folder, { recursive: true, force: true });
  for (const family of ['-4', '-6']) {
    const rule = [family, 'rule', 'delete', 'priority', String(ipsecNumber), 'table', String(ipsecNumber)];
    await run('ip', rule).catch((thrown: unknown) => {
      if (!(thrown instanceof CommandError) || thrown.exitCode === null) throw thrown;
    });
  }
}

function charonDaemon(options: Omit<CharonOptions, 'onChange'>): Daemon {
  const { folder, found, clock, log } = options;
  // A copy: AppArmor's profile for the distribution's charon forbids it any other place than its own.
  const copy = join(folder, 'charon');
  const socket = socketOf(folder);
  return createDaemon({
    program: 'charon',
    command: 'unshare',
    args: ['--mount', '--propagation', 'private', 'sh', '-ec', launch, 'sh', copy, join(folder, 'strongswan.conf')],
    mark: copy,
    ...{ folder, hint, startTimeoutMs, stopTimeoutMs, clock, log },
    async prepare() {
      await rm(socket, { force: true });
      // Renamed copies of one that still runs can't be written to; a removed one can be made anew.
      await rm(copy, { force: true });
      await copyFile(found.charon, copy);
      for (const port of ports) await checkPort(port);
      if (found.driver === 'libipsec') await removeOther(undefined);
    },
    async ready() {
      await using session = await openSession(socket);
      await session.ask('version');
    },
  });
}

const socketOf = (folder: string) => join(folder, 'charon.vici');

/** Removes a device of ours that the other driver has left. Throws when it is not ours. */
async function removeOther(kind: 'xfrm' | undefined): Promise<void> {
  const link = (await observeLinks()).get(ipsecDevice);
  if (link === undefined || link.kind === kind) return;
  if (link.alias !== deviceAlias) {
    throw new TransientError('IPSEC_DEVICE', `the interface ${ipsecDevice} of this machine is somebody else's`, {
      hint: `rename or remove it: ip link show ${ipsecDevice}`,
    });
  }
  await run('ip', ['link', 'delete', 'dev', ipsecDevice]);
}

/** strongSwan starts without a port that somebody else has, and would be deaf. */
async function checkPort(port: number): Promise<void> {
  const probe = createSocket({ type: 'udp4' });
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject);
      probe.bind({ port, exclusive: true }, resolve);
    });
  } catch (cause) {
    throw new TransientError(
      'IPSEC_PORT',
      `UDP port ${port} is not free: ${errorCode(cause) ?? describeError(cause)}`,
      {
        cause,
        hint: `stop the other IPsec program of this machine (ss -ulpn sport = :${port} shows it)`,
      },
    );
  } finally {
    await new Promise<void>((resolve) => probe.close(resolve));
  }
}

class OwnCharon implements Charon {
  readonly #options: CharonOptions;
  #daemon: Daemon | undefined;
  #session: ViciSession | undefined;
  /** What charon was told, by tunnel. */
  #standing = new Map<string, string>();
  #identity = '';
  /** Since when tunnels are missing whose other end should begin. */
  readonly #missing = new Map<string, number>();
  /** What the log said last about tunnels that fail. */
  readonly #failures = new Map<string, string>();
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: CharonOptions) {
    this.#options = options;
  }

  ensure(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isClosed) return;
      await this.#ensureDevice();
      await this.#ensureSession();
    });
  }

  apply(wish: IpsecWish): Promise<readonly TunnelDown[]> {
    return this.#inTurn(async () => (this.#isClosed ? [] : await this.#apply(wish)));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    await this.#session?.[Symbol.asyncDispose]();
    await this.#daemon?.release();
  }

  async #apply(wish: IpsecWish): Promise<readonly TunnelDown[]> {
    const session = await this.#ensureSession();
    await this.#tellIdentity(session, wish.identity);
    await this.#tellTunnels(session, wish);
    return await this.#settle(session, wish.tunnels);
  }

  /** The XFRM interface is ours to make; the TUN device is charon's, which must begin anew when somebody has removed it. */
  async #ensureDevice(): Promise<void> {
    const { driver } = this.#options.found;
    if (driver === 'kernel') {
      await removeOther('xfrm');
      const add = ['link', 'add', ipsecDevice, 'type', 'xfrm', 'if_id', String(ipsecNumber)];
      if (!(await observeLinks()).has(ipsecDevice)) await run('ip', add);
      return;
    }
    if (this.#daemon === undefined || (await observeLinks()).get(ipsecDevice)?.kind === 'tun') return;
    await this.#end();
    await this.#start(true);
  }

  async #start(anew: boolean): Promise<void> {
    const { folder, found } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const settings = compileSettings({ driver: found.driver, socket: socketOf(folder) });
    const isOther = await replaceFile(join(folder, 'strongswan.conf'), settings);
    const hasDevice = (await observeLinks()).has(ipsecDevice);
    const daemon = charonDaemon(this.#options);
    try {
      await daemon.start({ anew: anew || isOther || !hasDevice });
    } catch (error) {
      await daemon.release();
      throw error;
    }
    this.#daemon = daemon;
  }

  async #end(): Promise<void> {
    await this.#session?.[Symbol.asyncDispose]();
    await this.#daemon?.release();
    this.#daemon = undefined;
    this.#session = undefined;
  }

  async #ensureSession(): Promise<ViciSession> {
    if (this.#session !== undefined) return this.#session;
    const session = await this.#connect();
    await session.follow('log', ({ 'ikesa-name': name, msg }) => {
      if (typeof name === 'string' && typeof msg === 'string' && isFailure(msg)) this.#failures.set(name, msg);
    });
    for (const event of ['child-updown', 'ike-updown']) await session.follow(event, () => this.#options.onChange());
    this.#session = session;
    this.#standing = new Map();
    this.#identity = '';
    void session.ended.then(() => {
      // It was killed, or hangs: all is told to the next one.
      if (this.#session === session) this.#session = undefined;
      if (!this.#isClosed) this.#options.onChange();
    });
    return session;
  }

  async #connect(): Promise<ViciSession> {
    const socket = socketOf(this.#options.folder);
    if (this.#daemon !== undefined) {
      try {
        return await openSession(socket);
      } catch (error) {
        this.#options.log.warn('charon has ended', { error: describeError(error) });
        await this.#end();
      }
    }
    await this.#start(false);
    return await openSession(socket);
  }

  async #tellIdentity(session: ViciSession, identity: IpsecIdentity): Promise<void> {
    const text = JSON.stringify(identity);
    if (text === this.#identity) return;
    if (identity.kind === 'certificate') await session.ask('load-key', { type: 'any', data: identity.key });
    else await session.ask('load-shared', { id: 'cluster', type: 'IKE', data: identity.secret });
    this.#identity = text;
  }

  async #tellTunnels(session: ViciSession, wish: IpsecWish): Promise<void> {
    const { driver } = this.#options.found;
    const wished = new Map(wish.tunnels.map((tunnel) => [tunnel.name, compileTunnel(tunnel, { ...wish, driver })]));
    const { conns } = await session.ask('get-conns');
    const loaded = Array.isArray(conns) ? conns.map(String) : [];
    for (const name of loaded) {
      const text = JSON.stringify(wished.get(name));
      // Of what an earlier process told, charon sees itself what is the same.
      const isChanged = this.#standing.has(name) && this.#standing.get(name) !== text;
      if (!wished.has(name) || isChanged) await this.#remove(session, name);
    }
    for (const [name, message] of wished) {
      const text = JSON.stringify(message);
      if (this.#standing.get(name) === text && loaded.includes(name)) continue;
      await session.ask('load-conn', message);
      this.#standing.set(name, text);
    }
  }

  async #remove(session: ViciSession, name: string): Promise<void> {
    await session.ask('unload-conn', { name });
    await session.ask('terminate', { ike: name, force: 'yes', timeout: '-1' }).catch((thrown: unknown) => {
      if (!/no matching/.test(describeError(thrown))) throw thrown;
    });
    this.#standing.delete(name);
    this.#failures.delete(name);
  }

  /** Begins what is missing, and tells what does not stand. */
  async #settle(session: ViciSession, tunnels: readonly IpsecTunnel[]): Promise<readonly TunnelDown[]> {
    const states = tunnelStates(await session.list('list-sas', 'list-sa'));
    const now = this.#options.clock.monotonic();
    const down: TunnelDown[] = [];
    for (const tunnel of tunnels) {
      const { name } = tunnel;
      const state = states.get(name) ?? 'absent';
      if (state === 'up') this.#failures.delete(name);
      else down.push({ name, why: this.#failures.get(name) });
      if (state === 'up' || state === 'connecting') {
        this.#missing.delete(name);
        continue;
      }
      const since = this.#missing.get(name) ?? now;
      this.#missing.set(name, since);
      if ((state === 'empty' || !isInitiator(tunnel)) && now - since < patienceMs) continue;
      await session.ask('initiate', { ike: name, child: childName, timeout: '-1', 'init-limits': 'no' });
    }
    const known = new Set(tunnels.map(({ name }) => name));
    for (const name of this.#missing.keys()) if (!known.has(name)) this.#missing.delete(name);
    return down;
  }
}
