/** Configurations as they are written, each of which HAProxy itself accepts too. `node compile.test.ts --write` writes them anew, to be read in the diff. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { type TestContext, test } from 'node:test';
import { encodePem } from '../../wire/pem.ts';
import { encodeName, signCertificate } from '../../wire/x509.ts';
import { type Compiled, certificateListFile, compile } from './compile.ts';
import type { HaproxyConfig, RouteTable } from './config.ts';
import { check } from './haproxy.ts';
import { assignSlots, type Slot } from './slots.ts';

const golden = join(import.meta.dirname, 'golden');
const none: RouteTable = { exact: [], prefix: [], pattern: [], fallback: [] };
const routes: RouteTable = {
  exact: [{ host: 'a.test', path: '/x', backend: 'default_web_80' }],
  prefix: [
    { host: '*.a.test', path: '/y/', backend: 'default_web_80' },
    { host: '', path: '/', backend: 'default_web_80' },
  ],
  pattern: [{ host: 'a.test', path: '/api(/|$)(.*)', backend: 'default_api_http_1' }],
  fallback: [{ host: 'a.test', path: '', backend: 'default_far_443' }],
};
const plain = { protocol: 'http', endpoints: [], rules: [] } as const;

const empty: HaproxyConfig = {
  ...{ backends: [], certificates: [], nameServers: [], defaultCertificate: '' },
  listeners: { http: { port: 80, routes: none }, https: { port: 443, routes: none } },
};
const full: HaproxyConfig = {
  ...empty,
  nameServers: ['10.43.0.10:53', '[fd00:43::a]:53'],
  listeners: { http: { port: 80, routes: { ...none, prefix: routes.prefix } }, https: { port: 443, routes } },
  certificates: [{ name: 'default_shop', pem: '', hosts: ['a.test', '*.a.test'] }],
  backends: [
    {
      ...{ ...plain, name: 'default_web_80', serverTimeoutMs: 5000, connectTimeoutMs: 1000 },
      endpoints: [
        { address: '10.42.0.7', port: 8080 },
        { address: 'fd00:42::7', port: 8080 },
      ],
    },
    {
      ...{ ...plain, name: 'default_api_http_1', protocol: 'h2c' },
      affinity: { cookie: 'stay', secure: true, httpOnly: true, sameSite: 'Lax' },
      rules: [
        { kind: 'allow', ranges: ['10.0.0.0/8', '::1/128'] },
        { kind: 'secure', code: 308 },
        { kind: 'redirect', location: '/app', code: 302, onlyPath: '/' },
        { kind: 'bodyMax', bytes: 1024 },
        {
          kind: 'cors',
          cors: {
            ...{ origins: ['https://b.test'], methods: 'GET, PUT', headers: 'X-Token', exposed: 'X-Total' },
            ...{ credentials: true, maxAgeS: 600 },
          },
        },
        { kind: 'rewrite', pattern: '(?i)^/api(/|$)(.*)', target: '/$2' },
      ],
    },
    {
      ...plain,
      name: 'default_gone_80',
      rules: [{ kind: 'redirect', location: "https://new.test/it's/%20a b", code: 301 }],
    },
    { ...plain, name: 'default_far_443', protocol: 'h2', external: { host: 'far.example.org', port: 443 } },
  ],
};

const slotsOf = (config: HaproxyConfig) => (name: string) =>
  assignSlots([], config.backends.find((one) => one.name === name)?.endpoints ?? []);

function textOf({ configuration, maps, certificateList }: Compiled): string {
  const files = [...maps, [certificateListFile, certificateList] as const];
  return [configuration, ...files.map(([name, text]) => `# ${name}\n${text}`)].join('\n');
}

for (const [name, config] of [
  ['empty', empty],
  ['full', full],
] as const)
  test(`the configuration ${name} is as it was read, and HAProxy takes it`, async (t) => {
    const layout = { folder: '/haproxy', adminSocket: '/run/haproxy.sock', ipv6: true, generation: 'g1' };
    const text = textOf(compile(config, slotsOf(config), layout));
    const file = join(golden, `${name}.txt`);
    if (process.argv.includes('--write')) writeFileSync(file, text);
    assert.equal(text, readFileSync(file, 'utf8'));
    const folder = folderOf(t);
    const pem = selfSigned();
    const certificates = config.certificates.map((one) => ({ ...one, pem }));
    const compiled = compile({ ...config, certificates, defaultCertificate: pem }, slotsOf(config), {
      ...{ ...layout, folder, adminSocket: join(folder, 'admin.sock') },
    });
    for (const [at, content] of [...compiled.maps, ...compiled.certificates]) writeFileSync(join(folder, at), content);
    writeFileSync(join(folder, certificateListFile), compiled.certificateList);
    writeFileSync(join(folder, 'haproxy.cfg'), compiled.configuration);
    await check(join(folder, 'haproxy.cfg'));
  });

test('what HAProxy does not take is told in its words', async (t) => {
  const folder = folderOf(t);
  writeFileSync(join(folder, 'haproxy.cfg'), 'frontend x\n  bund :80\n');
  await assert.rejects(
    check(join(folder, 'haproxy.cfg')),
    /HAProxy refuses its configuration: .*unknown keyword 'bund'/,
  );
});

test('endpoints keep their places, newcomers take the free ones', () => {
  const at = (port: number) => ({ address: '10.42.0.7', port });
  const first = assignSlots([], [at(1), at(2)]);
  const show = (slots: readonly Slot[]) =>
    slots.map(({ name, endpoint }) => `${name}=${endpoint?.port ?? '-'}`).join(' ');
  assert.equal(show(first), 's1=1 s2=2');
  assert.equal(show(assignSlots(first, [at(2)])), 's1=- s2=2');
  assert.equal(show(assignSlots(assignSlots(first, [at(2)]), [at(2), at(3), at(4)])), 's1=3 s2=2 s3=4');
  assert.equal(show(assignSlots(first, [])), 's1=- s2=-');
});

test('control characters reach no configuration', () => {
  const backend = {
    ...plain,
    name: 'x',
    rules: [{ kind: 'redirect', location: '/a\nfrontend b', code: 302 }],
  } as const;
  const layout = { folder: '/haproxy', adminSocket: '/run/haproxy.sock', ipv6: true, generation: 'g1' };
  assert.throws(() => compile({ ...empty, backends: [backend] }, () => [], layout), /control characters/);
});

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-haproxy-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(folder, { recursive: true });
  return folder;
}

function selfSigned(): string {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = { commonName: 'a.test', organizations: [] };
  const now = Date.now();
  const der = signCertificate(
    { subject, publicKey, notBefore: now - 1000, notAfter: now + 86_400_000 },
    { subject: encodeName(subject), publicKey, privateKey },
  );
  return encodePem('CERTIFICATE', der) + privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}
