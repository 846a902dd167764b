import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { fc } from '../../../tools/property.ts';
import { toYaml } from './yaml.ts';

describe('YAML answers', () => {
  it('look as kubectl users know them', () => {
    const value = {
      kind: 'X',
      items: [{ b: 1, a: ['x', []] }, 'text'],
      data: { on: 'true', n: '5', e: '', q: "it's: so", m: 'a\nb\n' },
    };
    assert.equal(
      toYaml(value),
      `data:
  e: ""
  m: |
    a
    b
  "n": "5"
  "on": "true"
  q: 'it''s: so'
items:
- a:
  - x
  - []
  b: 1
- text
kind: X
`,
    );
  });

  it('read back as what was written', () => {
    // The reader here takes a dot or an exponent without digits before it for a number; Go's readers and upstream do not.
    const isMisread = /^[-+]?(?:\.[_.]*|[eE][-+]?[0-9]+)$/;
    const text = fc
      .oneof(
        fc.string(),
        fc.constantFrom('yes', 'null', '~', '1e3', '0x1F', '- a', 'a: b', ' x', 'a #b', '12:30', '\n', 'a\n\n'),
      )
      .filter((value) => !isMisread.test(value));
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        text,
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(
          text.filter((key) => key !== '__proto__'),
          tie('value'),
          { maxKeys: 4 },
        ),
      ),
    })).value;
    fc.assert(
      fc.property(json, (value) => {
        const back: unknown = parse(toYaml({ value }), { version: '1.1', schema: 'yaml-1.1', merge: false });
        assert.deepEqual(structuredClone(back), structuredClone({ value }));
      }),
      { numRuns: 300 },
    );
  });
});
