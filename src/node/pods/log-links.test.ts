import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createLogLinks } from './log-links.ts';

async function folders(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'wherry-links-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const logFolder = join(root, 'pods');
  await mkdir(logFolder);
  return { folder: join(root, 'containers'), logFolder };
}

const of = (logPath: string, podName = 'web') => ({
  podName,
  namespace: 'default',
  containerName: 'main',
  containerId: 'abc',
  logPath,
});

test('a link leads to its log, and making it twice is no harm', async (t) => {
  const { folder, logFolder } = await folders(t);
  const links = createLogLinks({ folder, logFolder });
  const log = join(logFolder, '0.log');
  await links.add(of(log));
  await links.add(of(log));
  assert.deepEqual(await readdir(folder), ['web_default_main-abc.log']);
  assert.equal(await readlink(join(folder, 'web_default_main-abc.log')), log);
});

test('a name that the kernel would refuse is cut', async (t) => {
  const { folder, logFolder } = await folders(t);
  await createLogLinks({ folder, logFolder }).add(of(join(logFolder, '0.log'), 'x'.repeat(253)));
  assert.deepEqual(await readdir(folder), [`${'x'.repeat(251)}.log`]);
});

test('a sweep removes links whose logs are gone, and nothing of others', async (t) => {
  const { folder, logFolder } = await folders(t);
  const links = createLogLinks({ folder, logFolder });
  await links.sweep();
  await writeFile(join(logFolder, 'kept.log'), '');
  await links.add(of(join(logFolder, 'kept.log'), 'kept'));
  await links.add(of(join(logFolder, 'gone.log'), 'gone'));
  await symlink('/nowhere/else.log', join(folder, 'foreign.log'));
  await writeFile(join(folder, 'file.log'), '');
  await links.sweep();
  assert.deepEqual((await readdir(folder)).sort(), ['file.log', 'foreign.log', 'kept_default_main-abc.log']);
});
