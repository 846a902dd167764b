import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { parse } from 'yaml';
import { WherryError } from '../../core/errors.ts';
import { decodePem } from '../../wire/pem.ts';
import { parseCertificate } from '../../wire/x509.ts';
import { leafLifetimeMs } from './certificates.ts';
import { kubeconfig, writeKubeconfig } from './kubeconfig.ts';
import { ensureNodePki, ensurePki, type PkiOptions } from './pki.ts';

const base = {
  subjectAltNames: ['example.org', '192.0.2.7'],
  serviceAddresses: ['10.43.0.1'],
  clusterDomain: 'cluster.local',
  nowMs: Date.now(),
};

async function inDirectory(run: (directory: string, options: PkiOptions) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-pki-'));
  try {
    await run(directory, { ...base, directory });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function digests(directory: string): Record<string, string> {
  const hash = (name: string) =>
    createHash('sha256')
      .update(readFileSync(join(directory, name)))
      .digest('hex');
  return Object.fromEntries(
    readdirSync(directory)
      .sort()
      .map((name) => [name, hash(name)]),
  );
}

function read(pem: string) {
  const [block] = decodePem(pem);
  assert.ok(block);
  return parseCertificate(block.der);
}

test('a second start keeps every file, and all are private', () =>
  inDirectory(async (directory, options) => {
    await ensurePki(options);
    const before = digests(directory);
    await ensurePki({ ...options, nowMs: options.nowMs + 1000 });
    assert.deepEqual(digests(directory), before);
    for (const name of Object.keys(before)) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
    for (const name of [
      'server-ca.crt',
      'client-ca.key',
      'request-header-ca.crt',
      'serving-kube-apiserver.crt',
      'service.key',
    ]) {
      assert.ok(name in before, name);
    }
  }));

test('identities are those that the bootstrap roles speak of', () =>
  inDirectory(async (_, options) => {
    const pki = await ensurePki(options);
    assert.deepEqual(read(pki.admin.certificate).subject, {
      commonName: 'system:admin',
      organizations: ['system:masters'],
    });
    assert.equal(read(pki.scheduler.certificate).subject.commonName, 'system:kube-scheduler');
    assert.equal(read(pki.controllerManager.certificate).subject.commonName, 'system:kube-controller-manager');
    assert.deepEqual(read(pki.admin.certificate).usages, ['clientAuth']);
  }));

test("the serving certificate covers the standard names, the service's address and --tls-san", () =>
  inDirectory(async (_, options) => {
    const { names, usages } = read((await ensurePki(options)).apiServer.certificate);
    for (const dns of ['kubernetes', 'kubernetes.default.svc.cluster.local', 'localhost', 'example.org']) {
      assert.ok(names.dns.includes(dns), dns);
    }
    assert.deepEqual(names.ips, ['127.0.0.1', '::1', '10.43.0.1', '192.0.2.7']);
    assert.deepEqual(usages, ['serverAuth']);
  }));

test('a new name gives a new serving certificate under the same authority and key', () =>
  inDirectory(async (directory, options) => {
    await ensurePki(options);
    const before = digests(directory);
    await ensurePki({ ...options, subjectAltNames: ['new.example'] });
    const after = digests(directory);
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    assert.deepEqual(changed, ['serving-kube-apiserver.crt']);
  }));

test('certificates with less than 90 days left are renewed, authorities are kept', () =>
  inDirectory(async (directory, options) => {
    await ensurePki(options);
    const before = digests(directory);
    await ensurePki({ ...options, nowMs: options.nowMs + leafLifetimeMs - 80 * 24 * 3600 * 1000 });
    const after = digests(directory);
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    assert.equal(changed.length, 6);
    assert.ok(changed.every((name) => /^(client|serving)-.*\.crt$/.test(name) && name !== 'client-ca.crt'));
  }));

test('an old authority is renewed with its key and name, and what it signed stays valid', () =>
  inDirectory(async (directory, options) => {
    const pki = await ensurePki({ ...options, nowMs: options.nowMs - 9.9 * 365 * 24 * 3600 * 1000 });
    const renewed = await ensurePki(options);
    assert.notEqual(renewed.serverAuthority.certificate, pki.serverAuthority.certificate);
    assert.deepEqual(Buffer.from(renewed.serverAuthority.subject), Buffer.from(pki.serverAuthority.subject));
    assert.equal(renewed.serverAuthority.key, pki.serverAuthority.key);
    assert.ok(read(renewed.serverAuthority.certificate).notAfter > read(pki.serverAuthority.certificate).notAfter);
    assert.ok(directory);
  }));

test('a damaged authority is an error that says what to do, and nothing is overwritten', () =>
  inDirectory(async (directory, options) => {
    await ensurePki(options);
    writeFileSync(join(directory, 'server-ca.crt'), 'garbage');
    await assert.rejects(ensurePki(options), (error) => error instanceof WherryError && error.hint !== undefined);
    assert.equal(readFileSync(join(directory, 'server-ca.crt'), 'utf8'), 'garbage');
  }));

test("Node's TLS accepts both sides, and the server sees who the client is", () =>
  inDirectory(async (directory, options) => {
    const pki = await ensurePki(options);
    const node = await ensureNodePki(pki, {
      directory: join(directory, 'agent'),
      name: 'n1',
      addresses: [],
      nowMs: options.nowMs,
    });
    let seen = '';
    const { certificate: cert, key } = pki.apiServer;
    const server = createServer({ cert, key, ca: pki.clientAuthority.certificate, requestCert: true }, (socket) => {
      seen = parseCertificate(socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0)).subject.commonName;
      socket.end('hello');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const text = await new Promise<string>((resolve, reject) => {
        const client = { cert: node.client.certificate, key: node.client.key, ca: pki.serverAuthority.certificate };
        const socket = connect({ port, host: '127.0.0.1', servername: 'kubernetes.default.svc', ...client });
        let received = '';
        socket.on('data', (chunk) => {
          received += chunk.toString();
        });
        socket.on('end', () => resolve(received));
        socket.on('error', reject);
      });
      assert.equal(text, 'hello');
      assert.equal(seen, 'system:node:n1');
    } finally {
      server.close();
    }
  }));

test('a kubeconfig names one cluster, user and context, and has the mode that was asked for', () =>
  inDirectory(async (directory, options) => {
    const pki = await ensurePki(options);
    const input = {
      server: 'https://127.0.0.1:6443',
      authority: pki.serverAuthority.certificate,
      client: pki.admin,
      name: 'default',
    };
    const parsed = parse(kubeconfig(input));
    assert.equal(parsed['current-context'], 'default');
    assert.equal(parsed.clusters[0].cluster.server, 'https://127.0.0.1:6443');
    assert.equal(Buffer.from(parsed.users[0].user['client-key-data'], 'base64').toString(), pki.admin.key);
    await writeKubeconfig(join(directory, 'kubeconfig.yaml'), input, 0o644);
    assert.equal(statSync(join(directory, 'kubeconfig.yaml')).mode & 0o777, 0o644);
  }));
