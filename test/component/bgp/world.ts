/** A node's BIRD and the routers that it speaks with, on hosts of a lab. */
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { BirdWish } from '../../../src/engines/bird/bird.ts';
import { type BirdPeer, protocolName } from '../../../src/engines/bird/config.ts';
import type { BirdSession } from '../../../src/engines/bird/status.ts';
import { eventually } from '../../testbed/kubectl.ts';
import type { Host } from '../../testbed/lab/host.ts';
import type { BirdCommand } from './bird-child.ts';

/** The part of Wherry that drives BIRD, on a node of its own. */
export interface TestSpeaker extends AsyncDisposable {
  readonly folder: string;
  apply(...peers: readonly BirdPeer[]): Promise<Readonly<Record<string, string>>>;
  observe(): Promise<readonly BirdSession[]>;
  stop(): Promise<void>;
  /** Ends the driving process as `kill -9` does. */
  kill(): Promise<void>;
  /** BIRD's process; undefined when it does not run. */
  pid(): Promise<number | undefined>;
  untilUp(name: string, timeoutMs?: number): Promise<void>;
}

export function startSpeaker(host: Host): TestSpeaker {
  const folder = path.join(host.folder, 'bird');
  const child = host.start(process.execPath, [path.join(import.meta.dirname, 'bird-child.ts'), folder]);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  async function ask(command: BirdCommand): Promise<unknown> {
    child.stdin.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error(`the driver ended: ${said}`);
    const answer = JSON.parse(value) as { readonly result?: unknown; readonly error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.result;
  }
  const observe = async () => (await ask({ do: 'observe' })) as readonly BirdSession[];
  const kill = async () => {
    child.signal('SIGKILL');
    await child.ended;
  };
  return {
    folder,
    async apply(...peers) {
      const wish: BirdWish = { routerId: host.address, peers };
      return (await ask({ do: 'apply', wish })) as Readonly<Record<string, string>>;
    },
    observe,
    stop: async () => void (await ask({ do: 'stop' })),
    kill,
    async pid() {
      const found = (await host.run('pgrep', ['-x', '-f', `bird .*${folder}/bird.conf.*`])).stdout.trim();
      return found === '' ? undefined : Number(found.split('\n')[0]);
    },
    async untilUp(name, timeoutMs = 30_000) {
      let last: unknown;
      await eventually(`the session ${name} is established`, timeoutMs, async () => {
        last = await observe();
        return (
          (last as readonly BirdSession[]).find((one) => one.name === protocolName(name))?.isEstablished || undefined
        );
      }).catch((cause: unknown) => {
        throw new Error(`it stands so: ${JSON.stringify(last)}`, { cause });
      });
    },
    [Symbol.asyncDispose]: kill,
  };
}

/** A peer as the plan compiles it, of which a test says what it is about. */
export function birdPeer(name: string, address: string, more: Partial<BirdPeer> = {}): BirdPeer {
  return {
    ...{ name: protocolName(name), address, localAsn: 64_500, peerAsn: 64_501, localAddress: undefined, port: 179 },
    ...{ routerId: undefined, holdTime: undefined, keepaliveTime: undefined, connectTime: undefined },
    ...{ password: undefined, bfd: undefined, gracefulRestart: false, reach: undefined, vrf: undefined },
    channels: [{ family: address.includes(':') ? 'ipv6' : 'ipv4', nextHop: undefined }],
    routes: [],
    ...more,
  };
}

export const route = (prefix: string, ...communities: readonly (readonly number[])[]) => ({
  ...{ prefix, localPref: undefined, communities },
});
