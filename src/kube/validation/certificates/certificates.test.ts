import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderFieldError } from '../../field-error.ts';
import type { CertificateSigningRequest, CertificateSigningRequestStatus } from '../../types.gen.ts';
import {
  validateCertificateRequest,
  validateCertificateRequestApproval,
  validateCertificateRequestStatusUpdate,
} from './certificate-signing-request.ts';

function pem(label: string): string {
  return Buffer.from(`-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`).toString('base64');
}

function request(
  status: CertificateSigningRequestStatus = {},
  label = 'CERTIFICATE REQUEST',
): CertificateSigningRequest {
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'c', uid: 'u', resourceVersion: '1' },
    spec: { request: pem(label), signerName: 'example.com/signer', usages: ['client auth'] },
    status,
  };
}

test('a request for a certificate is one in PEM', () => {
  assert.deepEqual(validateCertificateRequest(request()), []);
  const [error] = validateCertificateRequest(request({}, 'CERTIFICATE'));
  assert.match(error?.message ?? '', /PEM block type must be CERTIFICATE REQUEST$/);
});

test('approvers decide, signers sign, and neither does the work of the other', () => {
  const approved = request({ conditions: [{ type: 'Approved', status: 'True' }] });
  const signed = request({ certificate: pem('CERTIFICATE') });
  assert.deepEqual(validateCertificateRequestApproval(approved, request()), []);
  assert.deepEqual(validateCertificateRequestStatusUpdate(approved, request()).map(renderFieldError), [
    'status.conditions: Forbidden: updates may not add a condition of type "Approved"',
  ]);
  assert.deepEqual(validateCertificateRequestApproval(request(), approved).map(renderFieldError), [
    'status.conditions: Forbidden: updates may not remove a condition of type "Approved"',
  ]);
  assert.deepEqual(validateCertificateRequestStatusUpdate(signed, request()), []);
  assert.deepEqual(validateCertificateRequestApproval(signed, request()).map(renderFieldError), [
    'status.certificate: Forbidden: updates may not set certificate content',
  ]);
});
