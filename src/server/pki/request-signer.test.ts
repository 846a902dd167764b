import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../core/clock.ts';
import { TerminalError } from '../../core/errors.ts';
import { encodePem } from '../../wire/pem.ts';
import { signRequest } from '../../wire/x509.ts';
import { ensureAuthority } from './certificates.ts';
import { createRequestSigner } from './request-signer.ts';

const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const node = { commonName: 'system:node:a', organizations: ['system:nodes'] };
const now = Date.UTC(2026, 0, 1);

async function withSigner(
  run: (signer: ReturnType<typeof createRequestSigner>, cas: Record<string, string>) => Promise<void>,
) {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-signer-'));
  try {
    const clientAuthority = await ensureAuthority(directory, 'client-ca', now);
    const serverAuthority = await ensureAuthority(directory, 'server-ca', now);
    const signer = createRequestSigner({ clientAuthority, serverAuthority }, { ...systemClock, now: () => now });
    await run(signer, { client: clientAuthority.certificate, server: serverAuthority.certificate });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("a kubelet's requests are signed by the authority that its usage calls for", () =>
  withSigner(async (signer, cas) => {
    const names = { dns: ['a'], ips: ['10.0.0.1'] };
    const pem = encodePem('CERTIFICATE REQUEST', signRequest(node, names, own.publicKey, own.privateKey));
    const expected = {
      commonName: 'system:node:a',
      organizations: ['system:nodes'],
      dnsNames: ['a'],
      ipAddresses: ['10.0.0.1'],
      otherNames: [],
    };
    assert.deepEqual(signer.parse(pem), expected);
    const serving = new X509Certificate(await signer.sign(pem, ['digital signature', 'server auth'], 3600));
    assert.ok(serving.checkIssued(new X509Certificate(cas['server'] ?? '')));
    assert.ok(serving.checkIP('10.0.0.1'));
    assert.equal(Date.parse(serving.validTo), now + 3600_000);
    const client = new X509Certificate(await signer.sign(pem, ['digital signature', 'client auth'], 600));
    assert.ok(client.checkIssued(new X509Certificate(cas['client'] ?? '')));
    assert.deepEqual(client.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  }));

test('a request for a key that its sender does not hold is refused', () =>
  withSigner(async (signer) => {
    const pem = encodePem(
      'CERTIFICATE REQUEST',
      signRequest(node, { dns: [], ips: [] }, own.publicKey, other.privateKey),
    );
    assert.throws(() => signer.parse(pem), TerminalError);
    await assert.rejects(signer.sign(pem, ['client auth'], 600), TerminalError);
    assert.throws(() => signer.parse('nothing'), TerminalError);
  }));
