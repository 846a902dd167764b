import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { writeAtomically } from './atomic-writer.ts';
import type { Payload } from './payload.ts';

const payloadOf = (files: Readonly<Record<string, string>>, mode = 0o644): Payload =>
  new Map(Object.entries(files).map(([path, text]) => [path, { data: Buffer.from(text), mode }]));
const noOwner = async () => {};

async function folderFor(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-writer-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('files are links through ..data, with their modes; a removed key vanishes and a same payload writes nothing', async (t) => {
  const folder = await folderFor(t);
  assert.equal(await writeAtomically(folder, payloadOf({ a: '1', 'dir/b': '2' }, 0o400), noOwner), true);
  assert.equal(await readFile(join(folder, 'dir/b'), 'utf8'), '2');
  assert.equal((await stat(join(folder, 'a'))).mode & 0o777, 0o400);
  assert.equal(await writeAtomically(folder, payloadOf({ a: '1', 'dir/b': '2' }, 0o400), noOwner), false);
  assert.equal(await writeAtomically(folder, payloadOf({ 'dir/c': '3' }), noOwner), true);
  const names = (await readdir(folder)).filter((name) => !name.startsWith('..20'));
  assert.deepEqual(names.sort(), ['..data', 'dir']);
  assert.deepEqual(await readdir(join(folder, 'dir')), ['c']);
  assert.equal((await readdir(folder)).length, 3);
});

test('a write that a crash left half done is swept away', async (t) => {
  const folder = await folderFor(t);
  await writeAtomically(folder, payloadOf({ a: '1' }), noOwner);
  await mkdir(join(folder, '..2020_01_01_00_00_00.1'));
  await writeFile(join(folder, '..2020_01_01_00_00_00.1', 'a'), 'half');
  await symlink('..2020_01_01_00_00_00.1', join(folder, '..data_tmp'));
  await writeAtomically(folder, payloadOf({ a: '2' }), noOwner);
  assert.equal(await readFile(join(folder, 'a'), 'utf8'), '2');
  assert.equal((await readdir(folder)).length, 3);
});

test('a path that leads out of the volume is refused before anything is written', async (t) => {
  const folder = await folderFor(t);
  for (const path of ['../x', '/x', 'a/../../x', '..x', ''])
    await assert.rejects(writeAtomically(folder, payloadOf({ [path]: '' }), noOwner), /must stay in the volume/);
  assert.deepEqual(await readdir(folder), []);
});

test('a reader that polls through one opened directory never sees files of two writes together', async (t) => {
  const folder = await folderFor(t);
  await writeAtomically(folder, payloadOf({ a: '0', b: '0' }), noOwner);
  // In a thread of its own, so that it really reads while the writer writes.
  const reader = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     const { readFileSync, realpathSync } = require('node:fs');
     let mixed = 0, reads = 0, stop = false;
     parentPort.once('message', () => { stop = true; });
     const look = () => {
       for (let i = 0; i < 20; i++) try {
         const data = realpathSync(workerData + '/..data');
         const a = readFileSync(data + '/a', 'utf8'), b = readFileSync(data + '/b', 'utf8');
         reads++; if (a !== b || a === '') mixed++;
       } catch (error) { if (error.code !== 'ENOENT') throw error; }
       if (stop && reads > 0) parentPort.postMessage({ mixed, reads }); else setImmediate(look);
     };
     look();`,
    { eval: true, workerData: folder },
  );
  t.after(() => reader.terminate());
  const answer = new Promise<{ mixed: number; reads: number }>((resolve, reject) => {
    reader.once('message', resolve);
    reader.once('error', reject);
  });
  for (let count = 1; count <= 200; count += 1)
    await writeAtomically(folder, payloadOf({ a: String(count), b: String(count) }), noOwner);
  reader.postMessage('stop');
  const { mixed, reads } = await answer;
  assert.equal(mixed, 0);
  assert.ok(reads > 0);
});
