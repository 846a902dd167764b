import assert from 'node:assert/strict';
import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../../engines/process/run.ts';
import { diskUsage } from './disk-usage.ts';

const { signal } = new AbortController();

test('a folder takes what du says: blocks, and a file with two names once', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-usage-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'a/b'), { recursive: true });
  await writeFile(join(folder, 'a/b/large'), Buffer.alloc(3 << 20, 1));
  await writeFile(join(folder, 'small'), 'x');
  await link(join(folder, 'small'), join(folder, 'a/again'));
  await symlink('/', join(folder, 'a/elsewhere'));
  const { stdout } = await run('du', ['--block-size=1', '-s', folder]);
  assert.equal(await diskUsage(folder, signal), Number.parseInt(stdout, 10));
});

test('a folder that is not there takes nothing', async () => {
  assert.equal(await diskUsage('/nonexistent/folder', signal), 0);
});
