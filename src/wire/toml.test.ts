import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeToml } from './toml.ts';

test('values come before tables, names that need it are quoted, empty tables keep their heading', () => {
  const text = writeToml({ a: { 'b.c': { list: ['x', 1, [true]] }, empty: {} }, top: 'quo"te\n\x7f' });
  assert.equal(text, 'top = "quo\\"te\\n\\u007f"\n\n[a."b.c"]\nlist = ["x", 1, [true]]\n\n[a.empty]\n');
});
