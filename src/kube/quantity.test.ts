import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../tools/property.ts';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  quantityMilliValue,
  quantityValue,
  subtractQuantities,
} from './quantity.ts';

test('quantities are written with the largest suffix that keeps them exact', () => {
  const cases: readonly (readonly [string | number, string])[] = [
    ['0', '0'],
    ['0.0', '0'],
    ['1000m', '1'],
    ['1500m', '1500m'],
    ['0.5', '500m'],
    ['.5', '500m'],
    ['5.', '5'],
    [1, '1'],
    [0.1, '100m'],
    ['1000', '1k'],
    ['1024', '1024'],
    ['1024Ki', '1Mi'],
    ['1.5Gi', '1536Mi'],
    ['0.5Ki', '512'],
    ['100k', '100k'],
    ['1e3', '1e3'],
    ['15e2', '1500'],
    ['1E6', '1e6'],
    ['1E', '1E'],
    ['-1', '-1'],
    ['+1', '1'],
    ['-1.5Ki', '-1536'],
    ['1n', '1n'],
    ['0.1n', '1n'],
    ['1e-12', '1e-9'],
    ['010', '10'],
    ['1Ei', '1Ei'],
    ['1e99999999', '9223372036854775807'],
  ];
  for (const [text, expected] of cases) assert.equal(canonicalQuantity(text), expected, String(text));
});

test('malformed quantities are refused in the words of Kubernetes', () => {
  for (const text of ['', 'x', '1 ', '1.2.3', '1Kix', '1,5']) {
    assert.throws(() => parseQuantity(text), /quantities must match the regular expression/);
  }
  for (const text of ['--1', '1Kii', '1K', '1e', '1mm'])
    assert.throws(() => parseQuantity(text), /unable to parse quantity's suffix/);
});

test('the canonical text means the same and is its own canonical text', () => {
  const suffixes = ['', 'n', 'u', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'e3', 'e-3', 'E5'];
  const quantity = fc
    .tuple(fc.integer({ min: -1e9, max: 1e9 }), fc.nat(999), fc.constantFrom(...suffixes))
    .map(([whole, fraction, suffix]) => `${whole}.${String(fraction).padStart(3, '0')}${suffix}`);
  fc.assert(
    fc.property(quantity, (text) => {
      const parsed = parseQuantity(text);
      const canonical = formatQuantity(parsed);
      assert.equal(compareQuantities(parseQuantity(canonical), parsed), 0);
      assert.equal(canonicalQuantity(canonical), canonical);
    }),
  );
});

test('sums are exact', () => {
  const sum = addQuantities(parseQuantity('0.1'), parseQuantity('0.2'));
  assert.equal(formatQuantity(sum), '300m');
  assert.equal(formatQuantity(subtractQuantities(parseQuantity('1Gi'), parseQuantity('1Mi'))), '1023Mi');
  assert.equal(formatQuantity(addQuantities(parseQuantity('0'), parseQuantity('1Ki'))), '1Ki');
});

test('values round away from zero', () => {
  assert.equal(quantityValue(parseQuantity('1001m')), 2);
  assert.equal(quantityValue(parseQuantity('-1001m')), -2);
  assert.equal(quantityMilliValue(parseQuantity('1.5')), 1500);
});
