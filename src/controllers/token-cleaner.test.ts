import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Secret } from '../kube/types.gen.ts';
import { tokenTimeLeftMs } from './token-cleaner.ts';

const hourMs = 3_600_000;
const now = Date.parse('2026-01-01T12:00:00Z');
const token = (expiration: string | undefined, more: Partial<Secret> = {}): Secret => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
  type: 'bootstrap.kubernetes.io/token',
  data: expiration === undefined ? {} : { expiration: Buffer.from(expiration).toString('base64') },
  ...more,
});

test('an expired token goes an hour later, one without an end never', () => {
  assert.equal(tokenTimeLeftMs(token('2026-01-01T12:00:00Z'), now), hourMs);
  assert.equal(tokenTimeLeftMs(token('2026-01-01T10:00:00Z'), now), -hourMs);
  assert.equal(tokenTimeLeftMs(token('2026-01-01T15:00:00+02:00'), now), 2 * hourMs);
  assert.equal(tokenTimeLeftMs(token(undefined), now), undefined);
});

test('a time that nobody can read has passed', () => {
  assert.equal(tokenTimeLeftMs(token('tomorrow'), now), 0);
});

test('other Secrets are left alone, whatever they hold', () => {
  assert.equal(tokenTimeLeftMs(token('2020-01-01T00:00:00Z', { type: 'Opaque' }), now), undefined);
  const elsewhere = { metadata: { name: 'bootstrap-token-abcdef', namespace: 'default' } };
  assert.equal(tokenTimeLeftMs(token('2020-01-01T00:00:00Z', elsewhere), now), undefined);
});
