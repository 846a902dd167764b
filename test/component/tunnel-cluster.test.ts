/** Tunnels and their Services against an API server and a real exit, both in this process. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { events, secrets, services } from '../../src/kube/resources.gen.ts';
import type { Service } from '../../src/kube/types.gen.ts';
import { serveTunnels } from '../../src/server/tunnels.ts';
import { type Tunnel, tunnels } from '../../src/tunnel/cluster/tunnel-kind.ts';
import { type Exit, startExit } from '../../src/tunnel/exit/exit.ts';
import { fullToken } from '../../src/tunnel/tokens.ts';
import { eventually } from '../testbed/kubectl.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';

const token = 'c0ffee00c0ffee00c0ffee00c0ffee00';
let world: ControlPlane;
let serving: AsyncDisposable;
let exit: Exit;
const apiVersion = 'wherry.dev/v1alpha1';

const openExit = (controlPort: number) =>
  startExit({
    dataAddress: '127.0.0.1',
    port: 0,
    controlAddress: '127.0.0.1',
    controlPort,
    tokens: { tokens: [fullToken('cluster', token), fullToken('other', 'other-token-of-others')], problems: [] },
    publicAddresses: ['203.0.113.7'],
    trustedProxies: [],
    clock: systemClock,
    log: silentLog,
  });

before(async () => {
  world = await startControlPlane();
  exit = await openExit(0);
  serving = await serveTunnels({ client: world.client, nodeName: 'one', clock: systemClock, log: silentLog });
});
after(async () => {
  await serving?.[Symbol.asyncDispose]();
  await exit?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const tunnelOf = (name: string, spec: Partial<Tunnel['spec']> = {}): Tunnel => ({
  apiVersion,
  kind: 'Tunnel',
  metadata: { name },
  spec: {
    remote: `ws://127.0.0.1:${exit.ports.control}`,
    insecure: true,
    tokenSecretRef: { namespace: 'default', name: `${name}-token` },
    ...spec,
  },
});

async function createSecret(name: string, text = token): Promise<void> {
  const data = { token: Buffer.from(text).toString('base64') };
  await world.client.create(secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'default' },
    data,
  });
}

async function createService(name: string, port: number, annotations: Record<string, string> = {}): Promise<Service> {
  return await world.client.create(services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', annotations },
    spec: { type: 'LoadBalancer', loadBalancerClass: 'wherry.dev/tunnel', ports: [{ port }], selector: { app: name } },
  });
}

const ingress = async (name: string) =>
  (await world.client.get(services, { namespace: 'default', name })).status?.loadBalancer?.ingress;

/** An Event about an object, within the 5 s in which no failure may be silent (and some more for a busy machine). */
const told = (name: string, reason: string) =>
  eventually(`${reason} on ${name}`, 10_000, async () => {
    const list = await world.client.list(events, { namespace: 'default' });
    return list.items.find((event) => event.involvedObject.name === name && event.reason === reason)?.message;
  });

const conditionOf = (name: string, status: string) =>
  eventually(`Tunnel ${name} is ${status}`, 10_000, async () => {
    const { status: found } = await world.client.get(tunnels, { name });
    const condition = found?.conditions?.find(({ type }) => type === 'Connected');
    if (condition?.status === status) return condition;
    throw new Error(JSON.stringify(found));
  });

test('a Service shows the exit as its address while the exit serves it', async () => {
  const [port, taken] = [await freePort(), await freePort()];
  await createService('web', port);
  assert.match(await told('web', 'TunnelNotFound'), /there is no Tunnel/);
  await world.client.create(tunnels, tunnelOf('home'));
  assert.match(await told('home', 'SecretNotFound'), /there is no Secret default\/home-token/);
  await createSecret('home-token');
  await eventually('the address is shown', 15_000, async () => (await ingress('web'))?.[0]);
  assert.deepEqual(await ingress('web'), [{ ip: '203.0.113.7', ipMode: 'Proxy' }]);
  const condition = await conditionOf('home', 'True');
  assert.equal(condition.reason, 'Connected');
  assert.ok(exit.routes().some(({ route }) => route === `tcp/${port}`));

  await createService('rival', port);
  assert.match(await told('rival', 'RouteTaken'), new RegExp(`tcp/${port} of the exit is held by Service default/web`));
  const holder = createServer().listen(taken, '127.0.0.1');
  await createService('blocked', taken);
  assert.match(await told('blocked', 'RouteRefused'), /is held by another program/);
  assert.equal(await ingress('blocked'), undefined);
  await new Promise((resolve) => holder.close(resolve));
  await eventually('it is taken over', 15_000, async () => (await ingress('blocked'))?.[0]);

  await createService('named', 80, { 'wherry.dev/tunnel-hostnames': 'a.example, *.b.example,c d' });
  assert.match(await told('named', 'InvalidHostName'), /"c d" is no host name/);
  await eventually('the names are served', 10_000, async () => (await ingress('named'))?.[0]);
  const routes = exit.routes().map(({ route }) => route);
  assert.ok(routes.includes('http/a.example') && routes.includes('http/*.b.example') && !routes.includes('tcp/80'));

  // The rival's turn comes when the first one goes.
  await world.client.delete(services, { namespace: 'default', name: 'web' });
  await eventually('the rival is served', 10_000, async () => (await ingress('rival'))?.[0]);
});

test('a Tunnel that is lost says so, keeps its addresses, and comes back', async () => {
  const { control } = exit.ports;
  await exit[Symbol.asyncDispose]();
  const condition = await conditionOf('home', 'False');
  assert.match(condition.message, /closed the connection|can't be reached/);
  assert.match(await told('rival', 'TunnelNotConnected'), /Tunnel home is not connected/);
  assert.notEqual(await ingress('rival'), undefined);
  exit = await openExit(control);
  await conditionOf('home', 'True');
});

test('a wrong token, a wrong key and an unknown exit are told on the Tunnel', async () => {
  await createSecret('wrong-token', 'wrong-wrong-wrong');
  await world.client.create(tunnels, tunnelOf('wrong'));
  assert.match(await told('wrong', 'Token'), /does not know this token/);
  await createSecret('away-token');
  await world.client.create(tunnels, tunnelOf('away', { remote: `ws://127.0.0.1:${await freePort()}` }));
  assert.match(await told('away', 'Unreachable'), /can't be reached.*ECONNREFUSED/);
  await createService('ambiguous', await freePort());
  assert.match(await told('ambiguous', 'TunnelAmbiguous'), /there are several Tunnels \(away, home, wrong\)/);
  for (const name of ['wrong', 'away']) await world.client.delete(tunnels, { name });
  await eventually('the only one serves it', 15_000, async () => (await ingress('ambiguous'))?.[0]);
  await world.client.delete(tunnels, { name: 'home' });
  await eventually('nothing is shown without a Tunnel', 15_000, async () =>
    (await ingress('ambiguous')) ? undefined : true,
  );
  await eventually('the exit has no client', 10_000, async () => (exit.sessions().length === 0 ? true : undefined));
});
