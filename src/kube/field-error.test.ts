import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notFound,
  notSupported,
  omitted,
  renderFieldError,
  renderFieldErrors,
  required,
  tooLong,
  tooMany,
  wholeObject,
} from './field-error.ts';

const cases: readonly (readonly [FieldError, string])[] = [
  [required('spec.x'), 'spec.x: Required value'],
  [required('spec.x', 'when y is set'), 'spec.x: Required value: when y is set'],
  [invalid('a', 'b"c', 'no'), 'a: Invalid value: "b\\"c": no'],
  [invalid('a', -1, 'no'), 'a: Invalid value: -1: no'],
  [invalid('a', null, 'no'), 'a: Invalid value: null: no'],
  [invalid('a', omitted, 'no'), 'a: Invalid value: no'],
  [invalid('a', [], 'no'), 'a: Invalid value: []: no'],
  [invalid('a', { Key: 'v', N: null }, 'no'), 'a: Invalid value: {"Key":"v","N":null}: no'],
  [duplicate('a[1]', 'x'), 'a[1]: Duplicate value: "x"'],
  [notFound('a', 'x'), 'a: Not found: "x"'],
  [forbidden('a', 'not here'), 'a: Forbidden: not here'],
  [notSupported('a', 'x', ['A', 'B']), 'a: Unsupported value: "x": supported values: "A", "B"'],
  [notSupported('a', true, ['nil', 'false']), 'a: Unsupported value: true: supported values: "nil", "false"'],
  [tooLong('a', 63), 'a: Too long: may not be more than 63 bytes'],
  [tooMany('a', 3, 1), 'a: Too many: 3: must have at most 1 item'],
  [tooMany('a', 21, 20), 'a: Too many: 21: must have at most 20 items'],
  [tooLong(wholeObject, 1048576), '[]: Too long: may not be more than 1048576 bytes'],
];

test('field errors read as in Go', () => {
  for (const [error, text] of cases) assert.equal(renderFieldError(error), text);
});

test('several errors stand in brackets, each once', () => {
  const error = required('a');
  assert.equal(renderFieldErrors([error]), 'a: Required value');
  assert.equal(renderFieldErrors([error, error]), 'a: Required value');
  assert.equal(renderFieldErrors([error, required('b')]), '[a: Required value, b: Required value]');
});
