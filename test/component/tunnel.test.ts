/** A tunnel between machines: an exit, a client behind NAT with its upstreams, and a user outside. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import path from 'node:path';
import process from 'node:process';
import { after, afterEach, before, test } from 'node:test';
import { eventually } from '../testbed/kubectl.ts';
import type { Host } from '../testbed/lab/host.ts';
import { type Lab, startLab } from '../testbed/lab/lab.ts';
import type { HostProcess } from '../testbed/lab/machine.ts';

const main = path.join(import.meta.dirname, '../../src/cli/main.ts');
const beside = (name: string) => path.join(import.meta.dirname, name);
const node = process.execPath;
const token = 'c0ffee00c0ffee00c0ffee00c0ffee00';
const tokens = `tokens:
  - name: main
    token: ${token}
  - name: narrow
    token: narrow00narrow00narrow00
    hostnames: ["*.narrow.test"]
    ports: [7100, udp/7101]
    bandwidth: 2Mi
    connections: 4
  - name: broken
    token: broken00broken00
    ports: [99999]
`;

let lab: Lab;
let exit: Host;
let home: Host;
let user: Host;
let server: HostProcess;
let serverOutput = '';
let pin = '';

/** Programs in the network behind the home router. */
const inner = (command: string, args: readonly string[]) =>
  home.start('ip', ['netns', 'exec', 'inner', command, ...args]);
const curl = (...args: string[]) => user.must('curl', ['-sS', '--max-time', '20', ...args]);
const asUser = (...args: string[]) => user.must(node, [beside('tunnel-user.ts'), ...args], { timeoutMs: 60_000 });

const running: HostProcess[] = [];

interface Client {
  readonly process: HostProcess;
  log(): string;
}

function startClient(...args: string[]): Client {
  const client = inner(node, [main, 'tunnel', 'client', '--debug', ...args]);
  running.push(client);
  let text = '';
  for (const stream of [client.stdout, client.stderr])
    stream.on('data', (chunk) => {
      text += chunk;
    });
  return { process: client, log: () => text };
}

async function startServer(): Promise<void> {
  serverOutput = '';
  server = exit.start(node, [
    ...[main, 'tunnel', 'server', '--port', '80', '--control-port', '8080', '--token-from', '/etc/tunnel/tokens'],
    ...['--data-dir', '/var/lib/tunnel', '--debug', '--status-address', '127.0.0.1:8002'],
  ]);
  for (const stream of [server.stdout, server.stderr])
    stream.on('data', (chunk) => {
      serverOutput += chunk;
    });
  await eventually('the exit listens', 20_000, async () => serverOutput.includes('Clients:') || undefined);
  pin = /sha256\S+/.exec(serverOutput)?.[0] ?? '';
}

const logged = (client: Client, text: string, ms = 20_000) =>
  eventually(`the client says ${text}`, ms, async () => {
    if (client.log().includes(text)) return true;
    throw new Error(client.log());
  });
const remote = () => `${exit.address}:8080`;
const status = async () => JSON.parse(await exit.must('curl', ['-sS', 'http://127.0.0.1:8002/status.json']));
const listens = async (port: number, kind = 't') =>
  (await exit.must('ss', [`-ln${kind}H`, `sport = :${port}`])).trim() !== '';

async function end(client: Client): Promise<void> {
  client.process.signal('SIGTERM');
  await client.process.ended;
}

before(async () => {
  lab = await startLab({ name: 'tunnel' });
  [exit, home, user] = await Promise.all([
    lab.addHost({ name: 'exit' }),
    lab.addHost({ name: 'home', segment: 1 }),
    lab.addHost({ name: 'user', segment: 2 }),
  ]);
  // The router of a home: what is behind it can call out and cannot be called.
  await home.must('sh', [
    '-c',
    'ip netns add inner && ip link add lan0 type veth peer name eth0 netns inner && ' +
      'ip addr add 192.168.77.1/24 dev lan0 && ip link set lan0 up && sysctl -qw net.ipv4.ip_forward=1 && ' +
      'ip -n inner addr add 192.168.77.2/24 dev eth0 && ip -n inner link set eth0 up && ip -n inner link set lo up && ' +
      'ip -n inner route add default via 192.168.77.1',
  ]);
  await home.must('nft', ['-f', '-'], {
    input: `table ip home {
    chain postrouting { type nat hook postrouting priority srcnat; oifname "eth0" masquerade; }
    chain forward { type filter hook forward priority filter; iifname "eth0" ct state new drop; }
  }`,
  });
  await exit.writeFile('/etc/tunnel/tokens', tokens);
  for (const [name, ports] of [
    ['one', [8080, 8081, 8082]],
    ['two', [9080, 9081, 9082]],
  ] as const) {
    const upstream = inner(node, [beside('tunnel-upstream.ts'), ...ports.map(String), name]);
    await new Promise((resolve) => upstream.stdout.once('data', resolve));
  }
  await startServer();
});
afterEach(async () => {
  await home.link.restore();
  for (const client of running.splice(0)) client.signal('SIGKILL');
});
after(() => lab?.[Symbol.asyncDispose]());

const main1 = 'one.test=http://127.0.0.1:8080,two.test=http://127.0.0.1:9080,*.wild.test=http://127.0.0.1:9080';
const ports1 = '7000=tcp://127.0.0.1:8081,7001=udp://127.0.0.1:8082,7002=tcp://127.0.0.1:8081?proxy-protocol=v2';

test('HTTP goes by host name, TCP and UDP by port, with where it came from', async () => {
  assert.match(serverOutput, /token \\?"broken\\?" is left out/);
  const client = startClient('--remote', remote(), '--upstream', main1, '-u', ports1, '--token', token);
  await logged(client, '"route":"tcp/7002"');
  const ask = async (host: string, ...more: string[]) =>
    JSON.parse(await curl('-H', `Host: ${host}`, `http://${exit.address}/path?q=1`, ...more));
  const one = await ask(
    'One.Test:80',
    '-H',
    'X-Forwarded-For: 6.6.6.6',
    '-H',
    'Connection: x-secret',
    '-H',
    'X-Secret: 1',
  );
  assert.equal(one.name, 'one');
  assert.equal(one.url, '/path?q=1');
  assert.deepEqual(
    [one.headers.host, one.headers['x-forwarded-for'], one.headers['x-forwarded-proto'], one.headers['x-secret']],
    ['One.Test:80', user.address, 'http', undefined],
  );
  assert.equal((await ask('two.test')).name, 'two');
  assert.equal((await ask('a.b.wild.test')).name, 'two');
  assert.match(
    await curl('-H', 'Host: three.test', `http://${exit.address}/`),
    /404 Not Found: no tunnel serves three.test/,
  );
  assert.match(await asUser('websocket', exit.address, '80', 'one.test'), /through the tunnel/);
  assert.equal(await asUser('tcp', exit.address, '7000', 'half a word'), 'direct\nhalf a word<end>\n');
  assert.equal(await asUser('tcp', exit.address, '7002', 'x'), `proxied from ${user.address}\nx<end>\n`);
  assert.equal(await asUser('udp', exit.address, '7001', '50'), '50\n');
  // One connection, several hosts: each request goes its own way.
  const both = await curl(
    '-H',
    'Host: one.test',
    `http://${exit.address}/`,
    '--next',
    '-sS',
    '-H',
    'Host: two.test',
    `http://${exit.address}/`,
  );
  assert.match(both, /"name":"one".*"name":"two"/);
  assert.equal(JSON.parse(await curl('-0', '-H', 'Host: one.test', `http://${exit.address}/`)).name, 'one');
  await end(client);
});

test('large bodies arrive whole both ways, and many streams at once', async () => {
  const client = startClient('--remote', remote(), '--upstream', main1, '-u', ports1, '--token', token);
  await logged(client, '"route":"tcp/7002"');
  const size = 64 * 1024 * 1024;
  await user.must('sh', ['-c', `head -c ${size} /dev/urandom >/tmp/wherry-tunnel-body`]);
  const [digest = ''] = (await user.must('sha256sum', ['/tmp/wherry-tunnel-body'])).split(' ');
  assert.equal(
    await curl('-H', 'Host: one.test', '-T', '/tmp/wherry-tunnel-body', `http://${exit.address}/digest`),
    digest,
  );
  await user.must('rm', ['/tmp/wherry-tunnel-body']);
  const got = await user.must('sh', [
    '-c',
    `curl -sS -H 'Host: one.test' 'http://${exit.address}/bytes?n=${size}' | sha256sum`,
  ]);
  const block = Buffer.alloc(64 * 1024, 0);
  for (let i = 0; i < block.length; i++) block[i] = (i * 31) & 0xff;
  const hash = createHash('sha256');
  for (let i = 0; i < size; i += block.length) hash.update(block);
  assert.equal(got.split(' ')[0], hash.digest('hex'));
  assert.equal(await asUser('echo', exit.address, '7000', '200', '100000'), '200 whole\n');
  await end(client);
});

test('readers that stall hold up nobody else', async () => {
  const client = startClient('--remote', remote(), '--upstream', main1, '--token', token);
  await logged(client, '"route":"http/two.test"');
  const stalled = user.start(node, [beside('tunnel-user.ts'), 'stall', exit.address, '80', '30']);
  await new Promise((resolve) => stalled.stdout.once('data', resolve));
  for (let i = 0; i < 20; i++) {
    const seconds = await curl(
      '-o',
      '/dev/null',
      '-w',
      '%{time_total}',
      '-H',
      'Host: one.test',
      `http://${exit.address}/`,
    );
    assert.ok(Number(seconds) < 5, `${seconds} s while others stall`);
  }
  // Nobody keeps what the stalled ones do not take: what lies in memory is far less than what was asked for.
  const memory = async (pid: string) => Number(/VmRSS:\s+(\d+)/.exec(await exit.readFile(`/proc/${pid}/status`))?.[1]);
  const pid = (await exit.must('pgrep', ['-f', 'tunnel server'])).trim().split('\n')[0] ?? '';
  assert.ok((await memory(pid)) < 400 * 1024, 'the exit stays small');
  stalled.stdin.end();
  await end(client);
});

test('killed clients and exits come back, and no port stays held', async () => {
  let client = startClient('--remote', remote(), '--upstream', main1, '-u', ports1, '--token', token);
  await logged(client, '"route":"tcp/7002"');
  const held = user.start(node, [beside('tunnel-user.ts'), 'hold', exit.address, '7000', '5']);
  let heldOutput = '';
  held.stdout.on('data', (chunk) => {
    heldOutput += chunk;
  });
  await eventually('connections stand', 10_000, async () => heldOutput.includes('held') || undefined);
  client.process.signal('SIGKILL');
  await eventually('the ports are free', 10_000, async () =>
    (await listens(7000)) || (await listens(7001, 'u')) ? undefined : true,
  );
  await held.ended;
  // A stream that was cut is no stream that has ended.
  assert.match(heldOutput, /ECONNRESET ECONNRESET ECONNRESET ECONNRESET ECONNRESET/);
  client = startClient('--remote', remote(), '--upstream', main1, '-u', ports1, '--token', token);
  await logged(client, '"route":"tcp/7002"');
  server.signal('SIGKILL');
  await server.ended;
  await logged(client, 'not connected to the exit');
  await startServer();
  await eventually(
    'it is served again',
    20_000,
    async () => (await curl('-H', 'Host: one.test', `http://${exit.address}/`)).includes('"name":"one"') || undefined,
  );
  assert.equal(await asUser('tcp', exit.address, '7000', 'again'), 'direct\nagain<end>\n');
  await end(client);
});

test('a cut link is noticed within 10 s at both ends, and the tunnel is there again after it', async () => {
  const client = startClient('--remote', remote(), '--upstream', main1, '-u', ports1, '--token', token);
  await logged(client, '"route":"tcp/7002"');
  const begun = performance.now();
  await home.link.cut();
  await Promise.all([
    eventually('the exit notices', 10_000, async () => ((await listens(7000)) ? undefined : true)),
    logged(client, 'not connected to the exit', 10_000),
  ]);
  assert.ok(performance.now() - begun < 10_000);
  assert.deepEqual((await status()).clients, []);
  await home.link.restore();
  await eventually('it is back', 30_000, async () => (await listens(7000)) || undefined);
  assert.equal(await asUser('tcp', exit.address, '7000', 'back'), 'direct\nback<end>\n');
  await end(client);
});

test('a token has what it may have and no more', async () => {
  const narrow = ['--remote', remote(), '--token', 'narrow00narrow00narrow00'];
  const client = startClient(
    ...narrow,
    '--upstream',
    'a.narrow.test=http://127.0.0.1:8080,one.test=http://127.0.0.1:8080,7100=tcp://127.0.0.1:8081,7200=tcp://127.0.0.1:8081',
  );
  await logged(client, 'may open the ports tcp/7100, udp/7101, not tcp/7200');
  assert.match(client.log(), /may serve the host names \*\.narrow\.test, not one\.test/);
  assert.equal(await listens(7200), false);
  const other = startClient('--remote', remote(), '--token', token, '--upstream', '7100=tcp://127.0.0.1:9081');
  await logged(other, 'tcp/7100 is held by the clients of token');
  // Eight at once: four are served, the others are turned away.
  const held = user.start(node, [beside('tunnel-user.ts'), 'hold', exit.address, '7100', '8']);
  await new Promise((resolve) => held.stdout.once('data', resolve));
  const account = (await status()).tokens.find(({ name }: { readonly name: string }) => name === 'narrow');
  assert.deepEqual([account.active, account.refused], [4, 4]);
  held.signal('SIGKILL');
  await eventually('they are gone', 10_000, async () => {
    const now = (await status()).tokens.find(({ name }: { readonly name: string }) => name === 'narrow');
    return now.active === 0 || undefined;
  });
  const seconds = Number(
    await curl(
      '-o',
      '/dev/null',
      '-w',
      '%{time_total}',
      '-H',
      'Host: a.narrow.test',
      `http://${exit.address}/bytes?n=8388608`,
    ),
  );
  assert.ok(seconds > 3 && seconds < 8, `8 MiB at 2 MiB/s took ${seconds} s`);
  await end(client);
  // The port goes to who waited for it.
  await logged(other, '"route":"tcp/7100"');
  await eventually('the other has it', 10_000, async () => (await listens(7100)) || undefined);
  await end(other);
});

test('a port that another program holds is told, and taken when it is free', async () => {
  const holder = exit.start(node, ['-e', "require('net').createServer().listen(7300, () => console.log('ready'))"]);
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  const client = startClient('--remote', remote(), '--token', token, '--upstream', '7300=tcp://127.0.0.1:8081');
  await logged(client, 'tcp port 7300 is held by');
  holder.signal('SIGKILL');
  await logged(client, '"route":"tcp/7300","msg":"served');
  assert.equal(await asUser('tcp', exit.address, '7300', 'x'), 'direct\nx<end>\n');
  await end(client);
});

test('an upstream that is away is told to the user, and others go on', async () => {
  const client = startClient(
    '--remote',
    remote(),
    '--token',
    token,
    '--upstream',
    `${main1},gone.test=http://127.0.0.1:1`,
  );
  await logged(client, '"route":"http/gone.test"');
  const answer = await curl('-i', '-H', 'Host: gone.test', `http://${exit.address}/`);
  assert.match(answer, /^HTTP\/1.1 502 .*the upstream http:\/\/127\.0\.0\.1:1 can't be reached/s);
  assert.match(await curl('-H', 'Host: one.test', `http://${exit.address}/`), /"name":"one"/);
  await end(client);
});

test('a pinned key is checked, also an authority; who is not the exit gets no token', async () => {
  const wrong = `sha256//${Buffer.alloc(32, 7).toString('base64')}`;
  const bad = startClient('--remote', remote(), '--token', token, '--upstream', main1, '--pin', wrong);
  await logged(bad, `has the key ${pin}, not the pinned ${wrong}`);
  await end(bad);
  const good = startClient('--remote', remote(), '--token', token, '--upstream', main1, '--pin', pin);
  await logged(good, 'connected to the exit","', 1).catch(() => {});
  await logged(good, '"route":"http/one.test"');
  await end(good);
  const authority = await exit.readFile('/var/lib/tunnel/tunnel-ca.crt');
  await home.writeFile('/etc/tunnel/ca.crt', authority);
  const ca = startClient(
    '--remote',
    `wss://${remote()}`,
    '--token',
    token,
    '--upstream',
    main1,
    '--ca-file',
    '/etc/tunnel/ca.crt',
  );
  // The certificate bears names, and the address is none of them.
  await logged(ca, 'does not stand');
  await end(ca);
  const plain = startClient('--remote', `ws://${remote()}`, '--token', token, '--upstream', main1);
  assert.notEqual(await plain.process.ended, 0);
  assert.match(plain.log(), /has no encryption\nTry: write wss:\/\/, or add --insecure/);
});

test('wrong tokens are kept out for longer and longer, and a right one from elsewhere is not', async () => {
  const wrong = startClient('--remote', remote(), '--token', 'wrong00wrong00wrong00', '--upstream', main1);
  await logged(wrong, 'the exit does not know this token');
  await eventually(
    'it is kept out',
    20_000,
    async () => (serverOutput.match(/wrong token/g)?.length ?? 0) >= 2 || undefined,
  );
  const kept = [...serverOutput.matchAll(/"keptOutMs":(\d+)/g)].map(([, ms]) => Number(ms));
  assert.deepEqual(kept.slice(0, 2), [1000, 2000]);
  await end(wrong);
  const elsewhere = user.start(node, [
    main,
    'tunnel',
    'client',
    '--remote',
    remote(),
    '--token',
    token,
    '--upstream',
    'user.test=http://127.0.0.1:1',
  ]);
  let text = '';
  elsewhere.stderr.on('data', (chunk) => {
    text += chunk;
  });
  await eventually('it is served', 10_000, async () => text.includes('"route":"http/user.test"') || undefined);
  elsewhere.signal('SIGTERM');
  await elsewhere.ended;
  const metrics = await exit.must('curl', ['-sS', 'http://127.0.0.1:8002/metrics']);
  assert.match(metrics, /wherry_tunnel_wrong_tokens_total [2-9]/);
  assert.match(await exit.must('curl', ['-sS', 'http://127.0.0.1:8002/']), /<h1>Wherry tunnel/);
});
