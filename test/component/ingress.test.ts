/** Ingresses, served by the real HAProxy, with the Kubernetes API in this process. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ingresses } from '../../src/kube/resources.gen.ts';
import { waitFor } from './control-plane.ts';
import { addNode, startWorld, type Upstream, until, upstream, type World } from './ingress/world.ts';

let world: World;
let a: Upstream;
let b: Upstream;
before(async () => {
  [a, b] = await Promise.all([upstream('a'), upstream('b')]);
  world = await startWorld();
});
after(async () => {
  await world?.[Symbol.asyncDispose]();
  a?.[Symbol.dispose]();
  b?.[Symbol.dispose]();
});

const nameOf = (body: string): string => JSON.parse(body).name;
const to = (name: string) => ({ service: { name, port: { number: 80 } } });
const at = (host: string | undefined, path: string, pathType: string, name: string) => ({
  ...(host === undefined ? {} : { host }),
  http: { paths: [{ path, pathType, backend: to(name) }] },
});

test('hosts, wildcards and the three path types lead where the specification says', async () => {
  const namespace = await world.plane.namespace();
  await world.service(namespace, 'a', [a.port]);
  await world.service(namespace, 'b', [b.port]);
  await world.ingress(namespace, 'web', {
    rules: [
      at('shop.test', '/', 'Prefix', 'a'),
      at('shop.test', '/cart', 'Prefix', 'b'),
      at('shop.test', '/cart/exact', 'Exact', 'a'),
      at('*.wild.test', '/', 'Prefix', 'b'),
      at('one.wild.test', '/', 'ImplementationSpecific', 'a'),
    ],
  });
  await until(
    'the first answer',
    () => world.get('shop.test', '/'),
    ({ status }) => status === 200,
  );
  for (const [host, path, wanted] of [
    ['shop.test', '/', 'a'],
    ['shop.test', '/cart', 'b'],
    ['shop.test', '/cart/', 'b'],
    ['shop.test', '/cart/1?x=/cartoon', 'b'],
    ['shop.test', '/cartoon', 'a'],
    ['shop.test', '/cart/exact', 'a'],
    ['shop.test', '/cart/exact/', 'b'],
    ['SHOP.test:80', '/', 'a'],
    ['two.wild.test', '/x', 'b'],
    ['one.wild.test', '/x', 'a'],
  ] as const) {
    const { status, body } = await world.get(host, path);
    assert.equal(status, 200, `${host}${path}`);
    assert.equal(nameOf(body), wanted, `${host}${path}`);
  }
  for (const host of ['wild.test', 'a.b.wild.test', 'other.test'])
    assert.equal((await world.get(host, '/')).status, 404, host);
});

test('an Ingress shows the addresses of the nodes', async () => {
  await addNode(world.plane, 'a', '192.0.2.11');
  const namespace = await world.plane.namespace();
  await world.ingress(namespace, 'shown', { rules: [at('shown.test', '/', 'Prefix', 'nothing')] });
  await waitFor(
    world.plane,
    ingresses,
    namespace,
    'the address',
    ([one]) => one?.status?.loadBalancer?.ingress?.[0]?.ip === '192.0.2.11',
  );
});
