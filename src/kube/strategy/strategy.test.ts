import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../draft.ts';
import type { CertificateSigningRequest, Secret, Volume } from '../types.gen.ts';
import { csrApproval, csrStatus } from './certificate.ts';
import { isSemanticallyEqual } from './equal.ts';
import { secretWarnings } from './small-warnings.ts';
import { volumeWarnings } from './volume-warnings.ts';
import { withoutNulls } from './without-nulls.ts';

test('absent, null and empty are the same; the order of members does not matter', () => {
  assert.ok(isSemanticallyEqual({ a: 1, b: null, c: [] }, { a: 1 }));
  assert.ok(isSemanticallyEqual({ a: { x: 1, y: 2 } }, { a: { y: 2, x: 1 } }));
  assert.ok(!isSemanticallyEqual({ a: [1, 2] }, { a: [2, 1] }));
  assert.ok(!isSemanticallyEqual({ a: '' }, {}));
});

test('nulls are left out without touching the original, and nothing is copied when there are none', () => {
  const inner = { x: 1 };
  const object = { a: null, b: [{ c: null, d: 1 }], inner };
  const stripped: object = withoutNulls(object);
  assert.deepEqual(stripped, { b: [{ d: 1 }], inner });
  assert.equal(Reflect.get(stripped, 'inner'), inner);
  assert.equal(object.a, null);
  assert.equal(withoutNulls(inner), inner);
});

test('files of a volume that lie in each other are named', () => {
  const item = (path: string) => ({ key: 'k', path });
  const volumes: readonly Volume[] = [
    { name: 'a', configMap: { name: 'c', items: [item('x'), item('x/y'), item('xy')] } },
    {
      name: 'b',
      projected: {
        sources: [{ secret: { name: 's', items: [item('t')] } }, { serviceAccountToken: { path: 't' } }, {}],
      },
    },
  ];
  assert.deepEqual(volumeWarnings(volumes, 'spec.volumes'), [
    'volume "a" (ConfigMap "c"): overlapping paths: "x/y" with "x"',
    'volume "b" (Projected) has no sources provided',
    'volume "b" (Projected): overlapping paths: "t" (ServiceAccountToken) with "t" (Secret "s")',
  ]);
});

const stored: CertificateSigningRequest = {
  apiVersion: 'certificates.k8s.io/v1',
  kind: 'CertificateSigningRequest',
  metadata: { name: 'c' },
  spec: { request: 'cg==', signerName: 'a.b/c' },
  status: { certificate: 'Yw==', conditions: [{ type: 'Approved', status: 'True', reason: 'R' }] },
};

test('a signer can not rewrite an approval, an approver can not change the certificate', () => {
  const signed: Draft<CertificateSigningRequest> = structuredClone(stored) as Draft<CertificateSigningRequest>;
  signed.status = { certificate: 'bmV3', conditions: [{ type: 'Approved', status: 'True', reason: 'Other' }] };
  csrStatus.prepareForUpdate(signed, stored);
  assert.equal(signed.status.certificate, 'bmV3');
  assert.equal(signed.status.conditions?.[0]?.reason, 'R');

  const approved: Draft<CertificateSigningRequest> = structuredClone(stored) as Draft<CertificateSigningRequest>;
  approved.status = { certificate: 'bmV3', conditions: [{ type: 'Denied', status: 'True' }] };
  csrApproval.prepareForUpdate(approved, stored);
  assert.equal(approved.status.certificate, 'Yw==');
  assert.match(approved.status.conditions?.[0]?.lastTransitionTime ?? '', /^\d{4}-.*Z$/);
});

test('a TLS secret that holds no certificate draws a warning', () => {
  const secret = (type: string): Secret => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's' },
    type,
    data: { 'tls.crt': '', 'tls.key': '' },
  });
  assert.deepEqual(secretWarnings(secret('kubernetes.io/tls')), [
    'tls: failed to find any PEM data in certificate input',
  ]);
  assert.deepEqual(secretWarnings(secret('Opaque')), []);
});
