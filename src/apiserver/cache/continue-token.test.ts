import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeContinue, encodeContinue } from './continue-token.ts';

describe('a continue token', () => {
  it('comes back as it went', () => {
    const token = { revision: 17, start: 'a/b\0' };
    assert.deepEqual(decodeContinue(encodeContinue(token)), token);
  });

  it('is refused when somebody else made it', () => {
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const v = 'meta.k8s.io/v1';
    for (const [text, message] of [
      ['\0', /illegal base64 data at input byte 0/],
      ['Z2FyYmFnZQ', /invalid character 'g' looking for beginning of value/],
      [encode({ v: 'x', rv: 1, start: 'a' }), /does not recognize this encoded version x/],
      [encode({ v, rv: 0, start: 'a' }), /incorrect encoded start resourceVersion/],
      [encode({ v, rv: 1, start: '' }), /encoded start key empty/],
      [encode({ v, rv: 1, start: '../x' }), /continue key is not valid: \.\.\/x/],
    ] as const) {
      assert.throws(() => decodeContinue(text), message);
    }
  });
});
