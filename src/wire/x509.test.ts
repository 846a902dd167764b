import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fc } from '../../tools/property.ts';
import { DerError } from './der.ts';
import { decodePem, encodePem } from './pem.ts';
import {
  addressBytes,
  encodeName,
  isSignedBy,
  parseCertificate,
  parseRequest,
  signCertificate,
  signRequest,
} from './x509.ts';

const now = Date.UTC(2026, 0, 1);
const year = 365 * 24 * 3600 * 1000;
const ca = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const caName = { commonName: 'ca', organizations: [] };
const issuer = { subject: encodeName(caName), ...ca };
const caDer = signCertificate(
  { subject: caName, publicKey: ca.publicKey, notBefore: now, notAfter: now + 30 * year, ca: true },
  issuer,
);
const leafDer = signCertificate(
  {
    subject: { commonName: 'system:node:a', organizations: ['system:nodes', 'other'] },
    publicKey: leaf.publicKey,
    notBefore: now,
    notAfter: now + 20 * year,
    usages: ['serverAuth', 'clientAuth'],
    names: { dns: ['localhost', 'a.example'], ips: ['127.0.0.1', '::1', 'fd00::1:2'] },
  },
  issuer,
);

test('a certificate is read back as it was asked for', () => {
  const parsed = parseCertificate(leafDer);
  assert.equal(parsed.subject.commonName, 'system:node:a');
  assert.deepEqual([...parsed.subject.organizations].sort(), ['other', 'system:nodes']);
  assert.deepEqual(parsed.usages, ['serverAuth', 'clientAuth']);
  assert.deepEqual(parsed.names, { dns: ['localhost', 'a.example'], ips: ['127.0.0.1', '::1', 'fd00::1:2'] });
  assert.equal(parsed.notAfter, now + 20 * year);
  assert.equal(parsed.ca, false);
  assert.equal(parseCertificate(caDer).ca, true);
  assert.ok(isSignedBy(leafDer, ca.publicKey));
  assert.ok(!isSignedBy(leafDer, leaf.publicKey));
});

test("Node's own parser agrees", () => {
  const node = new X509Certificate(leafDer);
  assert.ok(node.verify(ca.publicKey));
  assert.ok(node.checkIssued(new X509Certificate(caDer)));
  assert.ok(node.checkHost('a.example'));
  assert.ok(node.checkIP('fd00::1:2'));
  assert.equal(node.ca, false);
});

test('openssl verifies what we sign, for both purposes', () => {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-x509-'));
  try {
    writeFileSync(join(directory, 'ca.pem'), encodePem('CERTIFICATE', caDer));
    writeFileSync(join(directory, 'leaf.pem'), encodePem('CERTIFICATE', leafDer));
    for (const purpose of ['sslserver', 'sslclient']) {
      const at = String(now / 1000 + 60);
      const args = ['verify', '-x509_strict', '-attime', at, '-purpose', purpose, '-CAfile', 'ca.pem', 'leaf.pem'];
      assert.match(execFileSync('openssl', args, { cwd: directory, encoding: 'utf8' }), /leaf\.pem: OK/);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a request of ours and one of openssl are read', () => {
  const ours = signRequest(
    { commonName: 'u', organizations: ['g'] },
    { dns: ['h'], ips: ['10.0.0.1'] },
    leaf.publicKey,
    leaf.privateKey,
  );
  const parsed = parseRequest(ours);
  assert.deepEqual(parsed.subject, { commonName: 'u', organizations: ['g'] });
  assert.deepEqual(parsed.names, { dns: ['h'], ips: ['10.0.0.1'] });
  assert.ok(isSignedBy(ours, createPublicKey({ key: parsed.publicKey, format: 'der', type: 'spki' })));
  const args = ['req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', '/dev/null', '-subj', '/O=a/O=b/CN=c/L=x'];
  const [block] = decodePem(execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  assert.equal(block?.label, 'CERTIFICATE REQUEST');
  const theirs = parseRequest(block.der);
  assert.deepEqual(theirs.subject, { commonName: 'c', organizations: ['a', 'b'] });
  assert.equal(theirs.onlyCommonNameAndOrganizations, false);
  assert.ok(isSignedBy(block.der, createPublicKey({ key: theirs.publicKey, format: 'der', type: 'spki' })));
});

test('a certificate with any byte changed is refused with a typed error, or read', () => {
  fc.assert(
    fc.property(fc.nat(leafDer.length - 1), fc.nat(255), (at, value) => {
      const damaged = Buffer.from(leafDer);
      damaged[at] = value;
      try {
        parseCertificate(damaged);
      } catch (error) {
        assert.ok(error instanceof DerError, String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

test('addresses are encoded in 4 or 16 bytes', () => {
  assert.equal(addressBytes('1.2.3.4').toString('hex'), '01020304');
  assert.equal(addressBytes('::').toString('hex'), '0'.repeat(32));
  assert.equal(addressBytes('fe80::1').toString('hex'), `fe80${'0'.repeat(27)}1`);
  assert.equal(addressBytes('::ffff:1.2.3.4').toString('hex'), '00000000000000000000ffff01020304');
  assert.throws(() => addressBytes('nonsense'), DerError);
});
