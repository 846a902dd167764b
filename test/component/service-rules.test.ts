/** The rules of Services against the kernel: what changes write piece by piece is what a whole write makes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RuleTable } from '../../src/engines/nftables/rule-table.ts';
import {
  compileServicePort,
  type EndpointRule,
  type ServicePortRule,
  type ServiceSettings,
  serviceSkeleton,
} from '../../src/engines/nftables/service-rules.ts';
import { fc } from '../../tools/property.ts';
import { runCommand } from '../testbed/kubectl.ts';

const namespace = `wsr-${process.pid}`;
before(async () => {
  assert.equal((await runCommand('ip', ['netns', 'add', namespace])).status, 0);
});
after(async () => {
  await runCommand('ip', ['netns', 'delete', namespace]);
});

async function nft(args: readonly string[], input = ''): Promise<string> {
  const command = [`--net=/run/netns/${namespace}`, '--', 'nft', ...args];
  const { status, stdout, stderr } = await runCommand('nsenter', command, { input });
  assert.equal(status, 0, `${stderr}\n${input}`);
  return stdout;
}

const families = {
  ip: {
    clusterCidr: '10.42.0.0/16',
    serviceCidrs: ['10.43.0.0/16'],
    service: '10.43.0.',
    pod: '10.42.0.',
    out: '203.0.113.',
  },
  ip6: {
    clusterCidr: 'fd00:42::/56',
    serviceCidrs: ['fd00:43::/112'],
    service: 'fd00:43::',
    pod: 'fd00:42::',
    out: '2001:db8::',
  },
} as const;

function ruleOf(family: 'ip' | 'ip6'): fc.Arbitrary<ServicePortRule | undefined> {
  const { service, pod, out } = families[family];
  const endpoints = fc
    .uniqueArray(fc.integer({ min: 2, max: 9 }), { maxLength: 4 })
    .map((all): EndpointRule[] => all.map((n) => ({ address: `${pod}${n}`, port: 8080, mayBeHere: n < 5 })));
  return fc
    .record({
      index: fc.integer({ min: 1, max: 4 }),
      protocol: fc.constantFrom('tcp', 'udp', 'sctp'),
      external: fc.uniqueArray(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
      nodePort: fc.option(fc.integer({ min: 30_000, max: 30_003 }), { nil: undefined }),
      isInternalLocal: fc.boolean(),
      isExternalLocal: fc.boolean(),
      endpoints,
      affinitySeconds: fc.constantFrom(undefined, undefined, 60, 10_800),
      ranges: fc.constantFrom<readonly string[]>([], [`${out}0/${family === 'ip' ? 24 : 64}`]),
    })
    .map(({ index, external, endpoints: all, ranges, ...rest }) => ({
      ...rest,
      name: `default/s${index}:/${rest.protocol}`,
      port: 80,
      clusterIp: `${service}${index}`,
      externalIps: external.map((n) => `${out}${n}`),
      clusterEndpoints: all,
      localEndpoints: all.filter((e) => e.mayBeHere),
      hasEndpoints: all.length > 0,
      loadBalancerIps: external.slice(0, 1).map((n) => `${out}${n}`),
      sourceRanges: ranges,
    }));
}

/** The table as nft tells it, without what differs between equal ones: handles, the order of chains and of elements. */
async function standing(family: 'ip' | 'ip6', table: string): Promise<unknown> {
  const { nftables }: { nftables: Record<string, Record<string, unknown>>[] } = JSON.parse(
    await nft(['-j', '-n', 'list', 'table', family, table]),
  );
  return nftables
    .flatMap((object) => Object.entries(object))
    .filter(([what]) => what !== 'metainfo')
    .map(([what, { handle: _, elem, table: __, ...rest }], position) => {
      const elements = Array.isArray(elem) ? elem.map((one) => JSON.stringify(one)).sort() : undefined;
      // Rules keep their order within their chain; all else is sorted by name.
      const order = `${what} ${rest['chain'] ?? rest['name']} ${what === 'rule' ? String(position).padStart(6, '0') : ''}`;
      return { order, text: JSON.stringify([what, rest, elements]) };
    })
    .sort((a, b) => (a.order < b.order ? -1 : 1))
    .map(({ text }) =>
      text
        .replace(/__(set|map)\d+/g, '__$1')
        .replace(table, '')
        // The same bytes of the packet: nft guesses the protocol from what it has read before.
        .replace(/"protocol":"(tcp|udp|sctp)","field":"dport"/g, '"protocol":"th","field":"dport"'),
    );
}

for (const family of ['ip', 'ip6'] as const) {
  test(`any sequence of changes leaves what a whole write of the last state makes (${family})`, async () => {
    const { clusterCidr, serviceCidrs } = families[family];
    const settings: ServiceSettings = { family, clusterCidr, serviceCidrs, nodePortAddresses: [] };
    const change = fc.record({ name: fc.constantFrom(1, 2, 3, 4), remove: fc.boolean(), rule: ruleOf(family) });
    const steps = fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(steps, async (batches) => {
        const grown = new RuleTable(family, 'grown', serviceSkeleton(settings));
        const whole = new RuleTable(family, 'whole', serviceSkeleton(settings));
        await nft(['-f', '-'], grown.compileAll(1));
        grown.written();
        const last = new Map<string, ServicePortRule>();
        for (const batch of batches) {
          for (const { rule, remove } of batch) {
            if (rule === undefined) continue;
            if (remove) last.delete(rule.name);
            else last.set(rule.name, rule);
            grown.set(rule.name, rule.name, remove ? undefined : compileServicePort(settings, rule));
          }
          await nft(['-f', '-'], grown.compileChange(1));
          grown.written();
        }
        for (const [name, rule] of last) whole.set(name, name, compileServicePort(settings, rule));
        await nft(['-f', '-'], whole.compileAll(1));
        assert.deepEqual(await standing(family, 'grown'), await standing(family, 'whole'));
      }),
      { numRuns: 12 },
    );
  });
}
