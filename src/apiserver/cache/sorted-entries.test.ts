import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import { Entry } from './entry.ts';
import { SortedEntries } from './sorted-entries.ts';

const entry = (name: string, revision: number) => new Entry('n', name, revision, Buffer.from('{}'));

test('entries stand in the order of their names, whatever comes and goes', () => {
  const step = fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.boolean());
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 3000, size: 'max' }), (steps) => {
      const entries = new SortedEntries();
      const model = new Map<string, number>();
      for (const [revision, [number, isPut]] of steps.entries()) {
        const name = `n${number}`;
        if (isPut) {
          entries.put(entry(name, revision));
          model.set(name, revision);
        } else {
          entries.delete(name);
          model.delete(name);
        }
      }
      const expected = [...model.keys()].sort();
      assert.deepEqual(
        entries.snapshot.map(({ name }) => name),
        expected,
      );
      assert.equal(entries.size, model.size);
      for (const [name, revision] of model) assert.equal(entries.get(name)?.revision, revision);
    }),
    { numRuns: 30 },
  );
});

test('a snapshot stays as it was', () => {
  const entries = new SortedEntries();
  entries.put(entry('a', 1));
  const { snapshot } = entries;
  assert.equal(entries.snapshot, snapshot);
  entries.put(entry('b', 2));
  assert.equal(snapshot.length, 1);
  assert.equal(entries.snapshot.length, 2);
});
