import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fc } from '../../../tools/property.ts';
import { parseAddress } from './address.ts';
import { parseAddressRange } from './address-range.ts';
import { type AddressRequest, allocate } from './allocation.ts';
import { capacityOf, isUsable, type Pool, poolOf } from './pool.ts';

function pool(name: string, ranges: readonly string[], more: Partial<Pool> = {}): Pool {
  const parsed = ranges.map((text) => {
    const range = parseAddressRange(text);
    assert.ok(typeof range === 'object', String(range));
    return range;
  });
  return { name, labels: {}, ranges: parsed, autoAssign: true, avoidBuggyIPs: false, allocateTo: undefined, ...more };
}

function request(key: string, more: Partial<AddressRequest> = {}): AddressRequest {
  return {
    key,
    namespace: key.split('/')[0] ?? '',
    namespaceLabels: {},
    labels: {},
    families: ['IPv4'],
    familyPolicy: 'SingleStack',
    ports: ['TCP/80'],
    addresses: [],
    pool: undefined,
    sharingKey: '',
    backendKey: '',
    current: [],
    ...more,
  };
}

/** `POOL ADDRESSES`, or what was said. */
function results(pools: readonly Pool[], ...requests: readonly AddressRequest[]): readonly string[] {
  const allocations = allocate(pools, requests);
  return requests.map(({ key }) => {
    const found = allocations.get(key);
    assert.ok(found !== undefined);
    return found.ok ? `${found.pool} ${found.addresses.join(' ')}` : found.message;
  });
}

const small = pool('small', ['173.30.1.240-173.30.1.241']);
const dual = pool('dual', ['10.0.0.0/30', 'fd00::/126']);

describe('address ranges', () => {
  it('are prefixes, pairs or single addresses', () => {
    assert.equal(capacityOf(pool('p', ['10.0.0.0/24', '10.0.1.5-10.0.1.9', '10.0.2.1']), 'IPv4'), 262n);
    assert.equal(capacityOf(pool('p', ['10.0.0.0/23'], { avoidBuggyIPs: true }), 'IPv4'), 508n);
    assert.equal(capacityOf(pool('p', ['10.0.0.255-10.0.1.1'], { avoidBuggyIPs: true }), 'IPv4'), 1n);
    for (const text of [
      '173.30.3.240.165-173.30.3.250',
      '10.0.0.5-10.0.0.1',
      '10.0.0.0/33',
      '10.0.0.1-fd00::1',
      '010.0.0.1',
      '',
    ]) {
      assert.equal(typeof parseAddressRange(text), 'string', text);
    }
    assert.equal(
      parseAddressRange('173.30.3.240.165-173.30.3.250'),
      'in the range 173.30.3.240.165-173.30.3.250, "173.30.3.240.165" is not an address',
    );
  });
});

describe('the addresses of Services', () => {
  it('are the first that are free, in the order in which Services ask', () => {
    assert.deepEqual(results([small, dual], request('a/1'), request('a/2'), request('a/3')), [
      'small 173.30.1.240',
      'small 173.30.1.241',
      'dual 10.0.0.0',
    ]);
  });

  it('stay where they are, whoever asks first', () => {
    const kept = request('b/old', { current: ['173.30.1.240'] });
    assert.deepEqual(results([small], request('a/new'), kept), ['small 173.30.1.241', 'small 173.30.1.240']);
  });

  it('move when the Service asks for others, or the pool is gone', () => {
    const current = ['173.30.1.240'];
    assert.deepEqual(results([small, dual], request('a/1', { current, addresses: ['173.30.1.241'] })), [
      'small 173.30.1.241',
    ]);
    assert.deepEqual(results([small, dual], request('a/1', { current, pool: 'dual' })), ['dual 10.0.0.0']);
    assert.deepEqual(results([dual], request('a/1', { current })), ['dual 10.0.0.0']);
    const closed = pool('small', ['173.30.1.240-173.30.1.241'], { autoAssign: false });
    assert.deepEqual(results([closed, dual], request('a/1', { current })), ['small 173.30.1.240']);
  });

  it('that are asked for are given, or the reason is told', () => {
    const asks = (...addresses: string[]) => request('a/1', { addresses });
    const taken = request('a/0', { current: ['173.30.1.240'] });
    assert.deepEqual(results([small], asks('173.30.1.241')), ['small 173.30.1.241']);
    assert.deepEqual(results([small], asks('173.30.1.168')), [
      'the address 173.30.1.168 that it asks for is in no pool: small has 173.30.1.240-173.30.1.241',
    ]);
    assert.match(results([small], taken, asks('173.30.1.240'))[1] ?? '', /belongs to the Service a\/0/);
    assert.match(results([small], asks('nonsense'))[0] ?? '', /"nonsense"/);
    assert.match(results([small, dual], asks('173.30.1.240', 'fd00::1'))[0] ?? '', /different pools/);
    assert.match(results([dual], asks('fd00::1'))[0] ?? '', /IPv6, but its families are IPv4/);
    assert.match(
      results([small, dual], request('a/1', { pool: 'dual', addresses: ['173.30.1.240'] }))[0] ?? '',
      /in the pool small/,
    );
    assert.match(results([small], request('a/1', { pool: 'none' }))[0] ?? '', /there is no address pool "none"/);
    assert.match(results([])[0] ?? results([], request('a/1'))[0] ?? '', /there is no address pool/);
  });

  it('run out by name', () => {
    const said = results([small], request('a/1'), request('a/2'), request('a/3'))[2];
    assert.equal(said, 'no address is free in small (173.30.1.240-173.30.1.241)');
    const v6 = request('a/6', { families: ['IPv6'] });
    assert.equal(results([small], v6)[0], 'no IPv6 address is in small (173.30.1.240-173.30.1.241)');
  });

  it('are of the families that the Service has', () => {
    const both = { families: ['IPv4', 'IPv6'] as const };
    assert.deepEqual(results([small, dual], request('a/1', { ...both, familyPolicy: 'RequireDualStack' })), [
      'dual 10.0.0.0 fd00::',
    ]);
    assert.deepEqual(results([small, dual], request('a/1', { ...both, familyPolicy: 'PreferDualStack' })), [
      'small 173.30.1.240',
    ]);
    const upgraded = request('a/1', { ...both, familyPolicy: 'PreferDualStack', current: ['10.0.0.1'] });
    assert.deepEqual(results([dual], upgraded), ['dual 10.0.0.1 fd00::']);
    const required = request('a/1', { ...both, familyPolicy: 'RequireDualStack', current: ['173.30.1.240'] });
    assert.deepEqual(results([small, dual], required), ['dual 10.0.0.0 fd00::']);
  });

  it('come from pools for the Service first, by priority', () => {
    const audience = { namespaces: [], namespaceSelectors: [], serviceSelectors: [] };
    const forTeam = (name: string, range: string, priority: number) =>
      pool(name, [range], { allocateTo: { ...audience, priority, namespaces: ['team'] } });
    const pools = [
      small,
      forTeam('none', '10.1.0.1', 0),
      forTeam('second', '10.1.0.2', 20),
      forTeam('first', '10.1.0.3', 10),
    ];
    assert.deepEqual(
      results(pools, ...['team/1', 'team/2', 'team/3', 'team/4', 'other/1'].map((key) => request(key))),
      ['first 10.1.0.3', 'second 10.1.0.2', 'none 10.1.0.1', 'small 173.30.1.240', 'small 173.30.1.241'],
    );
  });

  it('are shared by Services that agree to it and differ in their ports', () => {
    const shares = (key: string, port: string, more: Partial<AddressRequest> = {}) =>
      request(key, { sharingKey: 'k', ports: [port], ...more });
    assert.deepEqual(
      results([small], request('a/0'), shares('a/1', 'TCP/80'), shares('a/2', 'UDP/80'), shares('a/3', 'TCP/80')),
      [
        'small 173.30.1.240',
        'small 173.30.1.241',
        'small 173.30.1.241',
        'no address is free in small (173.30.1.240-173.30.1.241)',
      ],
    );
    const fixed = { addresses: ['173.30.1.240'] };
    assert.match(
      results([small], shares('a/1', 'TCP/80', fixed), shares('a/2', 'TCP/81', { ...fixed, backendKey: 'app=x' }))[1] ??
        '',
      /another externalTrafficPolicy/,
    );
  });

  it('keep their invariants whatever happens', () => {
    const poolNames = ['p', 'q', 'r'];
    const someAddress = fc.integer({ min: 0, max: 11 }).map((n) => `10.0.0.${n}`);
    const aRequest = fc.record({
      familyPolicy: fc.constantFrom('SingleStack', 'PreferDualStack', 'RequireDualStack'),
      families: fc.constantFrom<readonly ('IPv4' | 'IPv6')[]>(['IPv4'], ['IPv6'], ['IPv4', 'IPv6'], ['IPv6', 'IPv4']),
      ports: fc.uniqueArray(fc.constantFrom('TCP/1', 'TCP/2', 'UDP/1'), { minLength: 1 }),
      addresses: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(someAddress, { maxLength: 2 })),
      pool: fc.option(fc.constantFrom(...poolNames), { nil: undefined }),
      sharingKey: fc.constantFrom('', 'k'),
      backendKey: fc.constantFrom('', 'b'),
    });
    const somePools = fc.record({
      avoidBuggyIPs: fc.boolean(),
      ranges: fc.constantFrom(
        [['10.0.0.0/30', 'fd00::/127'], ['10.0.0.4/30'], ['10.0.0.8-10.0.0.9', 'fd01::1']],
        [['10.0.0.0/29'], ['fd00::/126']],
        [['10.0.0.2-10.0.0.3']],
      ),
    });
    const step = fc.tuple(
      fc.dictionary(fc.constantFrom('a/1', 'a/2', 'b/3', 'b/4', 'c/5', 'c/6'), aRequest),
      somePools,
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
        let standing = new Map<string, readonly string[]>();
        for (const [wanted, { avoidBuggyIPs, ranges }] of steps) {
          const pools = ranges.map((texts, index) => pool(poolNames[index] ?? '', texts, { avoidBuggyIPs }));
          const requests = Object.entries(wanted).map(([key, more]) =>
            request(key, { ...more, current: standing.get(key) ?? [] }),
          );
          const allocations = allocate(pools, requests);
          const owners = new Map<string, AddressRequest[]>();
          for (const one of requests) {
            const found = allocations.get(one.key);
            assert.ok(found !== undefined, 'each Service is answered');
            if (!found.ok) continue;
            assert.ok(found.addresses.length > 0);
            for (const address of found.addresses) {
              const parsed = parseAddress(address);
              const from = poolOf(pools, address);
              assert.ok(
                parsed !== undefined && from?.name === found.pool && isUsable(from, parsed.family, parsed.value),
              );
              assert.ok(one.families.includes(parsed.family), 'no address of a family that the Service does not have');
              owners.set(address, [...(owners.get(address) ?? []), one]);
            }
            if (one.pool !== undefined) assert.equal(found.pool, one.pool);
          }
          for (const sharers of owners.values()) {
            for (const [index, one] of sharers.entries()) {
              for (const other of sharers.slice(index + 1)) {
                assert.ok(one.sharingKey !== '' && one.sharingKey === other.sharingKey, 'only those who agree share');
                assert.ok(!one.ports.some((port) => other.ports.includes(port)));
                assert.equal(one.backendKey, other.backendKey);
              }
            }
          }
          standing = new Map(
            [...allocations].flatMap(([key, found]) => (found.ok ? [[key, found.addresses] as const] : [])),
          );
          const again = allocate(
            pools,
            [...requests].reverse().map((one) => ({ ...one, current: standing.get(one.key) ?? [] })),
          );
          for (const [key, addresses] of standing) {
            const found = again.get(key);
            assert.deepEqual(found?.ok ? found.addresses : found, addresses, 'nobody moves when nothing has changed');
          }
        }
      }),
      { numRuns: 400 },
    );
  });
});
