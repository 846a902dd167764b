import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Service } from '../../src/kube/types.gen.ts';
import { addresses, families, World } from './services/world.ts';

let world: World;
before(async () => {
  world = await World.start();
});
after(() => world[Symbol.asyncDispose]());

function ipsOf(service: Service): Readonly<Record<'IPv4' | 'IPv6', string>> {
  const [v4 = '', v6 = ''] = service.spec?.clusterIPs ?? [];
  return { IPv4: v4, IPv6: v6 };
}

test('a cluster IP spreads connections over all endpoints, in both families, and pods keep their source address', async () => {
  const ips = ipsOf(await world.service('spread'));
  await world.endpoints('spread', ['p2', 'far']);
  for (const family of families) {
    const target = { address: ips[family], port: 80 };
    await world.expect('p1', target, new RegExp(`^(p2|far) ${addresses[family].p1}$`));
    assert.deepEqual([...(await world.answering('p1', target))].sort(), ['far', 'p2']);
  }
});
