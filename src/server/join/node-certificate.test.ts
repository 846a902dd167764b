import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createClient } from '../../client/client-impl.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import { silentLog } from '../../core/log.ts';
import { decodePem } from '../../wire/pem.ts';
import { parseCertificate } from '../../wire/x509.ts';
import { type Authority, ensureAuthority, ensureKey, issue } from '../pki/certificates.ts';
import { createRequestSigner } from '../pki/request-signer.ts';
import { NodeCertificate, renewalTime } from './node-certificate.ts';

const dayMs = 86_400_000;
const subject = { commonName: 'system:node:a', organizations: ['system:nodes'] };

/** A clock of the test: time passes when somebody sleeps. */
function fastClock(startMs: number): Clock {
  let now = startMs;
  return {
    now: () => now,
    monotonic: () => now,
    after: systemClock.after,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      now += ms;
    },
  };
}

async function world(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-node-certificate-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const startMs = Date.now();
  const authority = await ensureAuthority(join(directory, 'ca'), 'client-ca', startMs);
  const clock = fastClock(startMs);
  const create = () =>
    new NodeCertificate({
      ...{ purpose: 'client', nodeName: 'a', names: { dns: [], ips: [] } },
      ...{ directory, clock, log: silentLog },
    } as const);
  return { directory, authority, clock, startMs, create };
}

/** An API server's answers to certificate requests, signed at once with a lifetime of 30 days. */
function signing(authority: Authority, clock: Clock) {
  const signer = createRequestSigner({ clientAuthority: authority, serverAuthority: authority }, clock);
  let issued = '';
  return createClient({
    async call({ method, body }) {
      const request = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest' };
      if (method === 'GET') return { ...request, metadata: { name: 'csr-1' }, status: { certificate: issued } };
      const { spec } = body as { readonly spec: { readonly request: string } };
      const pem = await signer.sign(Buffer.from(spec.request, 'base64').toString(), ['client auth'], 30 * 86_400);
      issued = Buffer.from(pem).toString('base64');
      return { ...request, metadata: { name: 'csr-1' } };
    },
    async *stream() {},
  });
}

test('it is renewed after 70 to 90 percent of its life', () => {
  const year = { notBefore: 0, notAfter: 1000 };
  assert.equal(renewalTime(year, 0), 700);
  assert.equal(Math.round(renewalTime(year, 1)), 900);
});

test("what was kept is used at the next start, unless it ended, is another node's or lost its key", async (t) => {
  const { directory, authority, startMs, create } = await world(t);
  assert.equal(await create().load(), undefined);
  const publicKey = createPublicKey(await ensureKey(join(directory, 'client-kubelet.key')));
  const keep = (pem: string) => writeFileSync(join(directory, 'client-kubelet.crt'), pem);
  const request = { subject, usages: ['clientAuth'] } as const;
  const good = issue(authority, request, publicKey, startMs, dayMs);
  keep(good);
  assert.equal((await create().load())?.certificate, good);
  keep(issue(authority, request, publicKey, startMs, -1000));
  assert.equal(await create().load(), undefined);
  keep(issue(authority, { ...request, subject: { ...subject, commonName: 'system:node:b' } }, publicKey, startMs));
  assert.equal(await create().load(), undefined);
  keep(good);
  rmSync(join(directory, 'client-kubelet.key'));
  assert.equal(await create().load(), undefined);
});

test('a certificate is renewed in time, with the same key, and the new one is kept', async (t) => {
  const { authority, clock, startMs, create } = await world(t);
  const client = signing(authority, clock);
  const certificate = create();
  const ending = new AbortController();
  const first = await certificate.request(client, ending.signal);
  await certificate.keep();
  const renewed = new Promise<string>((resolve) => {
    void certificate.keepFresh(
      client,
      (pair) => {
        ending.abort();
        resolve(pair.certificate);
      },
      ending.signal,
    );
  });
  const second = await renewed;
  assert.notEqual(second, first.certificate);
  const [block] = decodePem(second);
  assert.ok(block !== undefined);
  const { notBefore } = parseCertificate(block.der);
  // An hour before its time, for nodes whose clocks lag.
  const ageDays = (notBefore + 3_600_000 - startMs) / dayMs;
  assert.ok(ageDays > 20 && ageDays < 28, `renewed after ${ageDays} of 30 days`);
  assert.equal((await create().load())?.certificate, second);
  assert.equal((await create().load())?.key, first.key);
});
