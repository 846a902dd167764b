import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { describeError, errorCode, TransientError, WherryError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import type { Log } from '../../core/log.ts';
import { createDaemon, type Daemon, replaceFile } from '../process/daemon.ts';
import { CommandError, run } from '../process/run.ts';
import { ask, askAll, replaceCertificate, replaceMap, runningGeneration, serverStates } from './admin-socket.ts';
import { type Compiled, certificateListFile, compile, type Layout, serverArguments } from './compile.ts';
import type { Backend, HaproxyConfig } from './config.ts';
import { assignSlots, keyOf, type Slot } from './slots.ts';

export interface HaproxyOptions {
  /** Of configurations, the log and the pid file; nobody else's. */
  readonly folder: string;
  /** Of sockets: its name must be short. */
  readonly runFolder: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** How a configuration came into force. */
export type Applied = 'unchanged' | 'updated' | 'reloaded';

const startTimeoutMs = 10_000;
const stopTimeoutMs = 5_000;
const checkTimeoutMs = 30_000;
/** A new process reads thousands of certificates before it takes over. */
const reloadTimeoutMs = 30_000;
const pollMs = 20;
const configurationFile = 'haproxy.cfg';

/** What is in force, so far as we know. */
interface InForce {
  readonly generation: string;
  readonly structure: string;
  readonly slots: ReadonlyMap<string, readonly Slot[]>;
  readonly compiled: Compiled;
}

/**
 * Runs HAProxy as a master with workers, so that it outlives this process, and gives it configurations. Endpoints, entries of
 * maps and the content of certificates are changed while it runs; anything else makes a new worker take the listening sockets
 * over, and the old one end when its connections have. The files always say what runs, so one that dies comes back as it was.
 */
export class Haproxy {
  readonly #options: HaproxyOptions;
  readonly #adminSocket: string;
  readonly #masterSocket: string;
  readonly #daemon: Daemon;
  #inForce: InForce | undefined;
  #isStarted = false;

  constructor(options: HaproxyOptions) {
    const { folder, runFolder, clock, log } = options;
    this.#options = options;
    this.#adminSocket = join(runFolder, 'haproxy.sock');
    this.#masterSocket = join(runFolder, 'haproxy-master.sock');
    const configuration = join(folder, configurationFile);
    this.#daemon = createDaemon({
      program: 'haproxy',
      args: ['-W', '-S', this.#masterSocket, '-f', configuration],
      mark: configuration,
      folder,
      hint: 'install haproxy 2.6 or newer (Debian: apt-get install haproxy)',
      ready: async () => void (await runningGeneration(this.#adminSocket)),
      errorLine: /\[ALERT\]/,
      ...{ startTimeoutMs, stopTimeoutMs, clock, log },
    });
  }

  /**
   * Brings a configuration into force. Throws WherryError HAPROXY_REFUSED when HAProxy does not accept it; what was in force
   * before stays. Calls must not overlap.
   */
  async apply(config: HaproxyConfig): Promise<Applied> {
    const { log } = this.#options;
    const structure = this.#structureOf(config);
    const standing = this.#inForce ?? (await this.#adopt(config));
    if (standing?.structure === structure) {
      try {
        const applied = await this.#update(standing, config);
        if (applied !== undefined) return applied;
      } catch (error) {
        log.warn('HAProxy did not take a change while it runs and is reloaded', { error: describeError(error) });
      }
    }
    await this.#reload(config, structure);
    return 'reloaded';
  }

  /** Leaves HAProxy running. */
  async release(): Promise<void> {
    await this.#daemon.release();
  }

  /** Ends HAProxy, with its connections. */
  async stop(): Promise<void> {
    await this.#daemon.stop();
  }

  #layout(generation: string): Layout {
    const folder = join(this.#options.folder, 'generations', generation);
    return { folder, adminSocket: this.#adminSocket, ipv6: existsSync('/proc/net/if_inet6'), generation };
  }

  /** All of a configuration that can't be changed while HAProxy runs. */
  #structureOf(config: HaproxyConfig): string {
    const { configuration, maps, certificateList } = compile(config, () => [], this.#layout('-'));
    const parts = [configuration, certificateList, ...maps.keys()];
    return createHash('sha256').update(parts.join('\0')).digest('hex');
  }

  /** What an earlier process of ours left in force, if all of it is known. */
  async #adopt(config: HaproxyConfig): Promise<InForce | undefined> {
    const noted = await readNote(this.#noteFile());
    if (noted === undefined) return undefined;
    const layout = this.#layout(noted.generation);
    if (noted.structure !== this.#structureOf(config) || !existsSync(join(layout.folder, configurationFile)))
      return undefined;
    await this.#start();
    if ((await runningGeneration(this.#adminSocket)) !== noted.generation) return undefined;
    const compiled = await readCompiled(
      layout.folder,
      compile(config, () => [], layout),
    );
    this.#inForce = { ...noted, compiled };
    return this.#inForce;
  }

  #noteFile(): string {
    return join(this.#options.folder, 'in-force.json');
  }

  async #start(): Promise<void> {
    if (this.#isStarted) return;
    await mkdir(this.#options.runFolder, { recursive: true, mode: 0o700 });
    await this.#daemon.start();
    this.#isStarted = true;
  }

  async #note(inForce: InForce): Promise<void> {
    this.#inForce = inForce;
    const { generation, structure, slots } = inForce;
    await replaceFile(this.#noteFile(), JSON.stringify({ generation, structure, slots: [...slots] }));
  }

  /** From here on what runs may be neither the old nor the new. */
  async #forget(): Promise<void> {
    this.#inForce = undefined;
    await rm(this.#noteFile(), { force: true });
  }

  /** Changes what runs; undefined, with nothing done, when that takes a new process. */
  async #update(standing: InForce, config: HaproxyConfig): Promise<Applied | undefined> {
    const slots = slotsFor(config, (name) => standing.slots.get(name) ?? []);
    const grows = ({ name }: Backend) => (slots.get(name)?.length ?? 0) > (standing.slots.get(name)?.length ?? 0);
    // A server that is added while HAProxy runs gets no mark for cookies.
    if (config.backends.some((backend) => backend.affinity !== undefined && grows(backend))) return undefined;
    const layout = this.#layout(standing.generation);
    const compiled = compile(config, (name) => slots.get(name) ?? [], layout);
    const changedMaps = changed(standing.compiled.maps, compiled.maps);
    const changedCertificates = changed(standing.compiled.certificates, compiled.certificates);
    const moved = config.backends.flatMap((backend) => {
      const commands = commandsFor(backend, standing.slots.get(backend.name) ?? [], slots.get(backend.name) ?? []);
      return commands.length === 0 ? [] : [{ backend, commands }];
    });
    if (changedMaps.length + changedCertificates.length + moved.length === 0) return 'unchanged';
    await this.#forget();
    await writeCompiled(layout.folder, compiled);
    await askAll(
      this.#adminSocket,
      moved.flatMap(({ commands }) => commands),
    );
    for (const { backend } of moved) await this.#verify(backend.name, slots.get(backend.name) ?? []);
    for (const [file, text] of changedMaps) await replaceMap(this.#adminSocket, join(layout.folder, file), text);
    for (const [file, pem] of changedCertificates)
      await replaceCertificate(this.#adminSocket, join(layout.folder, file), pem);
    await this.#note({ generation: standing.generation, structure: standing.structure, slots, compiled });
    return 'updated';
  }

  /** Commands answer in prose; what counts is what stands after them. */
  async #verify(backend: string, slots: readonly Slot[]): Promise<void> {
    const states = await serverStates(this.#adminSocket, backend);
    for (const { name, endpoint } of slots) {
      const state = states.get(name);
      const isRight =
        endpoint === null ? state?.isReady === false : state?.isReady === true && state.address === keyOf(endpoint);
      if (isRight) continue;
      const found = state === undefined ? 'is missing' : `stands at ${state.address}, ready: ${state.isReady}`;
      throw new TransientError('HAPROXY_BEHIND', `the server ${backend}/${name} ${found}`);
    }
  }

  async #reload(config: HaproxyConfig, structure: string): Promise<void> {
    const { clock, folder } = this.#options;
    const generation = randomBytes(6).toString('hex');
    const layout = this.#layout(generation);
    const slots = slotsFor(config, () => []);
    const compiled = compile(config, (name) => slots.get(name) ?? [], layout);
    await mkdir(layout.folder, { recursive: true, mode: 0o700 });
    await writeCompiled(layout.folder, compiled);
    await check(join(layout.folder, configurationFile)).catch(async (error: unknown) => {
      await rm(layout.folder, { recursive: true, force: true });
      throw error;
    });
    await this.#forget();
    await rm(join(folder, `${configurationFile}.new`), { force: true });
    await symlink(join(layout.folder, configurationFile), join(folder, `${configurationFile}.new`));
    await rename(join(folder, `${configurationFile}.new`), join(folder, configurationFile));
    await this.#start();
    const deadline = clock.monotonic() + reloadTimeoutMs;
    const isThere = () =>
      runningGeneration(this.#adminSocket).then(
        (running) => running === generation,
        // Between two processes nobody answers for a moment.
        () => false,
      );
    if (!(await isThere())) {
      await ask(this.#masterSocket, 'reload');
      while (!(await isThere())) {
        if (clock.monotonic() > deadline)
          throw new TransientError(
            'HAPROXY_RELOAD',
            `HAProxy did not take its new configuration in ${reloadTimeoutMs / 1000} s`,
            {
              hint: `see ${join(folder, 'haproxy.log')}`,
            },
          );
        await clock.sleep(pollMs);
      }
    }
    await this.#note({ generation, structure, slots, compiled });
    await removeOthers(join(folder, 'generations'), generation);
  }
}

function slotsFor(config: HaproxyConfig, standing: (backend: string) => readonly Slot[]): Map<string, readonly Slot[]> {
  return new Map(config.backends.map(({ name, endpoints }) => [name, assignSlots(standing(name), endpoints)]));
}

/** The commands that bring a backend's servers from one state to another (management guide 9.3). */
function commandsFor(backend: Backend, from: readonly Slot[], to: readonly Slot[]): readonly string[] {
  return to.flatMap((slot, index) => {
    const server = `${backend.name}/${slot.name}`;
    const former = from[index];
    const { endpoint } = slot;
    if (former === undefined)
      return [`add server ${server} ${serverArguments(backend, slot)}`, `enable server ${server}`];
    if (endpoint === null) return former.endpoint === null ? [] : [`set server ${server} state maint`];
    if (former.endpoint !== null && keyOf(former.endpoint) === keyOf(endpoint)) return [];
    return [`set server ${server} addr ${endpoint.address} port ${endpoint.port}`, `set server ${server} state ready`];
  });
}

function changed(
  from: ReadonlyMap<string, string>,
  to: ReadonlyMap<string, string>,
): readonly (readonly [string, string])[] {
  return [...to].filter(([name, text]) => from.get(name) !== text);
}

async function writeCompiled(folder: string, compiled: Compiled): Promise<void> {
  for (const [name, text] of compiled.maps) await replaceFile(join(folder, name), text);
  for (const [name, pem] of compiled.certificates) await replaceFile(join(folder, name), pem);
  await replaceFile(join(folder, certificateListFile), compiled.certificateList);
  await replaceFile(join(folder, configurationFile), compiled.configuration);
}

/** Reads back the files that `names` has; what is missing is empty. */
async function readCompiled(folder: string, names: Compiled): Promise<Compiled> {
  const read = (name: string) =>
    readFile(join(folder, name), 'utf8').catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return '';
      throw error;
    });
  const all = async (files: ReadonlyMap<string, string>) =>
    new Map(await Promise.all([...files.keys()].map(async (name) => [name, await read(name)] as const)));
  return {
    configuration: await read(configurationFile),
    maps: await all(names.maps),
    certificates: await all(names.certificates),
    certificateList: await read(certificateListFile),
  };
}

async function readNote(file: string): Promise<Pick<InForce, 'generation' | 'structure' | 'slots'> | undefined> {
  try {
    const note: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (!isObject(note) || typeof note['generation'] !== 'string' || typeof note['structure'] !== 'string')
      return undefined;
    if (!Array.isArray(note['slots'])) return undefined;
    return { generation: note['generation'], structure: note['structure'], slots: new Map(note['slots']) };
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** HAProxy's own judgement of a file. Throws WherryError HAPROXY_REFUSED. */
export async function check(file: string): Promise<void> {
  try {
    await run('haproxy', ['-c', '-f', file], { timeoutMs: checkTimeoutMs });
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    if (cause.code === 'COMMAND_NOT_FOUND')
      throw new WherryError('PROGRAM_MISSING', 'haproxy is not installed', {
        cause,
        hint: 'install haproxy 2.6 or newer (Debian: apt-get install haproxy)',
      });
    const alerts = cause.stderr.split('\n').filter((line) => line.includes('[ALERT]'));
    const said = (alerts.length > 0 ? alerts : [cause.stderr]).slice(0, 3).join('; ').slice(0, 1000);
    throw new WherryError('HAPROXY_REFUSED', `HAProxy refuses its configuration: ${said}`, { cause });
  }
}

async function removeOthers(folder: string, generation: string): Promise<void> {
  for (const name of await readdir(folder))
    if (name !== generation) await rm(join(folder, name), { recursive: true, force: true });
}
