import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandError, run } from './run.ts';

const failsWith = (code: string) => (error: unknown) => error instanceof CommandError && error.code === code;

test('what a program prints comes back, and its input reaches it', async () => {
  assert.deepEqual(await run('cat', [], { input: 'hello' }), { stdout: 'hello', stderr: '' });
});

test('a status other than 0 is an error that carries what the program said', async () => {
  await assert.rejects(run('sh', ['-c', 'echo out; echo why >&2; exit 3']), (error) => {
    assert(error instanceof CommandError);
    assert.equal(error.code, 'COMMAND_FAILED');
    assert.equal(error.exitCode, 3);
    assert.equal(error.stdout, 'out\n');
    assert.match(error.message, /exit status 3: why$/);
    return true;
  });
});

test('a program that is not there is named, with a hint', async () => {
  await assert.rejects(run('no-such-program-here', []), failsWith('COMMAND_NOT_FOUND'));
});

test('a program that takes too long is killed', async () => {
  await assert.rejects(run('sleep', ['60'], { timeoutMs: 20 }), failsWith('COMMAND_TIMEOUT'));
});

test('an abort kills the program', async () => {
  const aborter = new AbortController();
  const running = run('sleep', ['60'], { signal: aborter.signal });
  aborter.abort(new Error('no longer wanted'));
  await assert.rejects(running, failsWith('COMMAND_ABORTED'));
  await assert.rejects(run('true', [], { signal: aborter.signal }), failsWith('COMMAND_ABORTED'));
});

test('a program that prints more than allowed is an error', async () => {
  await assert.rejects(run('yes', [], { outputBytesMax: 1000 }), failsWith('COMMAND_OUTPUT_TOO_LARGE'));
});

test('a program that ends without reading its input is judged by its status alone', async () => {
  await run('true', [], { input: 'x'.repeat(1 << 20) });
});
