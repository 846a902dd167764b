/** TLS, HTTP/2, gRPC's way and WebSocket through the real HAProxy. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { after, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { events, ingresses, secrets } from '../../src/kube/resources.gen.ts';
import type { Secret } from '../../src/kube/types.gen.ts';
import { encodePem } from '../../src/wire/pem.ts';
import { encodeName, signCertificate } from '../../src/wire/x509.ts';
import { eventually } from '../testbed/kubectl.ts';
import { waitFor } from './control-plane.ts';
import { startWorld, type Upstream, until, upstream, upstreamH2c, type World } from './ingress/world.ts';

let world: World;
let a: Upstream;
let grpc: Upstream;
before(async () => {
  [a, grpc] = await Promise.all([upstream('a'), upstreamH2c()]);
  world = await startWorld();
});
after(async () => {
  await world?.[Symbol.asyncDispose]();
  a?.[Symbol.dispose]();
  grpc?.[Symbol.dispose]();
});

const day = 86_400_000;
const path = (host: string, name: string) => ({
  host,
  http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name, port: { number: 80 } } } }] },
});

/** `mark` is the subject, to tell one certificate for the same names from another. */
function tlsSecret(namespace: string, name: string, hosts: readonly string[], mark: string, lifeMs = day): Secret {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = { commonName: mark, organizations: [] };
  const now = Date.now();
  const template = {
    subject,
    publicKey,
    notBefore: now - 2 * day,
    notAfter: now + lifeMs,
    names: { dns: hosts, ips: [] },
  };
  const der = signCertificate(template, { subject: encodeName(subject), publicKey, privateKey });
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return {
    ...{ apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata: { name, namespace } },
    data: { 'tls.crt': base64(encodePem('CERTIFICATE', der)), 'tls.key': base64(key) },
  };
}

/** The subject of the certificate that is shown for a name. */
function shown(servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls(
      { port: world.ports.https, host: '127.0.0.1', servername, rejectUnauthorized: false },
      () => {
        const { subject } = socket.getPeerCertificate();
        socket.destroy();
        resolve(String(subject?.CN));
      },
    );
    socket.on('error', reject);
  });
}

const untilShown = (host: string, mark: string) =>
  eventually(`${host} shows ${mark}`, 15_000, async () => {
    const got = await shown(host);
    if (got === mark) return true;
    throw new Error(got);
  });
const untilTold = (namespace: string, name: string, words: RegExp) =>
  waitFor(world.plane, events, namespace, `${name} is told ${words}`, (all) =>
    all.some(
      ({ involvedObject, message, reason }) => involvedObject.name === name && words.test(`${reason}: ${message}`),
    ),
  );

test('each host shows its certificate, others the default one, and a renewal needs no reload', async () => {
  const namespace = await world.plane.namespace();
  const { client } = world.plane;
  await world.service(namespace, 'a', [a.port]);
  await client.create(secrets, tlsSecret(namespace, 'one', ['one.test'], 'first'));
  await client.create(secrets, tlsSecret(namespace, 'wild', ['*.wild.test'], 'wild'));
  const tls = [{ hosts: ['one.test'], secretName: 'one' }, { secretName: 'wild' }];
  await world.ingress(namespace, 'tls', { tls, rules: [path('one.test', 'a'), path('*.wild.test', 'a')] });
  await untilShown('one.test', 'first');
  await untilShown('x.wild.test', 'wild');
  assert.equal(await shown('other.test'), 'Wherry default certificate');
  assert.equal((await world.get('one.test', '/', { secure: true })).status, 200);
  const { body } = await world.get('one.test', '/', { secure: true });
  assert.equal(JSON.parse(body).headers['x-forwarded-proto'], 'https');
  const before = world.generation();
  const { data } = tlsSecret(namespace, 'one', ['one.test'], 'second');
  await client.patch(secrets, { namespace, name: 'one' }, { type: 'merge', body: { data } });
  await untilShown('one.test', 'second');
  assert.equal(world.generation(), before);
});

test('what is wrong with a certificate is told on the Ingress, and the others stay in force', async () => {
  const namespace = await world.plane.namespace();
  const { client } = world.plane;
  await client.create(secrets, tlsSecret(namespace, 'foreign', ['elsewhere.test'], 'foreign'));
  await client.create(secrets, tlsSecret(namespace, 'old', ['old.test'], 'old', -day));
  const good = tlsSecret(namespace, 'mixed', ['mixed.test'], 'mixed');
  const other = tlsSecret(namespace, 'other', ['mixed.test'], 'other');
  await client.create(secrets, {
    ...good,
    data: { 'tls.crt': good.data?.['tls.crt'] ?? '', 'tls.key': other.data?.['tls.key'] ?? '' },
  });
  const tls = [
    { hosts: ['missing.test'], secretName: 'missing' },
    { hosts: ['here.test'], secretName: 'foreign' },
    { hosts: ['old.test'], secretName: 'old' },
    { hosts: ['mixed.test'], secretName: 'mixed' },
  ];
  await world.ingress(namespace, 'bad', { tls, rules: [path('here.test', 'gone')] });
  await untilTold(namespace, 'bad', /^SecretNotFound: there is no Secret test-\d+\/missing:/);
  await untilTold(
    namespace,
    'bad',
    /^CertificateMismatch: .*foreign is not for here\.test \(its names: elsewhere\.test\)/,
  );
  await untilTold(namespace, 'bad', /^CertificateExpired: .*old has expired on/);
  await untilTold(namespace, 'bad', /^InvalidCertificate: .*mixed: tls\.key is not the key/);
  await untilTold(namespace, 'bad', /^ServiceNotFound: there is no Service test-\d+\/gone/);
  assert.equal(await shown('here.test'), 'Wherry default certificate');
  await until(
    '503',
    () => world.get('here.test', '/'),
    ({ status }) => status === 503,
  );
});

test('HTTP/2 from clients, and to upstreams that speak nothing else, trailers included', async () => {
  const namespace = await world.plane.namespace();
  await world.service(namespace, 'grpc', [grpc.port]);
  await world.ingress(
    namespace,
    'grpc',
    { rules: [path('grpc.test', 'grpc')] },
    {
      'nginx.ingress.kubernetes.io/backend-protocol': 'GRPC',
    },
  );
  for (const url of [`https://127.0.0.1:${world.ports.https}`, `http://127.0.0.1:${world.ports.http}`]) {
    const answer = await eventually(`an answer of ${url}`, 15_000, async () => {
      const got = await call(url);
      if (got.status === 200) return got;
      throw new Error(String(got.status));
    });
    assert.deepEqual(answer, { status: 200, body: 'message', trailer: '0' });
  }
});

function call(url: string): Promise<{ readonly status: number; readonly body: string; readonly trailer: string }> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(url, { rejectUnauthorized: false, servername: 'grpc.test' });
    session.on('error', reject);
    const stream = session.request({
      ...{ ':method': 'POST', ':path': '/service/Method', ':authority': 'grpc.test' },
      ...{ 'content-type': 'application/grpc', te: 'trailers' },
    });
    let status = 0;
    let body = '';
    let trailer = '';
    stream.setEncoding('utf8');
    stream.on('response', (headers) => {
      status = Number(headers[':status']);
    });
    stream.on('trailers', (headers) => {
      trailer = String(headers['grpc-status']);
    });
    stream.on('data', (chunk) => {
      body += chunk;
    });
    stream.on('error', reject);
    stream.on('end', () => {
      session.close();
      resolve({ status, body, trailer });
    });
    stream.end('message');
  });
}

test('a WebSocket passes, and outlives a reload', async () => {
  const namespace = await world.plane.namespace();
  await world.service(namespace, 'a', [a.port]);
  await world.ingress(namespace, 'socket', { rules: [path('socket.test', 'a')] });
  await until(
    'the way in',
    () => world.get('socket.test', '/'),
    ({ status }) => status === 200,
  );
  const socket = connectTcp(world.ports.http, '127.0.0.1');
  let got = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => {
    got += chunk;
  });
  socket.write('GET / HTTP/1.1\r\nHost: socket.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n');
  socket.write('Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n');
  await eventually('the handshake', 10_000, async () => /^HTTP\/1\.1 101/.test(got) || undefined);
  socket.write('before;');
  await eventually('the first echo', 10_000, async () => got.endsWith('before;') || undefined);
  const before = world.generation();
  await world.ingress(namespace, 'more', { rules: [path('more.test', 'more')] });
  await eventually('a reload', 15_000, async () => world.generation() !== before || undefined);
  socket.write('after;');
  await eventually('the second echo', 10_000, async () => got.endsWith('before;after;') || undefined);
  socket.destroy();
});

test('an Ingress that goes to another class is served no more', async () => {
  const namespace = await world.plane.namespace();
  await world.service(namespace, 'a', [a.port]);
  await world.ingress(namespace, 'leaving', { rules: [path('leaving.test', 'a')] });
  await until(
    'served',
    () => world.get('leaving.test', '/'),
    ({ status }) => status === 200,
  );
  await world.plane.client.patch(
    ingresses,
    { namespace, name: 'leaving' },
    {
      ...{ type: 'merge' as const, body: { spec: { ingressClassName: 'nginx' } } },
    },
  );
  await until(
    'no more',
    () => world.get('leaving.test', '/'),
    ({ status }) => status === 404,
  );
});
