import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meetsRequirement } from './requirement.ts';

test('a value meets what is required of it, and an absent one what is met by absence', () => {
  const cases: readonly (readonly [operator: string, value: string | undefined, values: string[], meets: boolean])[] = [
    ['In', 'a', ['a', 'b'], true],
    ['In', undefined, ['a'], false],
    ['NotIn', 'a', ['a'], false],
    ['NotIn', undefined, ['a'], true],
    ['Exists', '', [], true],
    ['Exists', undefined, [], false],
    ['DoesNotExist', undefined, [], true],
    ['Gt', '10', ['9'], true],
    ['Gt', '9', ['9'], false],
    ['Lt', '-3', ['+2'], true],
    ['Gt', '9007199254740993', ['9007199254740992'], true],
    ['near', 'a', ['a'], false],
  ];
  for (const [operator, value, values, meets] of cases)
    assert.equal(meetsRequirement(operator, value, values), meets, `${value} ${operator} ${values}`);
});

test('what is no integer of 64 bits is neither greater nor less', () => {
  for (const value of [undefined, '', 'x', '1.5', ' 1', '9223372036854775808']) {
    assert.equal(meetsRequirement('Gt', value, ['0']), false, String(value));
    assert.equal(meetsRequirement('Lt', value, ['0']), false, String(value));
  }
});
