/** The testbed's labs: what their hosts and links do, and that nothing of them stays. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../testbed/kubectl.ts';
import type { Host } from '../testbed/lab/host.ts';
import { type Lab, startLab } from '../testbed/lab/lab.ts';

let lab: Lab;
let a: Host;
let b: Host;
let c: Host;

before(async () => {
  lab = await startLab({ name: 'test' });
  [a, b, c] = await Promise.all([
    lab.addHost({ name: 'a' }),
    lab.addHost({ name: 'b' }),
    lab.addHost({ name: 'c', segment: 7 }),
  ]);
});
after(() => lab?.[Symbol.asyncDispose]());

const ping = async (from: Host, address: string, ...more: string[]) =>
  (await from.run('ping', ['-c', '1', '-W', '5', '-n', ...more, address])).status === 0;
/** Nothing answers, for a while. */
const silent = async (from: Host, address: string, ...more: string[]) =>
  (await from.run('ping', ['-c', '1', '-W', '0.3', '-n', ...more, address])).status !== 0;

test('hosts reach each other over IPv4 and IPv6, in their own segment and across', async () => {
  for (const host of [b, c]) for (const address of host.addresses) assert.ok(await ping(a, address), address);
  assert.deepEqual(b.addresses, ['198.18.0.12', 'fd18:1::12']);
  // Across segments the switch is a router.
  assert.match((await a.must('ping', ['-c', '1', '-n', c.address])).toString(), /ttl=63/);
});

test('a host has its name, /etc, /run, processes and cgroups to itself', async () => {
  assert.equal(await a.must('hostname'), 'a\n');
  await a.writeFile('/etc/wherry-lab/note', 'of a');
  await a.writeFile('/run/note', 'of a');
  assert.equal(await a.readFile('/etc/wherry-lab/note'), 'of a');
  assert.equal((await b.run('cat', ['/etc/wherry-lab/note'])).status, 1);
  assert.ok(!existsSync('/etc/wherry-lab/note') && !existsSync('/run/note'));
  assert.notEqual(await a.readFile('/etc/machine-id'), await b.readFile('/etc/machine-id'));
  assert.ok(!/host-init.sh .* b$/m.test(await a.must('ps', ['-A', '-o', 'args'])));
  for (const line of (await a.readFile('/proc/self/cgroup')).trim().split('\n')) assert.match(line, /:\/(init)?$/);
});

test('a program gets its input, environment and signals, and tells its status', async () => {
  const result = await a.run('sh', ['-c', 'cat; echo "$WORD" >&2; exit 3'], {
    input: 'in',
    environment: { WORD: 'out' },
  });
  assert.deepEqual(result, { status: 3, stdout: 'in', stderr: 'out\n' });
  const running = a.start('sh', ['-c', 'trap "exit 5" TERM; echo ready; while :; do sleep 0.01; done']);
  await new Promise((resolve) => running.stdout.once('data', resolve));
  running.signal('SIGTERM');
  assert.equal(await running.ended, 5);
  const killed = a.start('sleep', ['1000']);
  killed.signal('SIGKILL');
  assert.equal(await killed.ended, 137);
  await eventually('the sleep is gone', 5000, async () =>
    /sleep 1000/.test(await a.must('ps', ['-A', '-o', 'args'])) ? undefined : true,
  );
});

test('a cut link loses everything while the carrier stays; an unplugged one loses that too', async () => {
  const carrier = () => b.readFile('/sys/class/net/eth0/carrier');
  await b.link.cut();
  assert.ok(await silent(a, b.address));
  assert.equal(await carrier(), '1\n');
  await b.link.restore();
  assert.ok(await ping(a, b.address));
  await b.link.unplug();
  assert.ok(await silent(a, b.address));
  assert.equal(await carrier(), '0\n');
  await b.link.restore();
  await eventually('the link is back', 5000, async () => (await ping(a, b.address)) || undefined);
});

test('a partition parts two hosts and no others', async () => {
  const d = await lab.addHost({ name: 'd' });
  await lab.partition(a, b);
  assert.ok(await silent(a, b.address));
  assert.ok((await ping(a, d.address)) && (await ping(d, b.address)));
  await lab.heal();
  assert.ok(await ping(a, b.address));
});

test('a lossy link loses about so many frames', async () => {
  await b.link.lose(30);
  const text = (await a.run('ping', ['-q', '-c', '300', '-i', '0.002', '-W', '0.2', b.address])).stdout;
  await b.link.restore();
  // An answer comes when the request and the reply come through: 0.7 x 0.7.
  const received = Number(/, (\d+) received/.exec(text)?.[1]);
  assert.ok(received > 300 * 0.39 && received < 300 * 0.59, text);
});

test('a slow link carries what it is set to, in each direction', async () => {
  await b.link.setRate(20);
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const mbit = await throughput(from, to);
    assert.ok(mbit > 12 && mbit < 24, `${from.name} to ${to.name}: ${mbit} Mbit/s`);
  }
  await b.link.setRate(undefined);
  assert.ok((await throughput(a, b)) > 30);
});

/** Mbit/s of one TCP stream, by the receiver's clock. */
async function throughput(from: Host, to: Host): Promise<number> {
  const receive = `const bytes = [0, 0]; let begun;
    require('net').createServer((socket) => {
      socket.on('data', (data) => { begun ??= performance.now(); bytes[0] += data.length; });
      socket.on('end', () => { console.log(bytes[0] * 8 / (performance.now() - begun) / 1000); process.exit(); });
    }).listen(9000, () => console.log('ready'));`;
  const send = `const socket = require('net').connect(9000, '${to.address}');
    socket.end(Buffer.alloc(1_500_000));`;
  const receiver = to.start(process.execPath, ['-e', receive]);
  let said = '';
  receiver.stdout.on('data', (chunk) => {
    said += chunk;
  });
  await eventually('the receiver listens', 10_000, async () => (said.includes('ready') ? true : undefined));
  await from.must(process.execPath, ['-e', send]);
  assert.equal(await receiver.ended, 0);
  return Number(said.split('\n')[1]);
}

test('the MTU of a link is that of both of its ends', async () => {
  await Promise.all([a.link.setMtu(9000), b.link.setMtu(9000)]);
  assert.ok(await ping(a, b.address, '-M', 'do', '-s', String(9000 - 28)));
  await b.link.setMtu(1400);
  assert.ok(await silent(a, b.address, '-M', 'do', '-s', String(1401 - 28)));
  assert.ok(await ping(a, b.address, '-M', 'do', '-s', String(1400 - 28)));
  await Promise.all([a.link.setMtu(1500), b.link.setMtu(1500)]);
});

test('a capture has what passed the wire, or an interface of the host', async () => {
  await using wire = await a.capture({ filter: 'icmp' });
  await using inner = await a.capture({ interface: 'lo' });
  const pattern = Buffer.from('plain-words');
  await ping(a, b.address, '-p', pattern.toString('hex'));
  await ping(a, '127.0.0.1');
  await Promise.all([wire.stop(), inner.stop()]);
  const packets = await wire.packets();
  assert.equal(packets.length, 2);
  assert.match(packets[0] ?? '', /198\.18\.0\.11 > 198\.18\.0\.12: ICMP echo request/);
  assert.equal((await wire.packets('icmp[icmptype] == icmp-echoreply')).length, 1);
  assert.ok(wire.contains(pattern) && !wire.contains('other-words'));
  assert.equal((await inner.packets('icmp')).length, 2);
});

test('a reboot ends and forgets all but the disk', async () => {
  const file = path.join(b.folder, 'kept');
  await b.writeFile(file, 'kept');
  await b.writeFile('/var/lib/thing/state', 'kept too');
  await b.writeFile('/run/lost', 'lost');
  await b.must('sh', ['-c', 'mkdir /tmp/x; mount -t tmpfs tmpfs /mnt; ip link add v type veth; nft add table ip t']);
  const lasting = b.start('sleep', ['1000']);
  await b.link.lose(1);
  await b.reboot();
  assert.equal(await lasting.ended, 137);
  assert.equal(await b.readFile(file), 'kept');
  assert.equal(await b.readFile('/var/lib/thing/state'), 'kept too');
  assert.equal((await b.run('cat', ['/run/lost'])).status, 1);
  assert.equal((await b.run('ip', ['link', 'show', 'v'])).status, 1);
  assert.equal(await b.must('nft', ['list', 'ruleset']), '');
  assert.ok(!(await b.readFile('/proc/mounts')).includes(' /mnt '));
  await b.link.restore();
  for (const address of b.addresses) assert.ok(await ping(a, address), address);
});

test('a shutdown tells all programs to end, and waits for them', async () => {
  const file = path.join(c.folder, 'farewell');
  const script = `trap 'echo well >${file}; exit 0' TERM; echo ready; while :; do sleep 0.01; done`;
  const lasting = c.start('sh', ['-c', script]);
  await new Promise((resolve) => lasting.stdout.once('data', resolve));
  await c.shutdown();
  assert.equal(await lasting.ended, 0);
  await c.powerOn();
  assert.equal(await c.readFile(file), 'well\n');
});

test('a host that changes its address is found at the new one, also after a reboot', async () => {
  const addresses = ['198.18.0.99', 'fd18:1::99'];
  await b.changeAddress(addresses);
  assert.ok((await ping(a, '198.18.0.99')) && (await ping(a, 'fd18:1::99')) && (await silent(a, '198.18.0.12')));
  await b.reboot();
  assert.ok(await ping(b, c.address));
  assert.deepEqual(b.addresses, addresses);
});

test('a host with a kernel of its own does the same', async () => {
  const own = await lab.addHost({ name: 'own', kind: 'uml', memoryMiB: 256 });
  for (const address of own.addresses) assert.ok(await ping(a, address), address);
  assert.notEqual(await own.must('uname', ['-r']), await a.must('uname', ['-r']));
  assert.equal(await own.must('hostname'), 'own\n');
  assert.match(await own.readFile('/sys/fs/cgroup/cgroup.controllers'), /\bcpu\b.* memory /);
  const input = 'x'.repeat(100_000);
  const result = await own.run('sh', ['-c', 'cat; echo "$WORD" >&2; exit 3'], { input, environment: { WORD: 'out' } });
  assert.deepEqual(result, { status: 3, stdout: input, stderr: 'out\n' });
  await own.writeFile('/etc/wherry-lab/note', 'of its own');
  assert.ok(!existsSync('/etc/wherry-lab'));
  await own.must('insmod', [`/lib/modules/${(await own.must('uname', ['-r'])).trim()}/kernel/net/sched/sch_tbf.ko`]);

  await own.link.cut();
  assert.ok(await silent(a, own.address));
  await own.link.restore();
  assert.ok(await ping(a, own.address));
  await using wire = await own.capture({ filter: 'icmp' });
  await ping(own, a.address);
  await wire.stop();
  assert.equal((await wire.packets()).length, 2);

  const lasting = own.start('sleep', ['1000']);
  await own.reboot();
  assert.equal(await lasting.ended, 137);
  assert.equal(await own.readFile('/etc/wherry-lab/note'), 'of its own');
  assert.ok(await ping(a, own.address));
  await own.shutdown();
});

test('nothing is left of a lab whose test is killed', async () => {
  const source = `import { startLab } from ${JSON.stringify(path.join(import.meta.dirname, '../testbed/lab/lab.ts'))};
    const lab = await startLab({ name: 'killed' });
    const [host] = await Promise.all([lab.addHost({ name: 'h' }), lab.addHost({ name: 'u', kind: 'uml', memoryMiB: 256 })]);
    host.start('sh', ['-c', 'setsid sleep 12345 & sleep 12345']);
    await host.capture();
    console.log(JSON.stringify([lab.folder, await host.must('readlink', ['/proc/self/ns/net'])]));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (chunk) => resolve(String(chunk)));
    child.once('close', () => reject(new Error('the child ended')));
  });
  const [folder, namespace] = JSON.parse(line);
  assert.ok(processesIn(namespace.trim()) > 0 && existsSync(folder));
  child.kill('SIGKILL');
  await eventually('all of it is gone', 10_000, async () => {
    if (processesIn(namespace.trim()) > 0 || existsSync(folder)) return undefined;
    return cgroupsOf(child.pid).length === 0 ? true : undefined;
  });
  assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(folder));
});

function processesIn(network: string): number {
  return readdirSync('/proc').filter((entry) => {
    try {
      return /^\d+$/.test(entry) && readlinkSync(`/proc/${entry}/ns/net`) === network;
    } catch {
      return false;
    }
  }).length;
}

function cgroupsOf(pid: number | undefined): readonly string[] {
  const roots = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)];
  return roots.map((root) => path.join(root, `wherry-lab-${pid}-1`)).filter((folder) => existsSync(folder));
}
