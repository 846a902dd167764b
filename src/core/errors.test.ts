import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeError } from './errors.ts';

test('an error is described with its causes, each thing said once', () => {
  const chain = (...messages: readonly string[]) =>
    messages.reduceRight<Error | undefined>((cause, message) => new Error(message, { cause }), undefined);
  assert.equal(describeError(chain('can not start', 'no such file')), 'can not start: no such file');
  assert.equal(describeError(chain('no such file', '2 UNKNOWN: no such file')), 'no such file');
  assert.equal(describeError(chain('can not start: no such file', 'no such file')), 'can not start: no such file');
  assert.equal(describeError(chain('can not start', 'no such file', 'can not start')), 'can not start: no such file');
  assert.equal(describeError(chain('', 'no such file')), 'no such file');
  assert.equal(describeError('thrown as text'), 'thrown as text');
});
