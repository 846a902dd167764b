import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { goArchitecture, pauseImageArchive } from './pause-image.ts';
import { pauseProgram } from './pause-program.ts';

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test('the program is an ELF executable of a few hundred bytes for both architectures', () => {
  for (const architecture of ['amd64', 'arm64'] as const) {
    const program = pauseProgram(architecture);
    assert.deepEqual([...program.subarray(0, 4)], [0x7f, 0x45, 0x4c, 0x46]);
    assert(program.length < 400);
    assert.equal(new DataView(program.buffer).getUint16(18, true), architecture === 'amd64' ? 62 : 183);
  }
});

test('the image is the same bytes each time', () => {
  assert.equal(digest(pauseImageArchive('arm64')), digest(pauseImageArchive('arm64')));
  assert.notEqual(digest(pauseImageArchive('arm64')), digest(pauseImageArchive('amd64')));
});

test('the program waits until SIGTERM or SIGINT and then ends with status 0', {
  skip: process.arch !== 'x64',
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-pause-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'pause');
  writeFileSync(path, pauseProgram(goArchitecture(process.arch)), { mode: 0o755 });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const child = spawn(path, { stdio: 'ignore' });
    t.after(() => child.kill('SIGKILL'));
    await once(child, 'spawn');
    await until(() => isWaiting(child.pid));
    child.kill('SIGCHLD');
    child.kill(signal);
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  }
});

/** It sits in rt_sigtimedwait (128 or 137), so its signals were blocked before. */
function isWaiting(pid: number | undefined): boolean {
  return /^(128|137) /.test(readFileSync(`/proc/${pid}/syscall`, 'utf8'));
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    assert(Date.now() < deadline, 'the condition did not come about in 5 s');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
