/** The walk-through of address pools: three web servers behind a fixed address, asked from outside while nodes fail. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';
import type { Host } from '../testbed/lab/host.ts';
import { type Lab, startLab } from '../testbed/lab/lab.ts';
import { eachLine } from '../testbed/lab/machine.ts';
import type { LabNode, LabServer } from '../testbed/lab/nodes.ts';
import type { ConnectionLine } from '../testbed/one-connection.ts';
import type { Request } from '../testbed/requests.ts';

const address = '173.30.1.243';
const example = (name: string) => path.join(import.meta.dirname, '../../examples/load-balancer', name);

const script = (name: string) => fileURLToPath(new URL(`../testbed/${name}`, import.meta.url));

let lab: Lab;
let server: LabServer;
let client: Host;
const agents = new Map<string, LabNode>();

before(async () => {
  lab = await startLab({ name: 'layer2-e2e', network: { ipv6: false } });
  const [outside, main, ...hosts] = await Promise.all(
    ['outside', 'main', 'one', 'two'].map((name) => lab.addHost({ name })),
  );
  assert.ok(outside !== undefined && main !== undefined);
  client = outside;
  // The pool's network is on the same wire as the nodes'.
  await client.must('ip', ['route', 'add', '173.30.1.0/24', 'dev', 'eth0']);
  const images = [await imageArchive('nginx')];
  server = await lab.startServer(main, { images });
  for (const agent of await Promise.all(hosts.map((host) => lab.startAgent(host, { server, images })))) {
    agents.set(agent.name, agent);
  }
  agents.set(server.name, server);
});
after(() => lab?.[Symbol.asyncDispose]());

/** The node that says it announces the Service, once it is the only one. */
async function announcer(): Promise<LabNode> {
  return await eventually('one node announces the Service', 30_000, async () => {
    const columns = 'custom-columns=NODE:.status.node,SERVICE:.status.serviceName';
    const list = await server.must(['get', 'servicel2statuses', '-n', 'metallb-system', '--no-headers', '-o', columns]);
    const names = [...list.matchAll(/^(\S+) +web$/gm)].map(([, name = '']) => name);
    return names.length === 1 ? agents.get(names[0] ?? '') : undefined;
  });
}

/** The network card that the client has learned for the address. */
async function cardOf(): Promise<string> {
  return /lladdr (\S+)/.exec(await client.must('ip', ['neighbour', 'show', address]))?.[1] ?? '';
}

/** Runs `act` among requests every 20 ms, until they are answered for 2 s; those that failed, and how long the outage was. */
async function among(
  act: () => Promise<void>,
): Promise<{ readonly failed: readonly Request[]; readonly outageMs: number }> {
  const asking = client.start(process.execPath, [script('requests.ts'), `http://${address}/`, '20']);
  const seen: Request[] = [];
  eachLine<Request>(asking, (line) => seen.push(line));
  await eventually('requests are answered', 20_000, async () =>
    seen.some(({ error }) => error === null) ? true : undefined,
  );
  const sinceMs = Date.now();
  await act();
  const doneMs = Date.now();
  await eventually('requests are answered again', 30_000, async () => {
    const last = seen.filter(({ startedMs }) => startedMs > Math.max(doneMs, Date.now() - 2_000));
    const isLong = Date.now() > doneMs + 2_000;
    return isLong && last.length > 20 && last.every(({ error }) => error === null) ? true : undefined;
  });
  asking.stdin.end();
  assert.equal(await asking.ended, 0);
  const failed = seen.filter(({ error, startedMs }) => error !== null && startedMs > sinceMs - 5_000);
  const slow = seen.filter(
    ({ tookMs, error, startedMs }) => (error !== null || tookMs > 900) && startedMs > sinceMs - 1_000,
  );
  const lastMs = Math.max(sinceMs, ...slow.map(({ startedMs }) => startedMs));
  return { failed, outageMs: lastMs - sinceMs };
}

test('a Service gets a fixed address of the pool, and answers there from outside', async () => {
  for (const file of ['pool.yaml', 'web.yaml']) await server.must(['apply', '-f', example(file)]);
  await server.must(['rollout', 'status', 'deployment/web', '--timeout=120s']);
  await eventually('the page is there', 30_000, async () => {
    const page = await client.run('curl', ['-s', '-m', '2', `http://${address}/`]);
    return page.stdout.includes('Welcome to nginx!') ? true : undefined;
  });
  assert.match(
    await server.must(['get', 'service', 'web']),
    new RegExp(`LoadBalancer +\\S+ +${address.replaceAll('.', '\\.')} `),
  );
  await eventually('an Event and the status of the node tell who answers', 20_000, async () => {
    const node = await announcer();
    const told = await server.must(['get', 'events', '--field-selector', 'reason=nodeAssigned']);
    const { stdout } = await node.wherry(['status']);
    assert.match(told, new RegExp(`announcing from node "${node.name}" with protocol "layer2"`));
    assert.match(stdout, /Layer 2 .*answers for 1 of 1 addresses, hears 2 other nodes/);
    return true;
  });
});

test('nothing is lost when the announcing node is drained', async () => {
  const node = await announcer();
  const { failed } = await among(async () => {
    await server.must(['drain', node.name, '--ignore-daemonsets', '--timeout=60s']);
    await eventually('another node announces', 20_000, async () =>
      (await announcer()).name !== node.name ? true : undefined,
    );
  });
  assert.deepEqual(failed, []);
  await server.must(['uncordon', node.name]);
});

test('node selectors say which nodes announce', async () => {
  // The server's node has the web servers from here on and announces nothing, so that what fails is the way in alone.
  const hostname = 'kubernetes.io/hostname';
  const nodeSelectors = [{ matchExpressions: [{ key: hostname, operator: 'NotIn', values: ['main'] }] }];
  const advertisement = ['l2advertisement', 'home', '-n', 'metallb-system', '--type=merge', '-p'];
  await server.must(['patch', ...advertisement, JSON.stringify({ spec: { nodeSelectors } })]);
  const template = { spec: { nodeSelector: { [hostname]: 'main' } } };
  await server.must(['patch', 'deployment', 'web', '-p', JSON.stringify({ spec: { template } })]);
  await server.must(['rollout', 'status', 'deployment/web', '--timeout=120s']);
  await eventually('another node announces', 20_000, async () =>
    (await announcer()).name === 'main' ? undefined : true,
  );
});

test('a connection goes on when its address is handed to another node, and back', async () => {
  const talking = client.start(process.execPath, [script('one-connection.ts'), address, '80', '50']);
  let answers = 0;
  const errors: string[] = [];
  eachLine<ConnectionLine>(talking, (line) => {
    if ('error' in line) errors.push(line.error);
    else answers = line.answers;
  });
  const more = async () => {
    const goal = answers + 20;
    await eventually('more answers come', 20_000, async () =>
      answers >= goal || errors.length > 0 ? true : undefined,
    );
    assert.deepEqual(errors, []);
  };
  await more();
  for (let round = 0; round < 2; round += 1) {
    const { name } = await announcer();
    const card = await cardOf();
    await server.must(['cordon', name]);
    await eventually('another node announces', 20_000, async () =>
      (await announcer()).name === name ? undefined : true,
    );
    await eventually('the client has learned of it', 20_000, async () =>
      (await cardOf()) === card ? undefined : true,
    );
    await more();
    await server.must(['uncordon', name]);
  }
  talking.stdin.end();
  assert.equal(await talking.ended, 0);
});

for (const [what, fail, mend] of [
  ['whose agent is killed', async (node: LabNode) => node.kill(), async (node: LabNode) => node.restart()],
  ['that is cut off', async ({ host }: LabNode) => host.link.cut(), async ({ host }: LabNode) => host.link.restore()],
  [
    'without power',
    async ({ host }: LabNode) => host.powerOff(),
    async (node: LabNode) => {
      await node.host.powerOn();
      await node.restart();
    },
  ],
] as const) {
  test(`the address of a node ${what} answers elsewhere in less than a second`, async () => {
    const holder = await announcer();
    const before = await cardOf();
    const { outageMs } = await among(() => fail(holder));
    console.log(`a node ${what}: ${outageMs} ms`);
    assert.ok(outageMs < 1000, `${outageMs} ms`);
    assert.notEqual(await cardOf(), before);
    await mend(holder);
    await server.must(['wait', '--for=condition=Ready', `node/${holder.name}`, '--timeout=90s']);
  });
}

test('while the API server is away the address stays where it is', async () => {
  const node = await announcer();
  // Nothing of the Service is on the machine that ends.
  const hostname = [...agents.keys()].find((name) => name !== node.name && name !== 'main');
  const template = { spec: { nodeSelector: { 'kubernetes.io/hostname': hostname } } };
  await server.must(['patch', 'deployment', 'web', '-p', JSON.stringify({ spec: { template } })]);
  await server.must(['rollout', 'status', 'deployment/web', '--timeout=120s']);
  const { failed } = await among(async () => {
    await server.kill();
    await server.restart();
  });
  assert.deepEqual(failed, []);
  assert.equal((await announcer()).name, node.name);
});
