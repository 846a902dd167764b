import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { rankNodes } from '../../../src/loadbalancer/layer2/election.ts';
import { eventually } from '../../testbed/kubectl.ts';
import type { Host } from '../../testbed/lab/host.ts';
import { type Lab, startLab } from '../../testbed/lab/lab.ts';
import { eachLine, type HostProcess } from '../../testbed/lab/machine.ts';
import type { Answer } from './asker.ts';
import type { NodeOrder, NodeState } from './node.ts';

/** Addresses that the nodes share. */
export const vip = '198.18.0.240';
export const vip6 = 'fd18:1::240';
export const names: readonly string[] = ['one', 'two', 'three'];
const flags: readonly string[] = ['--disable-warning=ExperimentalWarning'];
const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));
/** How long one node has to be the only one that answers before it counts as the holder. */
const calmMs = 300;

export interface TestNode {
  readonly host: Host;
  readonly process: HostProcess;
  state: NodeState;
}

/** Three nodes that answer for two addresses, and a machine beside them that asks who has these, 100 times a second. */
export class Layer2World implements AsyncDisposable {
  readonly nodes = new Map<string, TestNode>();
  readonly heard: Answer[] = [];
  readonly #lab: Lab;
  readonly #key = randomBytes(32).toString('hex');

  private constructor(lab: Lab) {
    this.#lab = lab;
  }

  static async start(): Promise<Layer2World> {
    const lab = await startLab({ name: 'layer2' });
    const world = new Layer2World(lab);
    try {
      const [client, ...hosts] = await Promise.all(['client', ...names].map((name) => lab.addHost({ name })));
      assert.ok(client !== undefined);
      for (const host of hosts) world.startNode(host);
      for (const own of client.addresses) {
        const asked = own.includes(':') ? vip6 : vip;
        const asking = client.start(process.execPath, [...flags, script('asker.ts'), own, asked]);
        eachLine<Answer>(asking, (answer) => world.heard.push(answer));
      }
      return world;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts the node's process, in place of one that has ended. */
  startNode(host: Host): TestNode {
    const started = host.start(process.execPath, [...flags, script('node.ts'), host.name, host.address, this.#key]);
    const node: TestNode = { host, process: started, state: { held: [], alive: [] } };
    this.nodes.set(host.name, node);
    eachLine<NodeState>(started, (state) => Object.assign(node, { state }));
    const peers = this.#lab.hosts.filter(({ name }) => names.includes(name) && name !== host.name);
    const order: NodeOrder = {
      peers: Object.fromEntries(peers.map(({ name, address }) => [name, address])),
      wanted: [vip, vip6].map((address) => ({ address, ranked: rankNodes(address, names), preferred: names.length })),
    };
    started.stdin.write(`${JSON.stringify(order)}\n`);
    return node;
  }

  /** The node that answers, once one alone has for a while. */
  async holderOf(address: string): Promise<TestNode> {
    const mac = await eventually(`one node answers for ${address}`, 20_000, async () => {
      const answer = this.heard.findLast((one) => one.address === address);
      return answer?.macs.length === 1 && Date.now() - answer.atMs > calmMs ? answer.macs[0] : undefined;
    });
    const node = [...this.nodes.values()].find(({ host }) => this.macOf(host.name) === mac);
    assert.ok(node !== undefined, mac);
    return node;
  }

  /** How long after `sinceMs` another node than `former` answered, milliseconds. */
  async takeoverMs(address: string, former: TestNode, sinceMs: number): Promise<number> {
    const mac = this.macOf(former.host.name);
    const taken = await eventually(`another node answers for ${address}`, 10_000, async () =>
      this.heard.find(
        ({ address: of, atMs, macs }) => of === address && atMs >= sinceMs && macs.length === 1 && macs[0] !== mac,
      ),
    );
    return taken.atMs - sinceMs;
  }

  /** Resolves when all nodes hear each other. */
  async whole(): Promise<void> {
    await eventually('all nodes hear each other', 20_000, async () =>
      [...this.nodes.values()].every(({ state }) => state.alive.length === names.length - 1) ? true : undefined,
    );
  }

  macOf(name: string): string {
    const number = 11 + this.#lab.hosts.findIndex((host) => host.name === name);
    return `02:00:00:00:00:${number.toString(16).padStart(2, '0')}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab[Symbol.asyncDispose]();
  }
}

/** A way in which a node fails, and how it comes back. */
export interface Failure {
  readonly what: string;
  fail(node: TestNode): Promise<void>;
  mend(node: TestNode, world: Layer2World): Promise<void>;
}

export const failures: readonly Failure[] = [
  {
    what: 'killed',
    fail: async (node) => node.process.signal('SIGKILL'),
    mend: async ({ host }, world) => void world.startNode(host),
  },
  {
    what: 'cut off',
    fail: ({ host }) => host.link.cut(),
    mend: ({ host }) => host.link.restore(),
  },
  {
    what: 'without power',
    fail: ({ host }) => host.powerOff(),
    async mend({ host }, world) {
      await host.powerOn();
      world.startNode(host);
    },
  },
  {
    what: 'drained and stopped',
    fail: async (node) => void node.process.stdin.end(),
    async mend({ host, process }, world) {
      assert.equal(await process.ended, 0);
      world.startNode(host);
    },
  },
];
