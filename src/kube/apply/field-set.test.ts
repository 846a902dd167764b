import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import { parseFieldSet } from './conform.ts';
import {
  difference,
  emptySet,
  equalSets,
  type FieldSet,
  hasPath,
  intersection,
  leaves,
  recursiveDifference,
  setOf,
  showPaths,
  union,
} from './field-set.ts';

const element = fc.constantFrom('f:a', 'f:b', 'k:{"name":"x"}', 'k:{"name":"y"}', 'v:"a"', 'v:1', 'i:0', 'f:__proto__');
const path = fc.array(element, { minLength: 1, maxLength: 4 });
const paths = fc.array(path, { maxLength: 8 });
const setOfAll = (all: readonly (readonly string[])[]) =>
  all.reduce<FieldSet>((set, each) => union(set, setOf(...each)), emptySet);
const text = (p: readonly string[]) => JSON.stringify(p);

test('sets of paths obey the laws of sets', () => {
  fc.assert(
    fc.property(paths, paths, path, (left, right, probe) => {
      const a = setOfAll(left);
      const b = setOfAll(right);
      const inA = left.some((p) => text(p) === text(probe));
      const inB = right.some((p) => text(p) === text(probe));
      assert.equal(hasPath(a, probe), inA);
      assert.equal(hasPath(union(a, b), probe), inA || inB);
      assert.equal(hasPath(intersection(a, b), probe), inA && inB);
      assert.equal(hasPath(difference(a, b), probe), inA && !inB);
      const below = right.some((p) => text(p) === text(probe.slice(0, p.length)));
      assert.equal(hasPath(recursiveDifference(a, b), probe), inA && !below);
      assert.ok(equalSets(union(a, b), union(b, a)));
      assert.ok(equalSets(union(difference(a, b), intersection(a, b)), a));
      assert.ok(equalSets(difference(a, a), emptySet));
    }),
  );
});

test('what does not change a set returns the set itself', () => {
  fc.assert(
    fc.property(paths, (all) => {
      const set = setOfAll(all);
      assert.equal(union(set, set), set);
      assert.equal(union(set, setOfAll(all)), set);
      assert.equal(parseFieldSet(set), set);
    }),
  );
});

test('a set survives its way over the wire, in whatever order', () => {
  const shuffle = (node: FieldSet): FieldSet =>
    Object.fromEntries(
      Object.entries(node)
        .reverse()
        .map(([key, child]) => [key, shuffle(child)]),
    );
  fc.assert(
    fc.property(paths, (all) => {
      const set = setOfAll(all);
      const back = parseFieldSet(JSON.parse(JSON.stringify(shuffle(set))));
      assert.equal(JSON.stringify(back), JSON.stringify(set));
    }),
  );
});

test('keys are brought into canonical form, and what is no path element is refused', () => {
  assert.deepEqual(parseFieldSet({ '.': {}, 'k:{"b": 1, "a": "x"}': { '.': {} } }), { 'k:{"a":"x","b":1}': {} });
  assert.equal(parseFieldSet({ x: {} }), null);
  assert.equal(parseFieldSet({ 'k:nope': {} }), null);
  assert.equal(parseFieldSet({ 'f:a': 1 }), null);
  assert.equal(parseFieldSet([]), null);
  fc.assert(fc.property(fc.jsonValue(), (value) => void parseFieldSet(value)));
});

test('paths are shown as messages have them, and leaves are what has nothing below', () => {
  const set = setOfAll([['f:spec'], ['f:spec', 'f:list', 'k:{"name":"a","port":80}', 'f:x'], ['f:spec', 'v:"q"']]);
  assert.deepEqual(showPaths(set), ['.spec', '.spec[="q"]', '.spec.list[name="a",port=80].x']);
  assert.deepEqual(showPaths(leaves(set)), ['.spec[="q"]', '.spec.list[name="a",port=80].x']);
});
