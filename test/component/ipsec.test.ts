/** IPsec between three machines with real charons: what passes, what the wire shows, and what happens to kills and strangers. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { isObject } from '../../src/core/json.ts';
import { ensureAuthority, ensureLeaf } from '../../src/server/pki/certificates.ts';
import { eventually } from '../testbed/kubectl.ts';
import type { Host } from '../testbed/lab/host.ts';
import { type Lab, startLab } from '../testbed/lab/lab.ts';
import type { HostProcess } from '../testbed/lab/machine.ts';

const program = path.join(import.meta.dirname, 'ipsec-node.ts');
const secret = 'plainly-readable-payload';
const upMs = 30_000;

interface IpsecNode {
  readonly host: Host;
  readonly process: HostProcess;
  /** What the node said last. */
  said(): Readonly<Record<string, unknown>>;
}

let lab: Lab;
let nodes: readonly IpsecNode[];

async function identityOf(lab: Lab, host: Host, node: string, authorityName: string): Promise<string> {
  const authority = await ensureAuthority(lab.folder, authorityName, Date.now());
  const subject = { commonName: `system:node:${node}`, organizations: ['system:nodes'] };
  const pair = await ensureLeaf(host.folder, authorityName, authority, { subject, usages: ['clientAuth'] }, Date.now());
  const file = path.join(host.folder, 'identity.json');
  await writeFile(file, JSON.stringify({ kind: 'certificate', ...pair, authority: authority.certificate }));
  return file;
}

async function startNode(host: Host, number: number, count: number, authority = 'client-ca'): Promise<IpsecNode> {
  const identity = await identityOf(lab, host, `n${number}`, authority);
  const folder = path.join(host.folder, 'podnet');
  const process_ = host.start(process.execPath, [program, folder, String(number), String(count), identity]);
  let last: Readonly<Record<string, unknown>> = {};
  createInterface({ input: process_.stdout }).on('line', (line) => {
    const value: unknown = JSON.parse(line);
    if (isObject(value)) last = value;
  });
  process_.stderr.pipe(process.stderr, { end: false });
  return { host, process: process_, said: () => last };
}

const podAddress = (number: number, isIPv6 = false) => (isIPv6 ? `fd00:42:0:${number}::2` : `10.42.${number}.2`);

/** A pod on a routed veth pair, as the ptp plugin makes it. */
async function addPod(host: Host, number: number): Promise<void> {
  await host.must('sh', [
    '-ec',
    `sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
     ip netns add pod
     ip link add pod0 mtu 1400 type veth peer name eth0 mtu 1400 netns pod
     ip address add 10.42.${number}.1/32 dev pod0
     ip address add fd00:42:0:${number}::1/128 dev pod0 nodad
     ip link set pod0 up
     ip route add ${podAddress(number)}/32 dev pod0 scope host
     ip route add ${podAddress(number, true)}/128 dev pod0
     ip -n pod address add ${podAddress(number)}/32 dev eth0
     ip -n pod address add ${podAddress(number, true)}/128 dev eth0 nodad
     ip -n pod link set eth0 up
     ip -n pod route add 10.42.${number}.1 dev eth0 scope link
     ip -n pod route add default via 10.42.${number}.1
     ip -n pod route add fd00:42:0:${number}::1 dev eth0
     ip -n pod route add default via fd00:42:0:${number}::1`,
  ]);
}

async function pings(from: Host, to: string, ...more: readonly string[]): Promise<boolean> {
  const args = ['netns', 'exec', 'pod', 'ping', '-n', '-c', '1', '-W', '1', ...more, to];
  return (await from.run('ip', args)).status === 0;
}

async function untilMesh(what: string): Promise<void> {
  for (const [from, { host }] of nodes.entries())
    for (const to of nodes.keys())
      for (const isIPv6 of [false, true]) {
        if (from === to) continue;
        const target = podAddress(to + 1, isIPv6);
        await eventually(`${what}: ${host.name} reaches ${target}`, upMs, async () =>
          (await pings(host, target)) ? true : undefined,
        ).catch((error: unknown) => {
          throw new Error(`${what}: ${JSON.stringify(nodes.map(({ said }) => said()))}`, { cause: error });
        });
      }
}

before(async () => {
  lab = await startLab({ name: 'ipsec' });
  for (const name of ['client-ca', 'other-ca']) await ensureAuthority(lab.folder, name, Date.now());
  const hosts = [
    await lab.addHost({ name: 'n1' }),
    await lab.addHost({ name: 'n2' }),
    await lab.addHost({ name: 'n3' }),
  ];
  await Promise.all(hosts.map((host, index) => addPod(host, index + 1)));
  nodes = await Promise.all(hosts.map((host, index) => startNode(host, index + 1, hosts.length)));
  await untilMesh('after the start');
});
after(() => lab?.[Symbol.asyncDispose]());

function node(number: number): IpsecNode {
  const found = nodes[number - 1];
  assert.ok(found !== undefined);
  return found;
}

const charonOf = async ({ host }: IpsecNode) =>
  (await host.readFile(path.join(host.folder, 'podnet', 'charon.pid'))).trim();

test('pods reach each other in both families, and the wire shows ESP alone', async () => {
  const [one, two] = [node(1).host, node(2).host];
  await using wire = await two.capture();
  for (const isIPv6 of [false, true]) {
    const [family, target] = [isIPv6 ? '-6' : '-4', podAddress(2, isIPv6)];
    const listener = two.start('ip', ['netns', 'exec', 'pod', 'nc', '-l', '-p', '7000', ...(isIPv6 ? ['-6'] : [])]);
    listener.stdout.resume();
    assert.ok(await pings(one, target, '-p', Buffer.from(secret).toString('hex').slice(0, 32), '-s', '200', family));
    listener.signal('SIGKILL');
    await listener.ended;
  }
  assert.equal(wire.contains(secret.slice(0, 16)), false);
  assert.deepEqual(await wire.packets('net 10.42.0.0/16 or net fd00:42::/56'), []);
  assert.notDeepEqual(await wire.packets('udp port 4500 or esp'), []);
});

test('the largest packet passes whole', async () => {
  const [one, two] = [node(1).host, node(2).host];
  const mtu = Number(node(1).said()['mtu']);
  assert.ok(mtu >= 1280 && mtu <= 1422, String(mtu));
  assert.match(await one.must('ip', ['link', 'show', 'ipsec0']), new RegExp(`mtu ${mtu} `));
  await using wire = await two.capture();
  assert.ok(await pings(one, podAddress(2), '-M', 'do', '-s', String(Math.min(mtu, 1400) - 28)));
  assert.ok(await pings(one, podAddress(2, true), '-M', 'do', '-s', String(Math.min(mtu, 1400) - 48)));
  assert.deepEqual(await wire.packets('ip[6:2] & 0x3fff != 0'), []);
});

test('a charon that is killed comes back with its tunnels, and nothing leaves in clear meanwhile', async () => {
  const victim = node(2);
  await using wire = await victim.host.capture();
  const former = await charonOf(victim);
  await victim.host.must('kill', ['-9', former]);
  await eventually('charon runs again', upMs, async () => ((await charonOf(victim)) !== former ? true : undefined));
  await untilMesh('after kill -9 of charon');
  assert.deepEqual(await wire.packets('net 10.42.0.0/16 or net fd00:42::/56'), []);
});

test('tunnels outlive the agent, and the next one takes them over', async () => {
  const victim = node(3);
  const former = await charonOf(victim);
  victim.process.signal('SIGKILL');
  await victim.process.ended;
  assert.ok(await pings(node(1).host, podAddress(3)));
  const again = await startNode(victim.host, 3, 3);
  nodes = [node(1), node(2), again];
  await eventually('it says that all stands', upMs, async () =>
    JSON.stringify(again.said()['down']) === '[]' ? true : undefined,
  );
  assert.equal(await charonOf(again), former);
  await untilMesh('after a restart of the agent');
});

test('the device, its address and its routes come back', async () => {
  const { host } = node(1);
  for (const line of [
    'link delete ipsec0',
    'route flush proto 87',
    'address flush dev ipsec0',
    'link set ipsec0 mtu 1290',
  ]) {
    await host.must('ip', line.split(' '));
    await untilMesh(`after ip ${line}`);
  }
});

test('a node with a certificate of another cluster gets no tunnel, and both ends say why', async () => {
  const stranger = node(3);
  stranger.process.stdin.end();
  await stranger.process.ended;
  await stranger.host.must('kill', ['-9', await charonOf(stranger)]);
  const other = await startNode(stranger.host, 3, 3, 'other-ca');
  nodes = [node(1), node(2), other];
  for (const { said } of [node(1), other])
    await eventually('the reason is told', upMs, async () =>
      /"name":"n[123]\/4","why":".*(AUTHENTICATION_FAILED|no trusted|signature validation failed)/.test(
        JSON.stringify(said()['down']),
      )
        ? true
        : undefined,
    ).catch((error: unknown) => {
      throw new Error(JSON.stringify(said()), { cause: error });
    });
  assert.equal(await pings(node(1).host, podAddress(3)), false);
});
