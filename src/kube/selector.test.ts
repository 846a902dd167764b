import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseFieldQuery, parseLabelQuery, SelectorError } from './selector.ts';

const labels = { app: 'web', tier: 'a', empty: '', n: '5' };

describe('a label selector', () => {
  it('selects', () => {
    const table: readonly (readonly [string, boolean])[] = [
      ['', true],
      ['app=web', true],
      ['app==web,tier!=b', true],
      ['app', true],
      ['!app', false],
      ['!gone', true],
      ['tier in (a,b)', true],
      ['tier notin (a)', false],
      ['gone notin (a)', true],
      ['empty=', true],
      ['n>4,n<6', true],
      ['n>5', false],
      ['app in (,web)', true],
      ['toString', false],
    ];
    for (const [text, expected] of table) assert.equal(parseLabelQuery(text).matches(labels), expected, text);
  });

  it('says in Kubernetes words why it cannot be read', () => {
    const table: readonly (readonly [string, RegExp])[] = [
      ['a b', /^unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt$/],
      ['a,', /^found '', expected: identifier after ','$/],
      ['=a', /^found '=', expected: !, identifier, or 'end of string'$/],
      ['a in b', /^unable to parse requirement: found 'b' expected: '\('$/],
      ['a>x', /the value must be an integer$/],
    ];
    for (const [text, message] of table) {
      assert.throws(
        () => parseLabelQuery(text),
        (thrown) => thrown instanceof SelectorError && message.test(thrown.message),
        text,
      );
    }
  });
});

describe('a field selector', () => {
  it('is a list of terms, in which a backslash takes special meanings away', () => {
    assert.deepEqual(parseFieldQuery('metadata.name=a\\,b,status.phase!=Running,'), [
      { field: 'metadata.name', value: 'a,b', negated: false },
      { field: 'status.phase', value: 'Running', negated: true },
    ]);
    assert.throws(() => parseFieldQuery('metadata.name'), /invalid selector: 'metadata.name'; can't understand/);
  });
});
