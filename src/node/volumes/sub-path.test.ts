import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { unmount } from '../../engines/mount/mount.ts';
import { mountsBelow, readMounts } from '../../engines/mount/mountinfo.ts';
import { bindSubPath, openOrMakeInside, SubPathError } from './sub-path.ts';

async function volumeFor(context: TestContext): Promise<{ root: string; outside: string; target: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-subpath-'));
  const [root, outside] = [join(folder, 'volume'), join(folder, 'outside')];
  await mkdir(root, { mode: 0o777 });
  await mkdir(outside);
  await writeFile(join(outside, 'secret'), 'secret');
  context.after(async () => {
    for (const { mountPoint } of mountsBelow(await readMounts(), folder)) await unmount(mountPoint);
    await rm(folder, { recursive: true, force: true });
  });
  return { root, outside, target: join(folder, 'bound', '0') };
}

test('a folder that is missing is made with the permissions of the volume', async (t) => {
  const { root } = await volumeFor(t);
  await using handle = await openOrMakeInside(root, 'a/b');
  assert.ok((await handle.stat()).isDirectory());
  const wanted = (await stat(root)).mode;
  assert.equal((await stat(join(root, 'a'))).mode, wanted);
  assert.equal((await stat(join(root, 'a/b'))).mode, wanted);
});

test('a link inside the volume is followed, one that leads out is refused', async (t) => {
  const { root, outside } = await volumeFor(t);
  await mkdir(join(root, 'real'));
  await symlink('real', join(root, 'inside'));
  await using handle = await openOrMakeInside(root, 'inside');
  assert.equal((await handle.stat()).ino, (await stat(join(root, 'real'))).ino);
  await symlink(outside, join(root, 'absolute'));
  await symlink('../outside', join(root, 'relative'));
  await symlink('absolute', join(root, 'twice'));
  await symlink(join(outside, 'not-there'), join(root, 'dangling'));
  for (const path of ['absolute', 'relative', 'twice', 'absolute/secret', 'absolute/made', 'dangling', '../outside'])
    await assert.rejects(
      openOrMakeInside(root, path),
      (error) => error instanceof SubPathError || /EEXIST|ENOENT/.test(String(error)),
      path,
    );
  await assert.rejects(stat(join(outside, 'made')));
  await assert.rejects(stat(join(outside, 'not-there')));
});

test('a folder that is exchanged for a link again and again is never left', async (t) => {
  const { root, outside } = await volumeFor(t);
  await mkdir(join(root, 'x'));
  await symlink(outside, join(root, 'link'));
  // In a thread of its own, so that it comes between any two steps. A move at a bad moment fails; the last one of a round
  // puts the folder back.
  const attacker = new Worker(
    `const { renameSync } = require('node:fs');
     const { workerData: root, parentPort } = require('node:worker_threads');
     const move = (from, to) => { try { renameSync(root + from, root + to); } catch (error) { if (!error.syscall) throw error; } };
     const round = () => {
       for (const [from, to] of [['/x', '/y'], ['/link', '/x'], ['/x', '/link'], ['/y', '/x']]) move(from, to);
       setImmediate(round);
     };
     parentPort.postMessage('runs');
     round();`,
    { eval: true, workerData: root },
  );
  // Ends before the folder is removed.
  await using _attack = { [Symbol.asyncDispose]: async () => void (await attacker.terminate()) };
  await once(attacker, 'message');
  const forbidden = (await stat(outside)).ino;
  let [opened, refused] = [0, 0];
  for (let attempt = 0; attempt < 5_000 && (opened < 20 || refused < 20); attempt += 1) {
    try {
      await using handle = await openOrMakeInside(root, 'x');
      assert.notEqual((await handle.stat()).ino, forbidden);
      opened += 1;
    } catch (thrown) {
      if (thrown instanceof assert.AssertionError) throw thrown;
      refused += 1;
    }
  }
  assert.ok(opened > 0 && refused > 0, `${opened} opened, ${refused} refused`);
});

test('what was bound stays, and is bound anew when the volume has another entry there', async (t) => {
  const { root, target } = await volumeFor(t);
  await writeFile(join(root, 'file'), 'first');
  await bindSubPath(root, 'file', target);
  await bindSubPath(root, 'file', target);
  assert.equal(mountsBelow(await readMounts(), target).length, 1);
  await unlink(join(root, 'file'));
  await writeFile(join(root, 'file'), 'second');
  assert.equal(await readFile(target, 'utf8'), 'first');
  await bindSubPath(root, 'file', target);
  assert.equal(await readFile(target, 'utf8'), 'second');
  await rm(join(root, 'file'));
  await bindSubPath(root, 'file', target);
  assert.ok((await stat(target)).isDirectory());
});
