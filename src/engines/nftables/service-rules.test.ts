import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RuleTable } from './rule-table.ts';
import { createTransactionReader, type Transaction } from './ruleset-monitor.ts';
import { compileHostPorts, compileServicePort, type ServicePortRule, type ServiceSettings } from './service-rules.ts';
import { parseTimedSets } from './timed-sets.ts';

const settings: ServiceSettings = {
  family: 'ip',
  clusterCidr: '10.42.0.0/16',
  serviceCidrs: ['10.43.0.0/16'],
  nodePortAddresses: [],
};

const plain: ServicePortRule = {
  name: 'default/web:http/tcp',
  protocol: 'tcp',
  port: 80,
  clusterIp: '10.43.0.5',
  externalIps: [],
  nodePort: undefined,
  isInternalLocal: false,
  isExternalLocal: false,
  clusterEndpoints: [
    { address: '10.42.0.2', port: 8080, mayBeHere: true },
    { address: '10.42.1.2', port: 8080, mayBeHere: false },
  ],
  localEndpoints: [],
  hasEndpoints: true,
  affinitySeconds: undefined,
  loadBalancerIps: [],
  sourceRanges: [],
};

/** What a rule adds to a table, without its skeleton and stamp. */
function written(...rules: readonly ServicePortRule[]): string[] {
  const table = new RuleTable('ip', 't', '');
  for (const rule of rules) table.set(rule.name, '', compileServicePort(settings, rule));
  return linesOf(table.compileChange(1));
}

function linesOf(script: string): string[] {
  return script
    .split('\n')
    .filter((line) => line !== '' && !/ written( |$)/.test(line))
    .map((line) => line.replace(/ ip t /, ' '));
}

test('a cluster IP is one element that leads to the chain of its shape, and one for each endpoint', () => {
  assert.deepEqual(written(plain), [
    'add chain tcp-cluster-2',
    'add rule tcp-cluster-2 jump cluster-sources',
    'add rule tcp-cluster-2 dnat ip to ip daddr . tcp dport . numgen random mod 2 map @endpoints-tcp',
    'add element cluster-ips { 10.43.0.5 }',
    'add element services { 10.43.0.5 . tcp . 80 : goto tcp-cluster-2 }',
    'add element endpoints-tcp { 10.43.0.5 . 80 . 0 : 10.42.0.2 . 8080, 10.43.0.5 . 80 . 1 : 10.42.1.2 . 8080 }',
    'add element hairpin { 10.42.0.2 . 10.42.0.2 }',
  ]);
});

test('Services of one shape share its chain', () => {
  const lines = written(plain, { ...plain, name: 'default/other:/tcp', clusterIp: '10.43.0.6' });
  assert.equal(lines.filter((line) => line.startsWith('add chain')).length, 1);
});

test('external traffic that stays local: pods and the node may use all endpoints, others those here', () => {
  const lines = written({
    ...plain,
    clusterIp: undefined,
    nodePort: 30080,
    isExternalLocal: true,
    localEndpoints: plain.clusterEndpoints.slice(0, 1),
  });
  assert.deepEqual(
    lines.filter((line) => line.includes('external-local')),
    [
      'add chain node-tcp-external-local-2-1',
      'add rule node-tcp-external-local-2-1 ip saddr 10.42.0.0/16 goto node-tcp-cluster-2',
      'add rule node-tcp-external-local-2-1 fib saddr type local goto node-tcp-external-2',
      'add rule node-tcp-external-local-2-1 dnat ip to tcp dport . numgen random mod 1 offset 65536 map @node-endpoints-tcp',
      'add element node-ports { tcp . 30080 : goto node-tcp-external-local-2-1 }',
    ],
  );
  assert.match(lines.join('\n'), /30080 \. 65536 : 10\.42\.0\.2 \. 8080/);
});

test('without endpoints all fronts are refused and none is looked up', () => {
  const nowhere = { clusterEndpoints: [], hasEndpoints: false, externalIps: ['203.0.113.7'], nodePort: 30080 };
  assert.deepEqual(written({ ...plain, ...nowhere }), [
    'add element cluster-ips { 10.43.0.5 }',
    'add element no-endpoints { 10.43.0.5 . tcp . 80, 203.0.113.7 . tcp . 80 }',
    'add element no-endpoints-node { tcp . 30080 }',
  ]);
});

test('source ranges that lie in others are left out, and 0.0.0.0/0 means everybody', () => {
  const balanced = { ...plain, externalIps: ['203.0.113.7'], loadBalancerIps: ['203.0.113.7'] };
  const guarded = written({ ...balanced, sourceRanges: ['10.1.0.0/16', '10.0.0.0/8', '192.0.2.0/24', '10.0.0.0/8'] });
  assert.match(guarded.join('\n'), /ip saddr != \{ 10\.0\.0\.0\/8, 192\.0\.2\.0\/24 \} counter drop/);
  assert.doesNotMatch(written({ ...balanced, sourceRanges: ['0.0.0.0/0', '10.0.0.0/8'] }).join('\n'), /guarded|drop/);
});

test('a change of one endpoint writes that endpoint', () => {
  const table = new RuleTable('ip', 't', '');
  for (let i = 0; i < 100; i++) {
    const rule = { ...plain, name: `default/s${i}:/tcp`, clusterIp: `10.43.1.${i}` };
    table.set(rule.name, '', compileServicePort(settings, rule));
  }
  table.written();
  const [first, second] = plain.clusterEndpoints;
  assert.ok(first && second);
  const changed = { ...plain, name: 'default/s7:/tcp', clusterIp: '10.43.1.7' };
  table.set(
    changed.name,
    '',
    compileServicePort(settings, { ...changed, clusterEndpoints: [first, { ...second, address: '10.42.1.3' }] }),
  );
  assert.deepEqual(linesOf(table.compileChange(2)), [
    'delete element endpoints-tcp { 10.43.1.7 . 80 . 1 }',
    'add element endpoints-tcp { 10.43.1.7 . 80 . 1 : 10.42.1.3 . 8080 }',
  ]);
  table.written();
  assert.equal(table.compileChange(3), '');
});

test('of two owners of a key the lower rank has it, and the other follows when it goes', () => {
  const table = new RuleTable('ip', 't', '');
  const port = { protocol: 'tcp', hostIp: undefined, hostPort: 80, port: 80 } as const;
  table.set('pod b', '2', compileHostPorts([{ ...port, address: '10.42.0.3' }]));
  table.set('pod a', '1', compileHostPorts([{ ...port, address: '10.42.0.2' }]));
  const has = () => linesOf(table.compileAll(1)).find((line) => line.includes('host-ports'));
  assert.equal(has(), 'add element host-ports { tcp . 80 : 10.42.0.2 . 80 }');
  assert.deepEqual(table.contests('pod b'), [{ set: 'host-ports', key: 'tcp . 80', winner: 'pod a', loser: 'pod b' }]);
  assert.deepEqual(table.contests('pod a'), []);
  table.written();
  table.set('pod a', '1', undefined);
  assert.equal(has(), 'add element host-ports { tcp . 80 : 10.42.0.3 . 80 }');
  assert.match(
    table.compileChange(2),
    /delete element ip t host-ports \{ tcp \. 80 \}\n.*add element ip t host-ports/s,
  );
});

test('what nft monitor prints becomes transactions, each with the tables and stamps that it touched', () => {
  const seen: Transaction[] = [];
  let lost = 0;
  const read = createTransactionReader(
    (transaction) => seen.push(transaction),
    () => lost++,
  );
  for (const line of [
    'add table ip wherry',
    'add element ip wherry services { 10.43.0.5 . tcp . 80 : goto tcp-cluster-2 }',
    'delete element ip wherry written { 0x00000001 }',
    'add element ip wherry written { 0x0000002a }',
    'add rule ip6 other chain counter packets 0 bytes 0 drop',
    '# new generation 5 by process 1 (nft)',
    'delete table ip wherry',
    '# new generation 6 by process 2 (nft)',
    '# ERROR: We lost some netlink events!',
  ]) {
    read(line);
  }
  assert.deepEqual(seen, [
    { tables: new Set(['ip wherry', 'ip6 other']), stamps: new Map([['ip wherry', 42]]) },
    { tables: new Set(['ip wherry']), stamps: new Map() },
  ]);
  assert.equal(lost, 1);
});

test('elements with an end are read from what nft prints', () => {
  const text = JSON.stringify({
    nftables: [
      { metainfo: {} },
      { set: { table: 'wherry', name: 'clients-a', elem: [{ elem: { val: '10.42.0.2', expires: 7199 } }] } },
      { set: { table: 'wherry', name: 'cluster-ips', elem: ['10.43.0.5'] } },
      { set: { table: 'other', name: 'clients-b', elem: [{ elem: { val: '10.42.0.3', expires: 1 } }] } },
    ],
  });
  assert.deepEqual(
    parseTimedSets(text, 'wherry', 'clients-'),
    new Map([['clients-a', [{ key: '10.42.0.2', expiresSeconds: 7199 }]]]),
  );
});
