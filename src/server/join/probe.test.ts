import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { test } from 'node:test';
import { clockProblem, probeServer, whyUnreachable } from './probe.ts';
import { versionSkew } from './skew.ts';

const signal = new AbortController().signal;
const now = Date.parse('2026-06-01T12:00:00Z');
const hourMs = 3_600_000;
const probe = (serverMs: number | undefined, from = now - hourMs, until = now + 1000 * hourMs) => ({
  status: 200,
  body: '',
  serverMs,
  certificate: { notBefore: from, notAfter: until },
});

test('a clock that is off is told with by how much and in which direction', () => {
  assert.equal(clockProblem(probe(now + 200_000), now), undefined);
  const behind = clockProblem(probe(now + 2 * hourMs), now);
  assert.equal(behind?.code, 'CLOCK_SKEW');
  assert.match(behind?.message ?? '', /clock is 120m behind the server's \(here it is 2026-06-01T12:00:00Z\)/);
  assert.match(clockProblem(probe(now - 72 * hourMs), now)?.message ?? '', /clock is 3d ahead of the server's/);
});

test('a certificate that does not hold at this time is told, though the clocks agree', () => {
  const early = clockProblem(probe(now, now + hourMs), now);
  assert.match(early?.message ?? '', /is valid from 2026-06-01T13:00:00Z on, 60m from now/);
  const late = clockProblem(probe(undefined, now - 48 * hourMs, now - 24 * hourMs), now);
  assert.match(late?.message ?? '', /has ended at 2026-05-31T12:00:00Z, 24h ago/);
});

test('a failed connection is told in plain words', async () => {
  const url = { hostname: 'server.example', port: '6443' };
  assert.match(whyUnreachable('ECONNREFUSED', url) ?? '', /no program listens on port 6443 of server\.example/);
  assert.match(whyUnreachable('ETIMEDOUT', url) ?? '', /firewall/);
  assert.match(whyUnreachable('ENOTFOUND', url) ?? '', /the name server\.example is not known/);
  assert.match(whyUnreachable('EHOSTUNREACH', url) ?? '', /no route/);
  await assert.rejects(probeServer('https://127.0.0.1:1', signal), {
    code: 'SERVER_UNREACHABLE',
    message: /the API server at https:\/\/127\.0\.0\.1:1 can't be reached: connection refused/,
  });
  await assert.rejects(probeServer('https://nowhere.invalid:6443', signal), {
    code: 'SERVER_UNREACHABLE',
    message: /the name nowhere\.invalid is not known/,
  });
});

test('what answers without TLS is no server', async (t) => {
  const plain = createServer((_request, response) => response.end('hello'));
  const chatty = createTcpServer((socket) => socket.end('220 mail.example ESMTP\r\n'));
  for (const server of [plain, chatty]) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    await assert.rejects(probeServer(`https://127.0.0.1:${port}`, signal), { code: 'NOT_A_SERVER' });
  }
});

test('a node may be three minor versions older than its server, and none newer', () => {
  for (const node of ['v1.36.2+wherry1', 'v1.36.9', 'v1.33.0']) assert.equal(versionSkew(node, 'v1.36.2'), undefined);
  assert.match(versionSkew('v1.37.0', 'v1.36.2') ?? '', /newer than/);
  assert.match(versionSkew('v1.32.0', 'v1.36.2') ?? '', /more than 3 minor versions older/);
  assert.match(versionSkew('v2.0.0', 'v1.36.2') ?? '', /this machine runs v2\.0\.0/);
  assert.match(versionSkew('', 'v1.36.2') ?? '', /this machine runs/);
});
