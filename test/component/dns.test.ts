import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type DecodedPacket, decode, encode } from 'dns-packet';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { run } from '../../src/engines/process/run.ts';
import { configurationOf, parseCustomKey } from '../../src/network/dns/custom-config.ts';
import { NameServer } from '../../src/network/dns/name-server.ts';
import type { ServiceRecords } from '../../src/network/dns/service-records.ts';
import { fc } from '../../tools/property.ts';
import { type DnsUpstream, noSuchName, oneAddress, startDnsUpstream } from '../testbed/dns-upstream.ts';
import { eventually } from '../testbed/kubectl.ts';

function headless(name: string, count: number): ServiceRecords {
  const hosts = Array.from({ length: count }, (_, i) => ({
    hostname: `${name}-${i}`,
    isNamed: true,
    address: `10.42.${Math.floor(i / 250)}.${i % 250}`,
    ports: [{ name: 'sql', protocol: 'tcp', port: 5432 }],
  }));
  return { namespace: 'default', name, kind: 'Headless', ips: [], ports: [], externalName: '', hosts };
}

const web: ServiceRecords = {
  ...{
    namespace: 'default',
    name: 'web',
    kind: 'ClusterIP',
    ips: ['10.43.0.7', 'fd00:43::7'],
    externalName: '',
    hosts: [],
  },
  ports: [{ name: 'http', protocol: 'tcp', port: 80 }],
};
const external = (name: string, externalName: string): ServiceRecords => ({
  ...{ namespace: 'default', name, kind: 'ExternalName', ips: [], ports: [], hosts: [], externalName },
});

interface World {
  readonly server: NameServer;
  readonly upstreams: readonly DnsUpstream[];
  readonly loops: (readonly string[])[];
}

/** A name server on 127.0.0.1 with `count` upstream servers, and what a Corefile adds. */
async function started(
  t: TestContext,
  count = 1,
  custom: (ports: readonly number[]) => string = () => '',
): Promise<World> {
  const upstreams = await Promise.all(Array.from({ length: count }, () => startDnsUpstream()));
  const loops: (readonly string[])[] = [];
  const server = new NameServer({
    ...{ addresses: ['127.0.0.1'], port: 0, zone: 'cluster.local', clock: systemClock, log: silentLog },
    onLoops: (servers) => loops.push(servers),
  });
  server.data.setNamespace('default', true);
  for (const records of [
    web,
    headless('db', 3),
    headless('big', 400),
    external('out', 'www.example.test'),
    external('in', 'WEB.default.svc.cluster.local'),
    external('ring', 'ring.default.svc.cluster.local'),
  ]) {
    server.data.set(records);
  }
  const ports = upstreams.map(({ port }) => port);
  const part = parseCustomKey('test.server', custom(ports));
  const machine = ports.map((port) => ({ host: '127.0.0.1', port }));
  server.configure(
    configurationOf(part === null ? [] : [part], [{ address: '192.168.7.1', names: ['node-1'] }], machine),
  );
  await server.listen();
  t.after(async () => {
    await server[Symbol.asyncDispose]();
    await Promise.all(upstreams.map((upstream) => upstream[Symbol.asyncDispose]()));
  });
  return { server, upstreams, loops };
}

/** What BIND's dig makes of it: the code, the flags and the records of each section. */
async function dig(server: NameServer, ...args: readonly string[]) {
  const { stdout } = await run('dig', [
    '@127.0.0.1',
    '-p',
    String(server.ports[0]),
    '+tries=1',
    '+time=8',
    '+nocookie',
    ...args,
  ]);
  const section = (name: string) => {
    const text = new RegExp(`;; ${name} SECTION:\\n([\\s\\S]*?)\\n\\n`).exec(stdout)?.[1] ?? '';
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(/\s+/).join(' '));
  };
  return {
    status: /status: (\w+)/.exec(stdout)?.[1],
    flags: /;; flags: ([\w ]*);/.exec(stdout)?.[1]?.split(' ') ?? [],
    answer: section('ANSWER'),
    authority: section('AUTHORITY'),
    additional: section('ADDITIONAL'),
    isEdns: stdout.includes('EDNS: version: 0'),
    isOverTcp: /SERVER: .*\(TCP\)/.test(stdout),
    question: section('QUESTION'),
  };
}

/** Sends bytes as one datagram and returns what comes back. */
async function sendUdp(server: NameServer, message: Uint8Array, waitMs = 3_000): Promise<Buffer | null> {
  const socket = createSocket('udp4');
  try {
    return await new Promise<Buffer | null>((resolve, reject) => {
      setTimeout(() => resolve(null), waitMs).unref();
      socket.once('error', reject);
      socket.once('message', (reply) => resolve(Buffer.from(reply)));
      socket.send(message, server.ports[0] ?? 0, '127.0.0.1');
    });
  } finally {
    socket.close();
  }
}

function query(name: string, type: 'A' | 'AXFR' = 'A', id = 7): Buffer {
  return encode({ type: 'query', id, flags: 0x0100, questions: [{ type, name, class: 'IN' }] });
}

const at = (name: string) => `${name}.default.svc.cluster.local`;

test('dig reads the names of the cluster, of both families, ports and addresses', async (t) => {
  const { server } = await started(t);
  const a = await dig(server, at('web'), 'A');
  assert.deepEqual(a.answer, [`${at('web')}. 5 IN A 10.43.0.7`]);
  assert.deepEqual(a.flags, ['qr', 'aa', 'rd', 'ra']);
  assert.deepEqual((await dig(server, at('web'), 'AAAA')).answer, [`${at('web')}. 5 IN AAAA fd00:43::7`]);
  const srv = await dig(server, `_sql._tcp.${at('db')}`, 'SRV');
  assert.deepEqual(srv.answer.map((line) => line.split(' ').slice(4).join(' ')).sort(), [
    `0 33 5432 db-0.${at('db')}.`,
    `0 33 5432 db-1.${at('db')}.`,
    `0 33 5432 db-2.${at('db')}.`,
  ]);
  assert.equal(srv.additional.length, 3);
  assert.deepEqual(
    (await dig(server, '-x', 'fd00:43::7')).answer.map((line) => line.split(' ').at(-1)),
    [`${at('web')}.`],
  );
  assert.deepEqual(
    (await dig(server, 'dns-version.cluster.local', 'TXT')).answer.map((line) => line.split(' ').at(-1)),
    ['"1.1.0"'],
  );
  assert.deepEqual((await dig(server, 'node-1')).answer, ['node-1. 60 IN A 192.168.7.1']);
  assert.deepEqual(
    (await dig(server, '-x', '192.168.7.1')).answer.map((line) => line.split(' ').at(-1)),
    ['node-1.'],
  );
});

test('a name that is not there and a type that is not there come with the SOA that says for how long', async (t) => {
  const { server, upstreams } = await started(t);
  const none = await dig(server, at('none'));
  assert.equal(none.status, 'NXDOMAIN');
  assert.match(
    none.authority.join(),
    /^cluster\.local\. 5 IN SOA ns\.dns\.cluster\.local\. hostmaster\.cluster\.local\. 1 7200 1800 86400 5$/,
  );
  const empty = await dig(server, at('web'), 'MX');
  assert.equal(empty.status, 'NOERROR');
  assert.equal(empty.authority.length, 1);
  assert.equal((await dig(server, at('web'), 'TYPE65280')).status, 'NOERROR');
  assert.equal((await dig(server, `example.com.${at('x')}`)).status, 'NXDOMAIN');
  assert.deepEqual(upstreams[0]?.asked, [], 'search paths cost no question outside');
});

test('the question comes back as it was written', async (t) => {
  const { server } = await started(t);
  const { question, answer } = await dig(server, 'WeB.DeFault.svc.cluster.LOCAL');
  assert.match(question.join(), /^;WeB\.DeFault\.svc\.cluster\.LOCAL\./);
  assert.match(answer.join(), /^WeB\.DeFault\.svc\.cluster\.LOCAL\. .* 10\.43\.0\.7$/);
});

test('an alias is followed inside the cluster and outside, and never in circles', async (t) => {
  const { server, upstreams } = await started(t);
  assert.deepEqual(
    (await dig(server, at('in'))).answer.map((line) => line.split(' ').slice(3).join(' ').toLowerCase()),
    [`cname ${at('web')}.`, 'a 10.43.0.7'],
  );
  assert.deepEqual((await dig(server, at('out'))).answer, [
    `${at('out')}. 5 IN CNAME www.example.test.`,
    'www.example.test. 30 IN A 192.0.2.1',
  ]);
  assert.deepEqual((await dig(server, at('out'), 'CNAME')).answer, [`${at('out')}. 5 IN CNAME www.example.test.`]);
  const ring = await dig(server, at('ring'));
  assert.equal(ring.status, 'NOERROR');
  assert.ok(ring.answer.length <= 10);
  const [upstream] = upstreams;
  assert.ok(upstream !== undefined);
  upstream.answer = () => noSuchName(5);
  server.data.set(external('lost', 'lost.test'));
  assert.equal((await dig(server, at('lost'))).status, 'NXDOMAIN');
});

test('long answers are cut between records over UDP, and whole over TCP', async (t) => {
  const { server } = await started(t);
  const short = await dig(server, at('big'), '+noedns', '+ignore');
  assert.ok(short.flags.includes('tc'));
  // 512 bytes: the header, the question, and 16 bytes a record.
  assert.equal(short.answer.length, Math.floor((512 - 12 - (at('big').length + 2) - 4) / 16));
  const longer = await dig(server, at('big'), '+bufsize=4096', '+ignore');
  assert.ok(longer.flags.includes('tc') && longer.answer.length > short.answer.length && longer.isEdns);
  const whole = await dig(server, at('big'));
  assert.equal(whole.answer.length, 400);
  assert.ok(whole.isOverTcp && !whole.flags.includes('tc'));
  const { stdout } = await run('kdig', ['@127.0.0.1', '-p', String(server.ports[0]), '+tcp', '+short', at('big')]);
  assert.equal(new Set(stdout.trim().split('\n')).size, 400);
});

test('what is not a question of class IN is refused with the code for it', async (t) => {
  const { server } = await started(t);
  assert.equal((await dig(server, '+edns=1', '+noednsneg', at('web'))).status, 'BADVERS');
  assert.equal((await dig(server, '-c', 'CH', 'version.bind', 'TXT')).status, 'REFUSED');
  assert.equal((await dig(server, '+opcode=UPDATE', at('web'))).status, 'NOTIMP');
  const whole = await sendUdp(server, query(at('web'), 'AXFR'));
  assert.equal((whole ?? Buffer.alloc(4)).readUInt16BE(2) & 15, 5);
  const two = encode({
    type: 'query',
    id: 9,
    questions: [
      { type: 'A', name: 'a' },
      { type: 'A', name: 'b' },
    ],
  });
  assert.equal(
    (decode((await sendUdp(server, two)) ?? Buffer.alloc(0)) as DecodedPacket & { rcode: string }).rcode,
    'FORMERR',
  );
});

test('whatever comes in, the next question is answered', async (t) => {
  const { server } = await started(t);
  const valid = query(at('web'));
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  const send = (bytes: Uint8Array) =>
    new Promise<void>((done) => socket.send(bytes, server.ports[0] ?? 0, '127.0.0.1', () => done()));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 8 }),
      fc.nat(30),
      async (changes, cut) => {
        const message = Buffer.from(valid.subarray(0, Math.max(1, valid.length - cut)));
        for (const [offset, byte] of changes) if (offset < message.length) message[offset] = byte;
        await send(message);
      },
    ),
    { numRuns: 500 },
  );
  assert.equal((await dig(server, at('web'))).answer.length, 1);
});

test('a connection carries many questions at once, answers come as they are ready, and an idle one ends', async (t) => {
  const { server, upstreams } = await started(t);
  const [upstream] = upstreams;
  assert.ok(upstream !== undefined);
  const slow = Promise.withResolvers<void>();
  upstream.answer = async (asked) => {
    await slow.promise;
    return oneAddress(asked);
  };
  const socket = connect(server.ports[0] ?? 0, '127.0.0.1');
  t.after(() => socket.destroy());
  const framed = (message: Buffer) =>
    Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]);
  const ids: number[] = [];
  let rest = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      ids.push(rest.readUInt16BE(2));
      rest = rest.subarray(2 + rest.readUInt16BE(0));
    }
  });
  const messages = [
    query('outside.test', 'A', 1),
    ...Array.from({ length: 300 }, (_, i) => query(at('web'), 'A', i + 2)),
  ];
  const all = Buffer.concat(messages.map(framed));
  // In two pieces that end within a length.
  socket.write(all.subarray(0, 1));
  await new Promise<void>((done) => socket.write(all.subarray(1), () => done()));
  await eventually('the quick ones are answered', 5_000, async () => (ids.length === 300 ? true : undefined));
  assert.ok(!ids.includes(1));
  slow.resolve();
  await eventually('the slow one is answered', 5_000, async () => (ids.includes(1) ? true : undefined));
  const ended = new Promise((done) => socket.once('close', done));
  await Promise.race([
    ended,
    new Promise((_, fail) => setTimeout(() => fail(new Error('still open')), 15_000).unref()),
  ]);
});

test('one client can not have all connections', async (t) => {
  const { server } = await started(t);
  const sockets = Array.from({ length: 120 }, () => connect(server.ports[0] ?? 0, '127.0.0.1').on('error', () => {}));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  await eventually('the last ones are closed', 5_000, async () =>
    sockets.filter(({ destroyed, readableEnded }) => destroyed || readableEnded).length === 20 ? true : undefined,
  );
  assert.equal((await dig(server, at('web'))).answer.length, 1);
});

test('other names are asked once, from a port and with an id that nobody can guess, and kept for half a minute', async (t) => {
  const { server, upstreams } = await started(t);
  const [upstream] = upstreams;
  assert.ok(upstream !== undefined);
  const found = await Promise.all(Array.from({ length: 5 }, () => dig(server, 'one.test')));
  assert.ok(found.every(({ answer }) => /^one\.test\. (30|29) IN A 192\.0\.2\.1$/.test(answer.join())));
  assert.equal(upstream.asked.length, 1);
  assert.match((await dig(server, 'ONE.test')).question.join(), /^;ONE\.test\./);
  assert.equal(upstream.asked.length, 1);
  for (let i = 0; i < 8; i += 1) await dig(server, `n${i}.test`);
  assert.ok(new Set(upstream.asked.map(({ sourcePort }) => sourcePort)).size > 5);
  assert.ok(new Set(upstream.asked.map(({ id }) => id)).size > 5);
  upstream.answer = () => noSuchName(20);
  const none = await dig(server, 'none.test');
  assert.equal(none.status, 'NXDOMAIN');
  assert.match(none.authority.join(), /^test\. 20 IN SOA /);
  await dig(server, 'none.test');
  assert.equal(upstream.asked.filter(({ name }) => name === 'none.test').length, 1);
});

test('what upstream cuts off is fetched over TCP and given out whole', async (t) => {
  const { server, upstreams } = await started(t);
  const [upstream] = upstreams;
  assert.ok(upstream !== undefined);
  upstream.answer = (asked, overTcp) => {
    if (!overTcp) return { flags: 0x0200 };
    const name = asked.questions?.[0]?.name ?? '';
    return {
      answers: Array.from({ length: 100 }, (_, i) => ({ type: 'A' as const, name, ttl: 60, data: `192.0.2.${i}` })),
    };
  };
  assert.equal((await dig(server, 'many.test')).answer.length, 100);
  const part = await dig(server, 'many.test', '+noedns', '+ignore');
  assert.ok(part.flags.includes('tc') && part.answer.length > 10 && part.answer.length < 40);
  const orders = new Set<string>();
  for (let i = 0; i < 10; i += 1) orders.add((await dig(server, 'many.test', '+tcp')).answer[0] ?? '');
  assert.ok(orders.size > 1, 'each address is first in turn');
  assert.equal(upstream.asked.length, 2);
});

test('answers to another question, with another id or cut short count for nothing', async (t) => {
  const { server, upstreams } = await started(t);
  const [upstream] = upstreams;
  assert.ok(upstream !== undefined);
  upstream.answer = (asked) =>
    encode({
      type: 'response',
      id: ((asked.id ?? 0) + 1) % 65_536,
      questions: asked.questions ?? [],
      ...(oneAddress(asked) as object),
    });
  assert.equal((await dig(server, 'forged.test')).status, 'SERVFAIL');
  upstream.answer = (asked) =>
    encode({ type: 'response', id: asked.id ?? 0, questions: [{ type: 'A', name: 'other.test' }] });
  assert.equal((await dig(server, 'forged.test')).status, 'SERVFAIL');
  upstream.answer = (asked) =>
    encode({
      type: 'response',
      id: asked.id ?? 0,
      flags: 0x0180,
      questions: asked.questions ?? [],
      ...(oneAddress(asked) as object),
    }).subarray(0, -3);
  assert.equal((await dig(server, 'forged.test')).status, 'SERVFAIL');
  upstream.answer = oneAddress;
  assert.equal((await dig(server, 'forged.test')).answer.length, 1);
});

test('a silent server is passed over for another, and asked again when it is back', async (t) => {
  const { server, upstreams } = await started(t, 2);
  const [first, second] = upstreams;
  assert.ok(first !== undefined && second !== undefined);
  first.answer = () => null;
  for (let i = 0; i < 6; i += 1) assert.equal((await dig(server, `a${i}.test`)).answer.length, 1);
  const asked = first.asked.length;
  for (let i = 0; i < 12; i += 1) {
    const began = performance.now();
    assert.equal((await dig(server, `b${i}.test`)).answer.length, 1);
    assert.ok(performance.now() - began < 1_500, 'nobody waits for the silent one');
  }
  assert.equal(first.asked.length, asked);
  first.answer = oneAddress;
  let i = 0;
  await eventually('the first is asked again', 10_000, async () => {
    i += 1;
    await dig(server, `c${i}.test`);
    return first.asked.length > asked ? true : undefined;
  });
  assert.match(
    server.metrics(),
    /coredns_proxy_healthcheck_failures_total\{proxy_name="forward",to="127\.0\.0\.1:\d+"\} [1-9]/,
  );
});

test('servers without a route or a listener are passed over', async (t) => {
  const { server, upstreams } = await started(t);
  const machine = [
    { host: '2001:db8::53', port: 53 },
    { host: '127.0.0.1', port: 1 },
    { host: '255.255.255.255', port: 53 },
    { host: '127.0.0.1', port: upstreams[0]?.port ?? 0 },
  ];
  server.configure(configurationOf([], [], machine));
  for (let i = 0; i < 8; i += 1) assert.equal((await dig(server, `far${i}.test`)).answer.length, 1);
  server.configure(configurationOf([], [], machine.slice(0, 3)));
  assert.equal((await dig(server, 'nowhere.test')).status, 'SERVFAIL');
});

test('while no server answers, an answer past its time is better than none', async (t) => {
  const { server, upstreams } = await started(t);
  const [upstream] = upstreams;
  assert.ok(upstream !== undefined);
  upstream.answer = (asked) => ({
    answers: [{ type: 'A', name: asked.questions?.[0]?.name ?? '', ttl: 1, data: '192.0.2.9' }],
  });
  await dig(server, 'stale.test');
  upstream.answer = () => ({ flags: 2 });
  const stale = await eventually('it is past its time', 5_000, async () => {
    const found = await dig(server, 'stale.test');
    return found.answer[0]?.includes(' 30 ') ? found : undefined;
  });
  assert.equal(stale.status, 'NOERROR');
  assert.match(stale.answer.join(), /^stale\.test\. 30 IN A 192\.0\.2\.9$/);
  upstream.answer = () => null;
  assert.equal((await dig(server, 'stale.test')).answer.length, 1);
  assert.equal((await dig(server, 'never.test')).status, 'SERVFAIL');
  upstream.answer = oneAddress;
  assert.match(server.metrics(), /coredns_cache_served_stale_total\{[^}]*\} [1-9]/);
});

test('a domain has servers of its own; the longest that fits counts', async (t) => {
  const custom = (ports: readonly number[]) => `
    corp.test {
      forward . 127.0.0.1:${ports[1]}
      hosts {
        10.1.2.3 nas.corp.test
        fallthrough
      }
    }
    deep.corp.test:53 {
      hosts {
        10.1.2.4 only.deep.corp.test
      }
    }`;
  const { server, upstreams } = await started(t, 2, custom);
  const [machine, office] = upstreams;
  assert.ok(machine !== undefined && office !== undefined);
  machine.answer = () => noSuchName(1);
  assert.deepEqual((await dig(server, 'www.corp.test')).answer, ['www.corp.test. 60 IN A 192.0.2.1']);
  assert.deepEqual((await dig(server, 'nas.corp.test')).answer, ['nas.corp.test. 3600 IN A 10.1.2.3']);
  assert.deepEqual((await dig(server, 'only.deep.corp.test')).answer, ['only.deep.corp.test. 3600 IN A 10.1.2.4']);
  assert.equal((await dig(server, 'else.deep.corp.test')).status, 'NXDOMAIN');
  assert.ok(machine.asked.every(({ name }) => !name.endsWith('corp.test')));
});

test('a server that leads back here is found and not asked', async (t) => {
  const { server, loops, upstreams } = await started(t);
  const own = { host: '127.0.0.1', port: server.ports[0] ?? 0 };
  const other = { host: '127.0.0.1', port: upstreams[0]?.port ?? 0 };
  server.configure(configurationOf([], [], [own, other]));
  await eventually('it is told', 5_000, async () => (loops.at(-1)?.[0] === `127.0.0.1:${own.port}` ? true : undefined));
  for (let i = 0; i < 6; i += 1) assert.equal((await dig(server, `x${i}.test`)).answer.length, 1);
  assert.match(
    server.metrics(),
    new RegExp(`coredns_forward_requests_total\\{to="127\\.0\\.0\\.1:${other.port}"\\} 6`),
  );
  assert.doesNotMatch(
    server.metrics(),
    new RegExp(`coredns_forward_requests_total\\{to="127\\.0\\.0\\.1:${own.port}"\\}`),
  );
});

test('a flood of one client does not keep others from being answered', async (t) => {
  const { server, upstreams } = await started(t);
  const [upstream] = upstreams;
  assert.ok(upstream !== undefined);
  upstream.answer = () => null;
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  const codes: number[] = [];
  socket.on('message', (message) => codes.push(Buffer.from(message).readUInt16BE(2) & 15));
  for (let i = 0; i < 400; i += 1) socket.send(query(`flood${i}.test`, 'A', i), server.ports[0] ?? 0, '127.0.0.1');
  await eventually('those above the bound are refused', 3_000, async () =>
    codes.filter((code) => code === 5).length === 150 ? true : undefined,
  );
  assert.equal((await dig(server, at('web'))).answer.length, 1);
});
