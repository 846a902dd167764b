import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../tools/property.ts';
import { RangeIndex } from './range-index.ts';

test('the range index finds what looking at every range finds', () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 3 });
  const change = fc.record({ start: key, end: key, remove: fc.boolean(), which: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), fc.array(key), (changes, keys) => {
      const index = new RangeIndex<number>();
      const kept: { readonly range: { readonly start: string; readonly end: string }; readonly member: number }[] = [];
      for (const [member, { start, end, remove, which }] of changes.entries()) {
        const victim = kept[which];
        if (remove && victim !== undefined) {
          index.delete(victim.range, victim.member);
          kept.splice(which, 1);
        } else {
          index.add({ start, end }, member);
          kept.push({ range: { start, end }, member });
        }
      }
      for (const one of keys) {
        const found: number[] = [];
        index.forEachAt(one, (member) => found.push(member));
        const expected = kept.filter(({ range }) => range.start <= one && one < range.end).map(({ member }) => member);
        assert.deepEqual(
          found.sort((a, b) => a - b),
          expected.sort((a, b) => a - b),
        );
      }
    }),
  );
});
