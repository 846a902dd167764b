import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../../core/json.ts';
import { findByPath, parseJsonPath } from './json-path.ts';

const value: Json = {
  spec: {
    a: 'x',
    'b.c': 1,
    list: [
      { name: 'p', on: true, n: 1 },
      { name: 'q', on: false, n: 2 },
      { name: 'r', n: 3 },
    ],
    nested: [[1, 2], [3]],
  },
};

function found(path: string): readonly Json[] | undefined {
  const parsed = parseJsonPath(path);
  return parsed === undefined ? undefined : findByPath(parsed, value);
}

test('a path finds members, items, slices and what a filter lets through', () => {
  const cases: readonly (readonly [string, readonly Json[]])[] = [
    ['.spec.a', ['x']],
    ['.spec.none', []],
    ["['spec']['b.c']", [1]],
    ['.spec.b\\.c', [1]],
    ['.spec.list[0].name', ['p']],
    ['.spec.list[-1].name', ['r']],
    ['.spec.list[*].name', ['p', 'q', 'r']],
    ['.spec.list[0:2].n', [1, 2]],
    ['.spec.list[0,2].name', ['p', 'r']],
    ['.spec.list[?(@.on==true)].name', ['p']],
    ['.spec.list[?(@.name=="q")].n', [2]],
    ["$.spec.list[?(@.name!='q')].n", [1, 3]],
    ['.spec.list[?(@.n>=2)].name', ['q', 'r']],
    ['.spec.list[?(@.on)].name', ['p', 'q']],
    ['..name', ['p', 'q', 'r']],
    ['.spec.nested', [[[1, 2], [3]]]],
    ['.spec.nested[0]', [[1, 2]]],
  ];
  for (const [path, expected] of cases) assert.deepEqual(found(path), expected, path);
});

test('what is no path is not taken for one', () => {
  for (const path of ['x', '.spec[', '.a[?(@.b==)]', '.a b', '.a[1:2:0]']) assert.equal(found(path), undefined, path);
});
