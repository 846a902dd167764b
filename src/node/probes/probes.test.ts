import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { systemClock } from '../../core/clock.ts';
import type { Container, Pod, Probe } from '../../kube/types.gen.ts';
import { decode, encode, int32, message, string } from '../../wire/protobuf.ts';
import { createHookRunner } from '../hooks/runner.ts';
import { attemptProbe } from './attempt.ts';
import { resolvePort } from './port.ts';
import { createProbeRunner } from './runner.ts';

const noExec = {
  execSync: async () => {
    throw new Error('no commands here');
  },
};

async function httpServer(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const container: Container = { name: 'c', ports: [{ name: 'web', containerPort: 8080 }] as never };
const target = { container, containerId: 'id', podIP: '127.0.0.1' };
const attempt = (probe: Probe) => attemptProbe(noExec, target, probe);

async function closedPort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('a port is found by its name in the container', () => {
  assert.equal(resolvePort('web', container), 8080);
  assert.equal(resolvePort(80, container), 80);
  assert.throws(() => resolvePort('nope', container), /couldn't find port: nope/);
});

test('HTTP probes judge by status, follow redirects on the same host only, and send their headers', async (t) => {
  const seen: string[] = [];
  const port = await httpServer(t, (request, response) => {
    seen.push(`${request.headers.host} ${request.headers['user-agent']} ${request.headers['x-a']}`);
    if (request.url === '/here') response.writeHead(302, { location: '/ok' }).end();
    else if (request.url === '/away') response.writeHead(302, { location: 'http://192.0.2.77/' }).end('bye');
    else if (request.url === '/round') response.writeHead(302, { location: '/round' }).end();
    else response.writeHead(request.url === '/ok' ? 204 : 500).end();
  });
  const get = (path: string) =>
    attempt({
      httpGet: {
        path,
        port,
        httpHeaders: [
          { name: 'X-A', value: '1' },
          { name: 'Host', value: 'shop' },
        ],
      },
    });
  assert.deepEqual(await get('/ok'), { result: 'success', output: '' });
  assert.match(seen[0] ?? '', /^shop kube-probe\/1\.36 1$/);
  assert.deepEqual(await get('/bad'), { result: 'failure', output: 'HTTP probe failed with statuscode: 500' });
  assert.equal((await get('/here')).result, 'success');
  assert.deepEqual(await get('/away'), { result: 'warning', output: 'Probe terminated redirects, Response body: bye' });
  assert.match((await get('/round')).output, /stopped after 10 redirects/);
});

test('what goes wrong on the way is told in the words that users know', async (t) => {
  const port = await closedPort();
  const refused = `dial tcp 127.0.0.1:${port}: connect: connection refused`;
  assert.deepEqual(await attempt({ httpGet: { path: '/x', port } }), {
    result: 'failure',
    output: `Get "http://127.0.0.1:${port}/x": ${refused}`,
  });
  assert.deepEqual(await attempt({ tcpSocket: { port } }), { result: 'failure', output: refused });
  const silent = await httpServer(t, () => {});
  const { output } = await attempt({ httpGet: { port: silent }, timeoutSeconds: 1 });
  assert.match(output, /context deadline exceeded \(Client.Timeout exceeded while awaiting headers\)$/);
  const plain = await httpServer(t, (_request, response) => response.end());
  const tls = await attempt({ httpGet: { port: plain, scheme: 'HTTPS' } });
  assert.match(tls.output, /http: server gave HTTP response to HTTPS client$/);
  assert.equal((await attempt({ tcpSocket: { port: plain } })).result, 'success');
});

test('gRPC probes ask the health service', async (t) => {
  const server = new Server();
  const [request, response] = [message({ service: string(1) }), message({ status: int32(1) })];
  const method = {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestDeserialize: (bytes: Buffer) => decode(request, bytes),
    requestSerialize: (value: { service: string }) => Buffer.from(encode(request, value)),
    responseSerialize: (value: { status: number }) => Buffer.from(encode(response, value)),
    responseDeserialize: (bytes: Buffer) => decode(response, bytes),
  };
  server.addService({ Check: method }, {
    Check: (call: { request: { service: string } }, answer: (error: null, value: { status: number }) => void) =>
      answer(null, { status: call.request.service === 'sick' ? 2 : 1 }),
  } as never);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
    error ? reject(error) : resolve(port),
  );
  const port = await promise;
  t.after(() => server.forceShutdown());
  assert.equal((await attempt({ grpc: { port } })).result, 'success');
  assert.equal(
    (await attempt({ grpc: { port, service: 'sick' } })).output,
    'service unhealthy (responded with "NOT_SERVING")',
  );
  const other = await httpServer(t, (_request, answer) => answer.end());
  assert.equal((await attempt({ grpc: { port: other } })).result, 'failure');
});

function podOf(probes: Partial<Container>, status: Pod['status'] & object = {}): Pod {
  const containers = [{ ...container, ...probes }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n', uid: 'u' },
    spec: { containers },
    status,
  };
}

function runnerFor(t: TestContext, pod: Pod) {
  const events: string[] = [];
  const runner = createProbeRunner({
    cri: noExec,
    events: { pod: () => {}, container: (_pod, _spec, _type, reason, text) => events.push(`${reason}: ${text}`) },
    clock: systemClock,
    random: () => 0,
  });
  t.after(() => runner[Symbol.asyncDispose]());
  const start = () => {
    const [one] = pod.spec?.containers ?? [];
    if (one) runner.set(pod, '127.0.0.1', [{ container: one, containerId: 'id', startedAt: 0 }]);
  };
  const result = () => runner.result('u', 'c', 'id');
  const until = (condition: () => boolean): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const subscription = runner.subscribe(() => condition() && resolve());
    const timer = systemClock.after(10_000, () => reject(new Error(`still ${JSON.stringify(result())}`)));
    if (condition()) resolve();
    return promise.finally(() => {
      subscription[Symbol.dispose]();
      timer[Symbol.dispose]();
    });
  };
  return { runner, events, start, result, until };
}

test('readiness and liveness wait for the startup probe; failures count up to their threshold and are told', async (t) => {
  const port = await httpServer(t, (request, response) =>
    response.writeHead(healthy.has(request.url ?? '') ? 200 : 503).end(),
  );
  const healthy = new Set(['/live', '/ready']);
  const probe = (path: string): Probe => ({
    httpGet: { path, port },
    periodSeconds: 1,
    failureThreshold: 2,
    successThreshold: 1,
  });
  const pod = podOf({
    startupProbe: { ...probe('/start'), failureThreshold: 30 },
    livenessProbe: probe('/live'),
    readinessProbe: probe('/ready'),
  });
  const { start, result, until, events } = runnerFor(t, pod);
  start();
  assert.deepEqual(result(), { started: false, ready: false, failed: null });
  healthy.add('/start');
  await until(() => result().ready);
  assert.deepEqual(result(), { started: true, ready: true, failed: null });
  healthy.delete('/ready');
  await until(() => !result().ready);
  healthy.delete('/live');
  await until(() => result().failed === 'liveness');
  assert.ok(events.includes('Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503'));
  assert.ok(events.includes('Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 503'));
});

test('a container that was ready before the agent started stays ready until its probe says otherwise', async (t) => {
  const port = await closedPort();
  const status = {
    name: 'c',
    containerID: 'containerd://id',
    ready: true,
    started: true,
    image: '',
    imageID: '',
    restartCount: 0,
  };
  const pod = podOf(
    { readinessProbe: { tcpSocket: { port }, periodSeconds: 1, failureThreshold: 1 } },
    { containerStatuses: [status] },
  );
  const { start, result, until } = runnerFor(t, pod);
  start();
  assert.equal(result().ready, true);
  await until(() => !result().ready);
});

test('hooks: an HTTP status does not matter, a failing connection does; sleep ends with its signal', async (t) => {
  const port = await httpServer(t, (_request, response) => response.writeHead(500).end());
  const hooks = createHookRunner({ cri: noExec, clock: systemClock });
  const hook = { pod: podOf({}), container, containerId: 'id', podIP: '127.0.0.1' };
  const { signal } = new AbortController();
  await hooks.run(hook, { httpGet: { port, path: '/bye' } }, signal);
  await hooks.run(hook, { httpGet: { port, path: '/bye', scheme: 'HTTPS' } }, signal);
  await assert.rejects(
    hooks.run(hook, { httpGet: { port: await closedPort(), path: '/bye' } }, signal),
    /^WherryError: HTTP lifecycle hook \(\/bye\) for Container "c" in Pod "p_n\(u\)" failed - error: Get .*connection refused, message: ""$/,
  );
  await assert.rejects(hooks.run(hook, { tcpSocket: { port } }, signal), /Cannot run handler: invalid handler/);
  const abort = new AbortController();
  const sleeping = hooks.run(hook, { sleep: { seconds: 3600 } }, abort.signal);
  abort.abort(new Error('grace is over'));
  await assert.rejects(sleeping, /grace is over/);
});
