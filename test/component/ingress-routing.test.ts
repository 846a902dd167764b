/** Where requests go: random sets of Ingresses, through the real HAProxy, against what the specification's words say. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { createLog } from '../../src/core/log.ts';
import { Haproxy } from '../../src/engines/haproxy/haproxy.ts';
import { readTlsSecret } from '../../src/ingress/certificates.ts';
import { ingressClasses } from '../../src/ingress/classes.ts';
import { makeDefaultCertificate } from '../../src/ingress/default-certificate.ts';
import { planIngress } from '../../src/ingress/plan.ts';
import type { Ingress, IngressBackend } from '../../src/kube/types.gen.ts';
import { fc } from '../../tools/property.ts';
import { freePorts, type Upstream, upstream } from './ingress/world.ts';

const runs = 25;
const requestsPerRun = 60;
const names = ['s0', 's1', 's2', 's3', 's4', 's5'];

const stack = new AsyncDisposableStack();
/** Connections of a set of its own: one that is kept is answered by the process that took it. */
let agent = new Agent({ keepAlive: true });
let defaultPem = '';
let upstreams: ReadonlyMap<string, Upstream>;
let haproxy: Haproxy;
let ports: { readonly http: number; readonly https: number };
before(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-routing-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const [http = 0, https = 0] = await freePorts(2);
  ports = { http, https };
  upstreams = new Map(await Promise.all(names.map(async (name) => [name, stack.use(await upstream(name))] as const)));
  haproxy = new Haproxy({ folder, runFolder: join(folder, 'run'), clock: systemClock, log: createLog('silent') });
  stack.defer(() => haproxy.stop());
  const standard = readTlsSecret(makeDefaultCertificate(Date.now()));
  assert.ok(standard.ok);
  defaultPem = standard.pem;
  stack.defer(() => agent.destroy());
});
after(() => stack.disposeAsync());

interface Rule {
  readonly host: string;
  readonly path: string;
  readonly pathType: 'Exact' | 'Prefix' | 'ImplementationSpecific';
  readonly service: string;
}
interface Drawn {
  readonly rules: readonly Rule[];
  readonly fallback: string | undefined;
}

const host = fc.constantFrom('a.test', 'b.a.test', 'c.b.a.test', '*.a.test', '*.b.a.test', '*.test', '');
const path = fc
  .tuple(fc.array(fc.constantFrom('x', 'y', 'xy', 'X', '%20'), { maxLength: 3 }), fc.boolean())
  .map(([elements, slash]) => `/${elements.join('/')}${slash && elements.length > 0 ? '/' : ''}`);
const rule: fc.Arbitrary<Rule> = fc.record({
  ...{ host, path, service: fc.constantFrom(...names) },
  pathType: fc.constantFrom('Exact' as const, 'Prefix' as const, 'ImplementationSpecific' as const),
});
const drawn: fc.Arbitrary<Drawn> = fc.record({
  rules: fc.array(rule, { maxLength: 5 }),
  fallback: fc.option(fc.constantFrom(...names), { nil: undefined, freq: 3 }),
});
const asked = fc.record({
  host: fc.constantFrom(
    'a.test',
    'b.a.test',
    'd.a.test',
    'c.b.a.test',
    'other.test',
    'else.where',
    'A.TEST:80',
    'test',
  ),
  path,
});

test('every request goes where the specification says', async () => {
  const sets = fc.tuple(
    fc.array(drawn, { minLength: 1, maxLength: 5 }),
    fc.array(asked, { minLength: requestsPerRun, maxLength: requestsPerRun }),
  );
  await fc.assert(
    fc.asyncProperty(sets, async ([ingresses, requests]) => {
      agent.destroy();
      agent = new Agent({ keepAlive: true });
      await serve(ingresses);
      for (const one of requests)
        assert.equal(
          await answerer(one.host, one.path),
          expected(ingresses, one.host, one.path),
          `${one.host}${one.path}`,
        );
    }),
    { numRuns: runs, endOnFailure: true },
  );
});

async function serve(ingresses: readonly Drawn[]): Promise<void> {
  const backend = (name: string): IngressBackend => ({ service: { name, port: { number: 80 } } });
  const objects = ingresses.map(
    ({ rules, fallback }, index): Ingress => ({
      ...{ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' },
      metadata: { name: `i${index}`, namespace: 'test', creationTimestamp: `2026-01-01T00:00:0${index}Z` },
      spec: {
        ingressClassName: 'wherry',
        ...(fallback === undefined ? {} : { defaultBackend: backend(fallback) }),
        rules: rules.map((one) => ({
          ...(one.host === '' ? {} : { host: one.host }),
          http: { paths: [{ path: one.path, pathType: one.pathType, backend: backend(one.service) }] },
        })),
      },
    }),
  );
  const { config } = planIngress({
    ingresses: objects,
    classes: ingressClasses,
    service: (key) => ({
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: key, namespace: 'test' } },
      spec: { ports: [{ port: 80 }] },
    }),
    slices: (key) => [
      {
        ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', metadata: { name: key } },
        endpoints: [{ addresses: ['127.0.0.1'] }],
        ports: [{ port: upstreams.get(key.replace('test/', ''))?.port ?? 0 }],
      },
    ],
    certificate: () => undefined,
    nowMs: Date.now(),
    ports,
  });
  await haproxy.apply({ ...config, defaultCertificate: defaultPem, nameServers: [] });
}

/** The name of the upstream that answers, or the status of who else does. */
function answerer(hostName: string, target: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: ports.http, path: target, agent, headers: { host: hostName } };
    const sent = request(options, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () =>
        resolve(response.statusCode === 200 ? JSON.parse(body).name : String(response.statusCode)),
      );
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end();
  });
}

/**
 * The words of the API: a precise host is preferred to a wildcard of one label, that one to none; an exact path to prefixes, whose
 * elements are compared one by one, the longest first; the older Ingress where nothing else decides. What matches no rule goes to
 * the default backend of the Ingress that has the host.
 */
function expected(ingresses: readonly Drawn[], asked: string, target: string): string {
  const name = asked.split(':')[0]?.toLowerCase() ?? '';
  const hostRank = (pattern: string) => {
    if (pattern === name) return 3;
    if (pattern.startsWith('*.') && name.split('.').slice(1).join('.') === pattern.slice(2)) return 2;
    return pattern === '' ? 1 : 0;
  };
  const elements = (text: string) => text.split('/').filter((element) => element !== '');
  const pathRank = (one: Rule) => {
    if (one.pathType === 'Exact') return one.path === target ? 1000 : 0;
    const wanted = elements(one.path);
    const given = elements(target);
    return wanted.every((element, index) => element === given[index]) ? 1 + wanted.length : 0;
  };
  let best = { rank: 0, service: '' };
  const consider = (rank: number, service: string) => {
    if (rank > best.rank) best = { rank, service };
  };
  for (const { rules } of ingresses)
    for (const one of rules)
      if (hostRank(one.host) > 0 && pathRank(one) > 0)
        consider(hostRank(one.host) * 10_000 + pathRank(one), one.service);
  if (best.rank > 0) return best.service;
  for (const { rules, fallback } of ingresses)
    for (const pattern of rules.length === 0 ? [''] : rules.map((one) => one.host))
      if (fallback !== undefined) consider(hostRank(pattern), fallback);
  return best.rank > 0 ? best.service : '404';
}
