import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { rotateLog } from './log-rotation.ts';

test('a log is moved aside, older ones are compressed, and five files stay', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-logs-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, '0.log');
  const reopened: string[] = [];
  // The runtime answers a reopening with a new, empty file.
  const runtime = {
    async reopenContainerLog({ containerId = '' }) {
      reopened.push(containerId);
      await writeFile(path, '');
      return {};
    },
  };
  for (let turn = 0; turn < 7; turn += 1) {
    await writeFile(path, `turn ${turn}\n`);
    await rotateLog(runtime, 'c1', path, Date.UTC(2026, 0, 1, 0, 0, turn));
  }
  assert.equal(reopened.length, 7);
  const names = (await readdir(folder)).sort();
  assert.deepEqual(names, [
    '0.log',
    '0.log.20260101-000003.gz',
    '0.log.20260101-000004.gz',
    '0.log.20260101-000005.gz',
    '0.log.20260101-000006',
  ]);
  assert.equal(gunzipSync(await readFile(join(folder, '0.log.20260101-000005.gz'))).toString(), 'turn 5\n');
});

test('a log that the runtime does not reopen keeps its name', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-logs-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, '0.log');
  await writeFile(path, 'line\n');
  const runtime = { reopenContainerLog: () => Promise.reject(new Error('the container is gone')) };
  await assert.rejects(rotateLog(runtime, 'c1', path, 0), /gone/);
  assert.deepEqual(await readdir(folder), ['0.log']);
});
