/** What changes while requests are under way, and what is mended when HAProxy or the node's process dies. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { createLog } from '../../src/core/log.ts';
import { Haproxy } from '../../src/engines/haproxy/haproxy.ts';
import { readTlsSecret } from '../../src/ingress/certificates.ts';
import { makeDefaultCertificate } from '../../src/ingress/default-certificate.ts';
import { ingresses } from '../../src/kube/resources.gen.ts';
import { eventually } from '../testbed/kubectl.ts';
import { freePorts, startWorld, type Upstream, until, upstream, type World } from './ingress/world.ts';

let world: World;
let namespace: string;
let upstreams: readonly Upstream[] = [];
before(async () => {
  upstreams = await Promise.all(['a', 'b', 'c'].map(upstream));
  world = await startWorld();
  namespace = await world.plane.namespace();
});
after(async () => {
  await world?.[Symbol.asyncDispose]();
  for (const one of upstreams) one[Symbol.dispose]();
});

const ports = (...names: readonly string[]) => names.map((name) => upstreams['abc'.indexOf(name)]?.port ?? 0);
const rule = (host: string, name: string) => ({
  host,
  http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name, port: { number: 80 } } } }] },
});
const haproxyPid = () => Number(readFileSync(join(world.folder, 'haproxy/haproxy.pid'), 'utf8'));

/** Which upstreams answer, of some requests in turn. */
async function answering(host: string): Promise<string> {
  const names = new Set<string>();
  for (let i = 0; i < 6; i++) {
    const { status, body } = await world.get(host, '/');
    names.add(status === 200 ? String(JSON.parse(body).name) : String(status));
  }
  return [...names].sort().join();
}
const untilAnswering = (host: string, wanted: string) =>
  eventually(`${host} is answered by ${wanted}`, 15_000, async () => {
    const found = await answering(host);
    if (found === wanted) return true;
    throw new Error(found);
  });

/** Asks without a pause over connections that are kept, until told to end; resolves with what came. */
function load(host: string): { end(): Promise<{ readonly answers: number; readonly failures: readonly string[] }> } {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const failures: string[] = [];
  let answers = 0;
  let isOver = false;
  const one = () =>
    new Promise<void>((resolve) => {
      const asked = request(
        { host: '127.0.0.1', port: world.ports.http, path: '/', agent, headers: { host } },
        (response) => {
          response.resume();
          response.on('end', () => {
            if (response.statusCode === 200) answers++;
            else failures.push(String(response.statusCode));
            resolve();
          });
          response.on('error', (error) => {
            failures.push(error.message);
            resolve();
          });
        },
      );
      asked.on('error', (error) => {
        failures.push(error.message);
        resolve();
      });
      asked.end();
    });
  const workers = Array.from({ length: 8 }, async () => {
    while (!isOver) await one();
  });
  return {
    async end() {
      isOver = true;
      await Promise.all(workers);
      agent.destroy();
      return { answers, failures };
    },
  };
}

test('endpoints come and go without a reload, from none to many and back', async () => {
  await world.service(namespace, 'moving', []);
  await world.ingress(namespace, 'moving', { rules: [rule('moving.test', 'moving')] });
  await untilAnswering('moving.test', '503');
  const generation = world.generation();
  for (const wanted of ['a', 'a,b,c', 'c', '', 'b,c', 'a,c']) {
    const names = wanted === '' ? [] : wanted.split(',');
    await world.setEndpoints(namespace, 'moving', ports(...names));
    await untilAnswering('moving.test', wanted === '' ? '503' : wanted);
  }
  assert.equal(world.generation(), generation);
});

test('a host more for a Service that is served needs no reload, and one less neither', async () => {
  await world.service(namespace, 'known', ports('a'));
  await world.ingress(namespace, 'known', { rules: [rule('known.test', 'known')] });
  await untilAnswering('known.test', 'a');
  const generation = world.generation();
  await world.ingress(namespace, 'another', { rules: [rule('another.test', 'known')] });
  await untilAnswering('another.test', 'a');
  await world.plane.client.delete(ingresses, { namespace, name: 'another' });
  await untilAnswering('another.test', '404');
  assert.equal(world.generation(), generation);
});

test('ten reloads under load drop nothing', async () => {
  await world.service(namespace, 'steady', ports('a', 'b'));
  await world.ingress(namespace, 'steady', { rules: [rule('steady.test', 'steady')] });
  await untilAnswering('steady.test', 'a,b');
  const running = load('steady.test');
  for (let i = 0; i < 10; i++) {
    const before = world.generation();
    await world.ingress(namespace, `other-${i}`, { rules: [rule(`other-${i}.test`, `other-${i}`)] });
    await eventually('a reload', 15_000, async () => world.generation() !== before || undefined);
  }
  await world.setEndpoints(namespace, 'steady', ports('b', 'c'));
  await untilAnswering('steady.test', 'b,c');
  const { answers, failures } = await running.end();
  assert.deepEqual(failures, []);
  assert.ok(answers > 500, `${answers} answers`);
});

test('the process of the node comes back and takes HAProxy over as it runs', async () => {
  await world.service(namespace, 'adopted', ports('a'));
  await world.ingress(namespace, 'adopted', { rules: [rule('adopted.test', 'adopted')] });
  await untilAnswering('adopted.test', 'a');
  await world.setEndpoints(namespace, 'adopted', ports('a', 'b'));
  await untilAnswering('adopted.test', 'a,b');
  const [pid, generation] = [haproxyPid(), world.generation()];
  const running = load('adopted.test');
  await world.restart();
  await world.setEndpoints(namespace, 'adopted', ports('a', 'b', 'c'));
  await untilAnswering('adopted.test', 'a,b,c');
  assert.deepEqual((await running.end()).failures, []);
  assert.deepEqual([haproxyPid(), world.generation()], [pid, generation]);
});

test('a killed HAProxy is back, with the endpoints that were changed while it ran', async () => {
  await world.service(namespace, 'killed', ports('a'));
  await world.ingress(namespace, 'killed', { rules: [rule('killed.test', 'killed')] });
  await untilAnswering('killed.test', 'a');
  await world.setEndpoints(namespace, 'killed', ports('b', 'c'));
  await untilAnswering('killed.test', 'b,c');
  const pid = haproxyPid();
  process.kill(pid, 'SIGKILL');
  await eventually('another process', 15_000, async () => haproxyPid() !== pid || undefined);
  await until(
    'it answers',
    () => world.get('killed.test', '/'),
    ({ status }) => status === 200,
  );
  await untilAnswering('killed.test', 'b,c');
  await world.setEndpoints(namespace, 'killed', ports('a', 'b', 'c'));
  await untilAnswering('killed.test', 'a,b,c');
});

test('a port that another program holds is told, and taken when it is free', async () => {
  const [http = 0, https = 0] = await freePorts(2);
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(http, '0.0.0.0', resolve));
  const folder = mkdtempSync(join(tmpdir(), 'wherry-held-'));
  const haproxy = new Haproxy({ folder, runFolder: join(folder, 'run'), clock: systemClock, log: createLog('silent') });
  try {
    const routes = { exact: [], prefix: [], pattern: [], fallback: [] };
    const standard = readTlsSecret(makeDefaultCertificate(Date.now()));
    assert.ok(standard.ok);
    const config = {
      ...{ backends: [], certificates: [], nameServers: [], defaultCertificate: standard.pem },
      listeners: { http: { port: http, routes }, https: { port: https, routes } },
    };
    await assert.rejects(haproxy.apply(config), new RegExp(`cannot bind socket.*${http}`));
    await new Promise((resolve) => holder.close(resolve));
    assert.equal(await haproxy.apply(config), 'reloaded');
    assert.equal(await haproxy.apply(config), 'unchanged');
  } finally {
    await haproxy.stop();
    holder.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
