import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Ingress, IngressClass, Service } from '../kube/types.gen.ts';
import { ingressAddresses } from './addresses.ts';
import { copyNameOf } from './certificate-copies.ts';
import { ingressClasses } from './classes.ts';
import { patternProblem } from './paths.ts';
import { type IngressInput, planIngress } from './plan.ts';

const backend = (name: string, port: { readonly name?: string; readonly number?: number } = { number: 80 }) => ({
  service: { name, port },
});

function ingress(name: string, spec: Ingress['spec'], annotations: Readonly<Record<string, string>> = {}): Ingress {
  return {
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' },
    metadata: { name, namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z', annotations },
    spec: { ingressClassName: 'wherry', ...spec },
  };
}

const toWeb = (host: string, path = '/') => ({
  rules: [{ host, http: { paths: [{ path, pathType: 'Prefix', backend: backend('web') }] } }],
});

const web: Service = {
  ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'default' } },
  spec: {
    ports: [
      { name: 'http', port: 80 },
      { name: 'https', port: 443 },
      { name: 'rpc', port: 90, appProtocol: 'kubernetes.io/h2c' },
    ],
  },
};

function slice(endpoints: EndpointSlice['endpoints'], more: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', metadata: { name: 'web-1' } },
    ...(endpoints === undefined ? {} : { endpoints }),
    ports: [
      { name: 'http', port: 8080 },
      { name: 'https', port: 8443 },
      { name: 'rpc', port: 9090 },
    ],
    ...more,
  };
}

function plan(ingresses: readonly Ingress[], more: Partial<IngressInput> = {}) {
  return planIngress({
    ingresses,
    classes: ingressClasses,
    service: (key) => (key === 'default/web' ? web : undefined),
    slices: () => [slice([{ addresses: ['10.42.0.7'], conditions: { ready: true } }])],
    certificate: () => undefined,
    nowMs: 0,
    ports: { http: 80, https: 443 },
    ...more,
  });
}

const hostsOf = ({ config }: ReturnType<typeof plan>) =>
  config.listeners.http.routes.prefix.map(({ host }) => host).sort();

test('served are the classes of our controller, by field and by the older annotation, and what names none', () => {
  const foreign: IngressClass = {
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name: 'nginx' } },
    spec: { controller: 'k8s.io/ingress-nginx' },
  };
  const unnamed = (name: string, annotations = {}) => {
    const { ingressClassName, ...spec } = ingress(name, toWeb(`${name}.test`)).spec ?? {};
    return { ...ingress(name, spec, annotations), spec };
  };
  const all = [
    ingress('wherry', toWeb('wherry.test')),
    ingress('traefik', { ...toWeb('traefik.test'), ingressClassName: 'traefik' }),
    ingress('foreign', { ...toWeb('foreign.test'), ingressClassName: 'nginx' }),
    ingress('unknown', { ...toWeb('unknown.test'), ingressClassName: 'gone' }),
    unnamed('none'),
    unnamed('old', { 'kubernetes.io/ingress.class': 'traefik' }),
    unnamed('oldforeign', { 'kubernetes.io/ingress.class': 'nginx' }),
  ];
  const classes = [...ingressClasses, foreign];
  assert.deepEqual(hostsOf(plan(all, { classes })), ['none.test', 'old.test', 'traefik.test', 'wherry.test']);
  const undecided = classes.map((one) => ({ ...one, metadata: { name: one.metadata.name ?? '' } }));
  assert.deepEqual(hostsOf(plan(all, { classes: undecided })), ['old.test', 'traefik.test', 'wherry.test']);
});

test('a port is named or numbered, and says how its endpoints are spoken to', () => {
  const at = (port: { readonly name?: string; readonly number?: number }, annotations = {}) => {
    const spec = { defaultBackend: backend('web', port) };
    const [found] = plan([ingress('i', spec, annotations)]).config.backends;
    return `${found?.protocol} ${found?.endpoints.map(({ port: number }) => number)}`;
  };
  assert.equal(at({ name: 'http' }), 'http 8080');
  assert.equal(at({ number: 80 }), 'http 8080');
  assert.equal(at({ number: 443 }), 'https 8443');
  assert.equal(at({ name: 'rpc' }), 'h2c 9090');
  assert.equal(at({ number: 80 }, { 'nginx.ingress.kubernetes.io/backend-protocol': 'GRPCS' }), 'h2 8080');
});

test('ready endpoints of the first family serve; while none is ready, those that end', () => {
  const at = (slices: readonly EndpointSlice[]) =>
    plan([ingress('i', { defaultBackend: backend('web') })], {
      slices: () => slices,
    }).config.backends[0]?.endpoints.map(({ address }) => address);
  const ready = { addresses: ['10.42.0.1'], conditions: { ready: true } };
  const ending = { addresses: ['10.42.0.2'], conditions: { ready: false, serving: true, terminating: true } };
  const broken = { addresses: ['10.42.0.3'], conditions: { ready: false, serving: false } };
  const other = slice([{ addresses: ['fd00:42::1'], conditions: { ready: true } }], { addressType: 'IPv6' });
  assert.deepEqual(at([slice([ready, ending, broken]), slice([ready]), other]), ['10.42.0.1']);
  assert.deepEqual(at([slice([ending, broken])]), ['10.42.0.2']);
  assert.deepEqual(at([slice([broken])]), []);
});

test('what is wrong is told, and the rest is served', () => {
  const told = (spec: Ingress['spec'], annotations = {}, more: Partial<IngressInput> = {}) =>
    [...plan([ingress('i', spec, annotations)], more).problems.values()].flat().map(({ reason }) => reason);
  assert.deepEqual(told(toWeb('a.test')), []);
  assert.deepEqual(told({ defaultBackend: backend('gone') }), ['ServiceNotFound']);
  assert.deepEqual(told({ defaultBackend: backend('web', { name: 'admin' }) }), ['PortNotFound']);
  assert.deepEqual(told({ defaultBackend: backend('web') }, {}, { slices: () => [] }), ['NoEndpoints']);
  assert.deepEqual(told({ defaultBackend: { resource: { kind: 'Bucket', name: 'x' } } }), ['UnsupportedBackend']);
  assert.deepEqual(told(toWeb('a.test', '/a b')), ['InvalidPath']);
  assert.deepEqual(told({ tls: [{ secretName: 'x', hosts: ['a.test'] }], ...toWeb('a.test') }), ['SecretNotFound']);
  assert.deepEqual(told(toWeb('a.test'), { 'nginx.ingress.kubernetes.io/server-snippet': 'x' }), [
    'UnsupportedAnnotation',
  ]);
  assert.deepEqual(told(toWeb('a.test'), { 'nginx.ingress.kubernetes.io/proxy-read-timeout': 'soon' }), [
    'InvalidAnnotation',
  ]);
  // Nobody misses a Service behind a redirect.
  assert.deepEqual(
    told({ defaultBackend: backend('gone') }, { 'nginx.ingress.kubernetes.io/permanent-redirect': 'https://b.test' }),
    [],
  );
});

test('a Service that is a name leads there, but never to the node itself', () => {
  const at = (externalName: string) => {
    const service = () => ({ ...web, spec: { type: 'ExternalName', externalName } });
    const { config, problems } = plan([ingress('i', { defaultBackend: backend('web') })], { service });
    const [found] = config.backends;
    const told = [...problems.values()].flat().map(({ reason }) => reason);
    return [found?.external?.host, ...(found?.endpoints ?? []).map(({ address }) => address), ...told].join(' ').trim();
  };
  assert.equal(at('Far.Example.org.'), 'far.example.org');
  assert.equal(at('192.0.2.7'), '192.0.2.7');
  for (const own of [
    'localhost',
    'x.localhost',
    '127.0.0.1',
    '127.1.2.3',
    '127.1',
    '0x7f.0x1',
    '169.254.169.254',
    '0.0.0.0',
  ])
    assert.equal(at(own), 'UnsupportedBackend', own);
});

test('paths with the same settings share a backend, others do not', () => {
  const names = (annotations: Readonly<Record<string, string>>) =>
    plan([ingress('a', toWeb('a.test')), ingress('b', toWeb('b.test'), annotations)]).config.backends.map(
      ({ name }) => name,
    );
  assert.deepEqual(names({}), ['default_web_80']);
  assert.equal(names({ 'nginx.ingress.kubernetes.io/proxy-read-timeout': '5' }).length, 2);
});

test('expressions that not all dialects read alike are refused', () => {
  for (const good of ['/api(/|$)(.*)', '/v\\d+/[a-z]{2,3}$', '/(?:a|b)+\\.html'])
    assert.equal(patternProblem(good), undefined, good);
  for (const bad of ['/(', '/(?i)x', '/(*COMMIT)x', '/\\Kx', '/[[:alpha:]]', '/a b', 'x', '/a\nbackend y'])
    assert.notEqual(patternProblem(bad), undefined, bad);
});

test('addresses: external ones before internal ones, of nodes that are Ready', () => {
  const node = (name: string, ready: string, addresses: readonly (readonly [string, string])[], labels = {}) => ({
    ...{ apiVersion: 'v1', kind: 'Node', metadata: { name, labels } },
    status: {
      conditions: [{ type: 'Ready', status: ready, reason: '', message: '', lastTransitionTime: '' }],
      addresses: addresses.map(([type, address]) => ({ type, address })),
    },
  });
  const a = node('a', 'True', [
    ['InternalIP', 'fd00::1'],
    ['InternalIP', '10.0.0.1'],
    ['Hostname', 'a'],
  ]);
  const b = node('b', 'False', [['InternalIP', '10.0.0.2']]);
  const c = node('c', 'True', [['InternalIP', '10.0.0.3']], {
    'node.kubernetes.io/exclude-from-external-load-balancers': '',
  });
  assert.deepEqual(ingressAddresses([a, b, c]), ['10.0.0.1', 'fd00::1']);
  const failing = { type: 'IngressReady', status: 'False', reason: 'NotServing', message: '' };
  const without = { ...a, status: { ...a.status, conditions: [...a.status.conditions, failing] } };
  assert.deepEqual(ingressAddresses([without]), []);
  assert.deepEqual(ingressAddresses([a, node('d', 'True', [['ExternalIP', '192.0.2.1']])]), ['192.0.2.1']);
});

test('copies of certificates have names of their own', () => {
  assert.equal(copyNameOf('default/web'), 'default.web');
  const long = copyNameOf(`default/${'x'.repeat(250)}`);
  assert.equal(long.length, 253);
  assert.notEqual(long, copyNameOf(`default/${'x'.repeat(249)}y`));
});
