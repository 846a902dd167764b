/** What annotations do, through the real HAProxy. */
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { after, before, test } from 'node:test';
import { events, services } from '../../src/kube/resources.gen.ts';
import { waitFor } from './control-plane.ts';
import { type Answer, type Asked, startWorld, type Upstream, until, upstream, type World } from './ingress/world.ts';

let world: World;
let namespace: string;
let upstreams: readonly Upstream[] = [];
before(async () => {
  upstreams = await Promise.all([upstream('a'), upstream('b')]);
  world = await startWorld();
  namespace = await world.plane.namespace();
  await world.service(
    namespace,
    'web',
    upstreams.map(({ port }) => port),
  );
});
after(async () => {
  await world?.[Symbol.asyncDispose]();
  for (const one of upstreams) one[Symbol.dispose]();
});

let count = 0;
/** Serves a host with annotations of ingress-nginx and resolves with who asks it, once it is served. */
async function served(
  annotations: Readonly<Record<string, string>>,
  { path = '/', pathType = 'Prefix', tls = false } = {},
): Promise<{ readonly host: string; get(path: string, more?: Asked): Promise<Answer> }> {
  const name = `case-${++count}`;
  const host = `${name}.test`;
  const backend = { service: { name: 'web', port: { name: 'http' } } };
  await world.ingress(
    namespace,
    name,
    {
      ...(tls ? { tls: [{ hosts: [host] }] } : {}),
      rules: [
        {
          host,
          http: {
            paths: [
              { path, pathType, backend },
              { path: '/probe', pathType: 'Exact', backend },
            ],
          },
        },
      ],
    },
    Object.fromEntries(
      Object.entries(annotations).map(([key, value]) => [
        key.includes('/') ? key : `nginx.ingress.kubernetes.io/${key}`,
        value,
      ]),
    ),
  );
  const get = (at: string, more?: Asked) => world.get(host, at, more);
  await until(
    'it is served',
    () => get('/probe'),
    ({ status }) => status !== 404,
  );
  return { host, get };
}
const seen = ({ body }: Answer) =>
  JSON.parse(body) as { readonly name: string; readonly url: string; readonly headers: Record<string, string> };
const untilTold = (name: string, words: RegExp) =>
  waitFor(world.plane, events, namespace, `${name} is told ${words}`, (all) =>
    all.some(
      ({ involvedObject, message, reason }) => involvedObject.name === name && words.test(`${reason}: ${message}`),
    ),
  );

test('upstreams learn who asks; what the request claims of that is dropped', async () => {
  const { get, host } = await served({});
  const { headers } = seen(await get('/', { headers: { 'x-forwarded-for': '6.6.6.6', 'x-real-ip': '6.6.6.6' } }));
  assert.equal(headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(headers['x-real-ip'], '127.0.0.1');
  assert.equal(headers['x-forwarded-proto'], 'http');
  assert.equal(headers['x-forwarded-host'], host);
});

test('paths are rewritten by groups of an expression, or whole', async () => {
  const byGroup = await served(
    { 'rewrite-target': '/$2' },
    { path: '/api(/|$)(.*)', pathType: 'ImplementationSpecific' },
  );
  assert.equal(seen(await byGroup.get('/api/users/7?q=%20x')).url, '/users/7?q=%20x');
  assert.equal(seen(await byGroup.get('/API')).url, '/');
  assert.equal((await byGroup.get('/other')).status, 404);
  const whole = await served({ 'rewrite-target': '/fixed' }, { path: '/old' });
  assert.equal(seen(await whole.get('/old/page?q=1')).url, '/fixed?q=1');
});

test('paths that are expressions, and those that are refused', async () => {
  const { get } = await served({ 'use-regex': 'true' }, { path: '/v\\d+/', pathType: 'ImplementationSpecific' });
  assert.equal((await get('/v12/x')).status, 200);
  assert.equal((await get('/vx/x')).status, 404);
  await served({ 'use-regex': 'true' }, { path: '/(?=x)', pathType: 'ImplementationSpecific' });
  await untilTold(`case-${count}`, /^InvalidPath: .*holds a group that is more than a group and is left out/);
});

test('redirects: to https, for good, for now, to a root', async () => {
  const secure = await served({ 'force-ssl-redirect': 'true' });
  const sent = await secure.get('/a?b=c');
  assert.deepEqual([sent.status, sent.headers.location], [308, `https://${secure.host}/a?b=c`]);
  assert.equal((await secure.get('/a', { secure: true })).status, 200);
  assert.equal((await (await served({ 'ssl-redirect': 'true' })).get('/')).status, 200);
  assert.equal((await (await served({ 'ssl-redirect': 'true' }, { tls: true })).get('/')).status, 308);
  const permanent = await (await served({ 'permanent-redirect': "https://new.test/it's/100%25/%[src]" })).get('/');
  assert.deepEqual([permanent.status, permanent.headers.location], [301, "https://new.test/it's/100%25/%[src]"]);
  const temporal = await (
    await served({ 'temporal-redirect': 'https://new.test/', 'temporal-redirect-code': '307' })
  ).get('/');
  assert.deepEqual([temporal.status, temporal.headers.location], [307, 'https://new.test/']);
  const root = await served({ 'app-root': '/app' });
  assert.equal((await root.get('/')).headers.location, '/app');
  assert.equal((await root.get('/app')).status, 200);
});

test('who may ask, and how much may be sent', async () => {
  assert.equal((await (await served({ 'whitelist-source-range': '10.0.0.0/8, 192.0.2.1' })).get('/')).status, 403);
  assert.equal((await (await served({ 'allowlist-source-range': '127.0.0.0/8' })).get('/')).status, 200);
  assert.equal((await (await served({ 'whitelist-source-range': 'nonsense' })).get('/')).status, 403);
  await untilTold(`case-${count}`, /^InvalidAnnotation: .*whitelist-source-range/);
  const { get } = await served({ 'proxy-body-size': '1k' });
  assert.equal((await get('/', { method: 'POST', body: 'x'.repeat(1024) })).status, 200);
  assert.equal((await get('/', { method: 'POST', body: 'x'.repeat(1025) })).status, 413);
});

test('a client with the cookie stays with its endpoint, others take turns', async () => {
  const { get } = await served({ affinity: 'cookie', 'session-cookie-name': 'stay', 'session-cookie-samesite': 'Lax' });
  const first = await get('/');
  const cookie = String(first.headers['set-cookie']);
  assert.match(cookie, /^stay=[0-9a-f]+; path=\/; HttpOnly; SameSite=Lax$/);
  for (let i = 0; i < 6; i++)
    assert.equal(seen(await get('/', { headers: { cookie: cookie.split(';')[0] ?? '' } })).name, seen(first).name);
  const names = new Set<string>();
  for (let i = 0; i < 6; i++) names.add(seen(await get('/')).name);
  assert.deepEqual([...names].sort(), ['a', 'b']);
});

test('requests of other origins', async () => {
  const { get } = await served({ 'enable-cors': 'true', 'cors-allow-origin': 'https://shop.test, https://b.test' });
  const preflight = {
    method: 'OPTIONS',
    headers: { origin: 'https://b.test', 'access-control-request-method': 'PUT' },
  };
  const answer = await get('/', preflight);
  assert.equal(answer.status, 204);
  assert.equal(answer.headers['access-control-allow-origin'], 'https://b.test');
  assert.match(String(answer.headers['access-control-allow-methods']), /PUT/);
  assert.equal(
    (await get('/', { headers: { origin: 'https://b.test' } })).headers['access-control-allow-origin'],
    'https://b.test',
  );
  assert.equal(
    (await get('/', { headers: { origin: 'https://evil.test' } })).headers['access-control-allow-origin'],
    undefined,
  );
});

test('entry points of Traefik', async () => {
  const only = await served({ 'traefik.ingress.kubernetes.io/router.entrypoints': 'web' });
  assert.equal((await only.get('/')).status, 200);
  assert.equal((await only.get('/', { secure: true })).status, 404);
});

test('what is not supported is told by name', async () => {
  await served({
    'traefik.ingress.kubernetes.io/router.middlewares': 'default-strip@kubernetescrd',
    'auth-type': 'basic',
  });
  await untilTold(`case-${count}`, /^UnsupportedAnnotation: traefik\.ingress\.kubernetes\.io\/router\.middlewares/);
  await untilTold(
    `case-${count}`,
    /^UnsupportedAnnotation: nginx\.ingress\.kubernetes\.io\/auth-type is not supported and has no effect/,
  );
});

test('default backends, and a Service that is a name elsewhere', async () => {
  await world.plane.client.create(services, {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'elsewhere', namespace } },
    spec: { type: 'ExternalName', externalName: hostname() },
  });
  const port = { number: upstreams[0]?.port ?? 0 };
  const paths = [{ path: '/there', pathType: 'Prefix', backend: { service: { name: 'elsewhere', port } } }];
  const defaultBackend = { service: { name: 'web', port: { number: 80 } } };
  await world.ingress(namespace, 'defaults', { defaultBackend, rules: [{ host: 'defaults.test', http: { paths } }] });
  assert.equal(
    seen(
      await until(
        'the name',
        () => world.get('defaults.test', '/there'),
        ({ status }) => status === 200,
      ),
    ).name,
    'a',
  );
  assert.equal((await world.get('defaults.test', '/else')).status, 200);
  assert.equal((await world.get('nobody.test', '/')).status, 404);
  await world.ingress(namespace, 'everybody', { defaultBackend });
  await until(
    'any host',
    () => world.get('nobody.test', '/'),
    ({ status }) => status === 200,
  );
});

test('of two that want the same path the older has it, and the younger learns from whom', async () => {
  const backend = { service: { name: 'web', port: { number: 80 } } };
  const rules = [{ host: 'taken.test', http: { paths: [{ path: '/x', pathType: 'Prefix', backend }] } }];
  await world.ingress(namespace, 'older', { rules });
  await world.ingress(namespace, 'younger', { rules });
  await untilTold('younger', /^PathTaken: taken\.test\/x\/ belongs to the older Ingress test-\d+\/older/);
});
