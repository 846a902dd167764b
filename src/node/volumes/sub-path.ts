import { constants, type Stats } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, realpath, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, WherryError } from '../../core/errors.ts';
import { bindDescriptor, unmount } from '../../engines/mount/mount.ts';
import { readMounts } from '../../engines/mount/mountinfo.ts';

/** open(2)'s O_PATH, which node:fs does not name: a handle on the entry itself, without a right to read it. */
const O_PATH = 0o10000000;
const pathOnly = O_PATH | constants.O_NOFOLLOW;

/** A subPath leads out of its volume, or was exchanged while it was looked at. */
export class SubPathError extends WherryError {
  constructor(message: string, cause?: unknown) {
    super('SUB_PATH', message, cause === undefined ? {} : { cause });
  }
}

/**
 * Opens an entry of a volume whose links all stay inside it. What it is was decided by walking from the volume's root, one
 * name after the other and never through a link, so that nobody who can write to the volume can lead the walk
 * astray. The caller closes the handle. Undefined when there is no such entry.
 */
export async function openInside(root: string, subPath: string): Promise<FileHandle | undefined> {
  const base = await realpath(root);
  const resolved = await resolveInside(base, subPath);
  return resolved === undefined ? undefined : walk(base, resolved);
}

/** The same; a path that does not exist is made, as folders. */
export async function openOrMakeInside(root: string, subPath: string): Promise<FileHandle> {
  const base = await realpath(root);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const resolved = await resolveInside(base, subPath);
    if (resolved !== undefined) return walk(base, resolved);
    await makeFolders(base, subPath);
  }
  throw new SubPathError(`subpath ${JSON.stringify(subPath)} can't be made: it goes away again`);
}

/** The path, links resolved, relative to `base`; undefined when it does not exist. Throws when it leads out. */
async function resolveInside(base: string, subPath: string): Promise<string | undefined> {
  const full = join(base, subPath);
  try {
    return relativeTo(base, await realpath(full), subPath);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}

function relativeTo(base: string, path: string, subPath: string): string {
  if (path === base) return '';
  const prefix = base === '/' ? base : `${base}/`;
  if (path.startsWith(prefix)) return path.slice(prefix.length);
  throw new SubPathError(`subpath ${JSON.stringify(subPath)} not within volume path`);
}

async function walk(base: string, path: string): Promise<FileHandle> {
  let handle = await open(base, pathOnly);
  try {
    for (const name of path.split('/').filter((part) => part !== '')) {
      if (name === '..' || name === '.')
        throw new SubPathError(`subpath component ${JSON.stringify(name)} is not allowed`);
      handle = await step(handle, name);
    }
    return handle;
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
}

/** Goes from a folder to an entry of it, and closes the folder's handle if that works. */
async function step(parent: FileHandle, name: string): Promise<FileHandle> {
  let child: FileHandle;
  try {
    child = await open(`/proc/self/fd/${parent.fd}/${name}`, pathOnly);
  } catch (cause) {
    throw new SubPathError(`subpath component ${JSON.stringify(name)} can't be opened`, cause);
  }
  if ((await child.stat()).isSymbolicLink()) {
    await child.close();
    throw new SubPathError(`subpath component ${JSON.stringify(name)} is a symbolic link that was not there before`);
  }
  await parent.close();
  return child;
}

/** Makes the folders of a path that are missing, with the permissions of the volume's root, below the part that exists. */
async function makeFolders(base: string, subPath: string): Promise<void> {
  const permissions = (await stat(base)).mode & 0o7777;
  const missing: string[] = [];
  let standing = subPath;
  let resolved = await resolveInside(base, standing);
  while (resolved === undefined) {
    missing.unshift(standing.slice(standing.lastIndexOf('/') + 1));
    standing = standing.includes('/') ? standing.slice(0, standing.lastIndexOf('/')) : '';
    resolved = standing === '' ? '' : await resolveInside(base, standing);
  }
  let handle = await walk(base, resolved);
  try {
    for (const name of missing) {
      if (name === '' || name === '.') continue;
      const path = `/proc/self/fd/${handle.fd}/${name}`;
      const isNew = await makeFolder(path);
      handle = await step(handle, name);
      // Through the handle: the name may stand for something else by now.
      if (isNew) await chmod(`/proc/self/fd/${handle.fd}`, permissions);
    }
  } finally {
    await handle.close();
  }
}

async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o750 });
    return true;
  } catch (thrown) {
    if (errorCode(thrown) === 'EEXIST') return false;
    throw thrown;
  }
}

/**
 * Binds an entry of a volume to `target`, where no process of the pod can change what it is. Idempotent: a bind that
 * stands stays, unless the entry is another one by now.
 */
export async function bindSubPath(root: string, subPath: string, target: string): Promise<void> {
  await using handle = await openOrMakeInside(root, subPath);
  const wanted = await handle.stat();
  const isBound = (await readMounts()).some(({ mountPoint }) => mountPoint === target);
  if (isBound) {
    if (isSameEntry(wanted, await stat(target))) return;
    await unmount(target);
  }
  await makeTarget(target, wanted.isDirectory());
  await bindDescriptor(handle.fd, target);
}

function isSameEntry(a: Stats, b: Stats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

/** A folder is bound on a folder, everything else on a file. */
async function makeTarget(target: string, isFolder: boolean): Promise<void> {
  await mkdir(dirname(target), { recursive: true, mode: 0o750 });
  // An earlier start of this container may have bound an entry of the other sort here.
  await rmdir(target).catch(ignoring('ENOENT', 'ENOTDIR'));
  await unlink(target).catch(ignoring('ENOENT', 'EISDIR'));
  if (isFolder) await mkdir(target, { mode: 0o750 });
  else await writeFile(target, '', { flag: 'wx', mode: 0o640 });
}

function ignoring(...codes: readonly string[]): (thrown: unknown) => void {
  return (thrown) => {
    if (!codes.includes(errorCode(thrown) ?? '')) throw thrown;
  };
}
