import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderFieldError } from '../../field-error.ts';
import type { DeviceCapacity } from '../../types.gen.ts';
import type { Errors } from '../common.ts';
import { validateCapacity } from './capacity.ts';
import { validateDeviceClaim } from './device-claim.ts';
import { validateMap } from './lists.ts';
import { validateFullyQualifiedName, validatePoolName, validateUid } from './names.ts';

function texts(errors: Errors): readonly string[] {
  return [...errors].map(renderFieldError);
}

test('names of the world of devices', () => {
  assert.deepEqual(texts(validateFullyQualifiedName('d.example.com/model', 'f')), []);
  assert.equal(texts(validateFullyQualifiedName('model', 'f')).length, 1);
  assert.deepEqual(texts(validateFullyQualifiedName('a/b/c', 'f')), [
    'f: Invalid value: "a/b/c": must not contain more than one slash',
  ]);
  assert.deepEqual(texts(validatePoolName('a/b', 'f')), []);
  assert.deepEqual(texts(validatePoolName('', 'f')), ['f: Required value']);
  assert.deepEqual(texts(validateUid('ee3b5f5e-0a43-4d4c-93d1-6b7d3a4c5e6f', 'f')), []);
  assert.deepEqual(texts(validateUid('x', 'f')), [
    'f: Invalid value: "x": error validating uid: invalid UUID length: 1',
  ]);
});

test('parts of a claim refer to its requests and their alternatives', () => {
  const want = { deviceClassName: 'c', allocationMode: 'All' };
  const claim = (...requests: readonly string[]) => ({
    requests: [{ name: 'r', firstAvailable: [{ ...want, name: 's' }] }],
    constraints: [{ requests, matchAttribute: 'd.example.com/x' }],
  });
  assert.deepEqual(texts(validateDeviceClaim(claim('r', 'r/s'), 'd', false)), []);
  assert.deepEqual(texts(validateDeviceClaim(claim('r/t'), 'd', false)), [
    'd.constraints[0].requests[0]: Invalid value: "r/t": must be the name of a request in the claim or the name of a request and a subrequest separated by \'/\'',
  ]);
});

test('shares of a capacity come in steps within their range', () => {
  const errors = (capacity: DeviceCapacity, isShared = true) => texts(validateCapacity(capacity, 'c', isShared));
  const range = { min: '2', max: '8', step: '2' };
  assert.deepEqual(errors({ value: '10', requestPolicy: { default: '4', validRange: range } }), []);
  assert.deepEqual(errors({ value: '10', requestPolicy: { default: '3', validRange: range } }), [
    'c.requestPolicy.validRange.step: Invalid value: "3": value is not a multiple of a given step (2) from (2)',
  ]);
  assert.deepEqual(errors({ value: '10', requestPolicy: { validValues: ['1', '2'] } }), [
    'c.requestPolicy.default: Required value: required when validValues is defined',
  ]);
  assert.deepEqual(errors({ value: '10', requestPolicy: {} }, false), [
    'c.requestPolicy: Forbidden: allowMultipleAllocations must be true',
  ]);
});

test('long keys are shortened in the middle of a path', () => {
  const fine = function* (): Errors {};
  const check = function* (_: number, field: string) {
    yield { type: 'FieldValueForbidden', field, message: '' } as const;
  };
  const [error] = validateMap({ abcdefghijklmnopqrstuvwxyz: 1 }, 5, 16, fine, check, 'm');
  assert.equal(error?.field, 'm[abcdefg...uvwxyz]');
});
