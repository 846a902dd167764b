/** Nodes on a real link: who answers ARP and NDP for an address, seen by a machine beside them, while nodes fail. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { rankNodes } from '../../src/loadbalancer/layer2/election.ts';
import { eventually } from '../testbed/kubectl.ts';
import type { Host } from '../testbed/lab/host.ts';
import { type Lab, startLab } from '../testbed/lab/lab.ts';
import { eachLine, type HostProcess } from '../testbed/lab/machine.ts';
import type { Answer } from './layer2/asker.ts';
import type { NodeOrder, NodeState } from './layer2/node.ts';

const vip = '198.18.0.240';
const vip6 = 'fd18:1::240';
const key = randomBytes(32).toString('hex');
const names = ['one', 'two', 'three'];

interface TestNode {
  readonly host: Host;
  process: HostProcess;
  state: NodeState;
}

let lab: Lab;
const nodes = new Map<string, TestNode>();
const heard: Answer[] = [];

before(async () => {
  lab = await startLab({ name: 'layer2' });
  const [client, ...hosts] = await Promise.all(['client', ...names].map((name) => lab.addHost({ name })));
  assert.ok(client !== undefined);
  for (const host of hosts) nodes.set(host.name, startNode(host));
  for (const own of [client.addresses[0], client.addresses[1]]) {
    const isIPv6 = own?.includes(':') ?? false;
    const asking = client.start(process.execPath, [...flags, script('asker.ts'), own ?? '', isIPv6 ? vip6 : vip]);
    eachLine<Answer>(asking, (answer) => heard.push(answer));
  }
});
after(() => lab?.[Symbol.asyncDispose]());

const flags: readonly string[] = ['--disable-warning=ExperimentalWarning'];
const script = (name: string) => fileURLToPath(new URL(`layer2/${name}`, import.meta.url));

function startNode(host: Host): TestNode {
  const started = host.start(process.execPath, [...flags, script('node.ts'), host.name, host.address, key]);
  const node: TestNode = { host, process: started, state: { held: [], alive: [] } };
  eachLine<NodeState>(started, (state) => Object.assign(node, { state }));
  order(node, {});
  return node;
}

function order(node: TestNode, { ranked, preferred }: { ranked?: readonly string[]; preferred?: number }): void {
  const peers = lab.hosts.filter(({ name }) => names.includes(name) && name !== node.host.name);
  const line: NodeOrder = {
    peers: Object.fromEntries(peers.map(({ name, address }) => [name, address])),
    wanted: [vip, vip6].map((address) => {
      const all = ranked ?? rankNodes(address, names);
      return { address, ranked: all, preferred: preferred ?? all.length };
    }),
  };
  node.process.stdin.write(`${JSON.stringify(line)}\n`);
}

const latest = (address: string) => heard.findLast((answer) => answer.address === address);
const macOf = (name: string) =>
  `02:00:00:00:00:${(11 + lab.hosts.findIndex((host) => host.name === name)).toString(16).padStart(2, '0')}`;
const nodeOf = (mac: string) => {
  const name = names.find((one) => macOf(one) === mac);
  assert.ok(name !== undefined, mac);
  const node = nodes.get(name);
  assert.ok(node !== undefined);
  return node;
};

/** The node that answers, when one does and has for the last 300 ms. */
async function holderOf(address: string): Promise<TestNode> {
  const mac = await eventually(`one node answers for ${address}`, 20_000, async () => {
    const answer = latest(address);
    return answer?.macs.length === 1 && Date.now() - answer.atMs > 300 ? answer.macs[0] : undefined;
  });
  return nodeOf(mac);
}

/** How long after `sinceMs` another card than `former` answered. */
async function takeoverMs(address: string, former: string, sinceMs: number): Promise<number> {
  const taken = await eventually(`another node answers for ${address}`, 10_000, async () =>
    heard.find(
      ({ address: of, atMs, macs }) => of === address && atMs >= sinceMs && macs.length === 1 && macs[0] !== former,
    ),
  );
  return taken.atMs - sinceMs;
}

test('one node answers for each address', async () => {
  for (const address of [vip, vip6]) {
    const { host } = await holderOf(address);
    assert.equal(host.name, rankNodes(address, names)[0]);
  }
});

for (const [what, fail, mend] of [
  [
    'killed',
    async ({ process: it }: TestNode) => it.signal('SIGKILL'),
    async ({ host }: TestNode) => void nodes.set(host.name, startNode(host)),
  ],
  ['cut off', async ({ host }: TestNode) => host.link.cut(), async ({ host }: TestNode) => host.link.restore()],
] as const) {
  test(`an address of a node that is ${what} answers elsewhere in less than a second, and stays there`, async () => {
    for (const address of [vip, vip6]) {
      const former = await holderOf(address);
      const sinceMs = Date.now();
      await fail(former);
      const tookMs = await takeoverMs(address, macOf(former.host.name), sinceMs);
      console.log(`${what}: ${address} after ${tookMs} ms`);
      assert.ok(tookMs < 1000, `${tookMs} ms`);
      const next = await holderOf(address);
      await mend(former);
      const again = await eventually('the node is heard again', 20_000, async () =>
        next.state.alive.length === 2 ? nodes.get(former.host.name) : undefined,
      );
      await eventually('the node hears all', 20_000, async () => (again.state.alive.length === 2 ? true : undefined));
      assert.equal((await holderOf(address)).host.name, next.host.name);
    }
  });
}

test('a node that stops hands its addresses over: there is an answer to every question', async () => {
  const former = await holderOf(vip);
  const sinceMs = Date.now();
  former.process.stdin.end();
  await takeoverMs(vip, macOf(former.host.name), sinceMs);
  assert.equal(await former.process.ended, 0);
  const next = await holderOf(vip);
  assert.notEqual(next.host.name, former.host.name);
  const gaps = heard.filter(({ address, atMs, macs }) => address === vip && atMs >= sinceMs && macs.length === 0);
  assert.deepEqual(gaps, []);
  nodes.set(former.host.name, startNode(former.host));
});
