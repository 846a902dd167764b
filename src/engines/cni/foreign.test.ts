import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { dropForeign, linkedPrograms, linkPrograms, takeOverConfiguration } from './foreign.ts';

async function world(t: TestContext) {
  const base = await mkdtemp(join(tmpdir(), 'wherry-cni-'));
  t.after(() => rm(base, { recursive: true }));
  const [source, configFolder, folder] = [join(base, 'etc'), join(base, 'net.d'), join(base, 'cni')];
  await mkdir(source);
  await mkdir(configFolder);
  const takeOver = () => takeOverConfiguration({ configFolder, folder }, source);
  return { base, source, configFolder, folder, takeOver };
}

test('an add-on’s configuration is copied, follows the original, and goes with it', async (t) => {
  const { source, configFolder, takeOver } = await world(t);
  assert.deepEqual(await takeOver(), []);
  await writeFile(join(source, '10-theirs.conflist'), 'one');
  await writeFile(join(source, 'kubeconfig'), 'is no configuration of a network');
  assert.deepEqual(await takeOver(), ['10-theirs.conflist']);
  await writeFile(join(source, '10-theirs.conflist'), 'two');
  assert.deepEqual(await takeOver(), ['10-theirs.conflist']);
  assert.equal(await readFile(join(configFolder, '10-theirs.conflist'), 'utf8'), 'two');
  await rm(join(source, '10-theirs.conflist'));
  assert.deepEqual(await takeOver(), []);
  assert.deepEqual(await readdir(configFolder), []);
});

test('files of the data directory go before those of the machine', async (t) => {
  const { source, configFolder, folder, takeOver } = await world(t);
  await writeFile(join(source, '10-theirs.conflist'), 'theirs');
  await takeOver();
  await writeFile(join(configFolder, '05-mine.conf'), 'mine');
  assert.deepEqual(await takeOver(), ['05-mine.conf']);
  assert.deepEqual(await readdir(configFolder), ['05-mine.conf']);
  await dropForeign({ configFolder, folder });
  assert.deepEqual(await readdir(configFolder), ['05-mine.conf']);
});

test('programs of several folders stand in one, the add-on’s own first, and follow what is installed', async (t) => {
  const { base, folder } = await world(t);
  const [theirs, standard] = [join(base, 'opt'), join(base, 'usr')];
  for (const place of [theirs, standard]) await mkdir(place);
  for (const name of ['bridge', 'loopback']) await writeFile(join(standard, name), '');
  const link = () => linkPrograms(folder, [theirs, standard, join(base, 'nowhere')]);
  await link();
  await writeFile(join(theirs, 'bridge'), '');
  await writeFile(join(theirs, 'calico'), '');
  await rm(join(standard, 'loopback'));
  await link();
  const links = (await readdir(linkedPrograms(folder))).sort();
  assert.deepEqual(links, ['bridge', 'calico']);
  assert.equal(await readlink(join(linkedPrograms(folder), 'bridge')), join(theirs, 'bridge'));
});
