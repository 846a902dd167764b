import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, WherryError } from '../../core/errors.ts';
import type { Payload } from './payload.ts';

/** The link through which all files of a volume are reached, so that one rename exchanges all of them. */
const dataLink = '..data';
const newDataLink = '..data_tmp';

/**
 * Makes the files of a volume be exactly `payload`, for readers in one step: the files are written to a new folder, and the
 * link `..data` is turned to it; each file's name is a link through `..data`. `own` sets owners before anybody
 * sees the files. Resolves with whether anything was written. A half-done write of a process that died is swept away.
 */
export async function writeAtomically(folder: string, payload: Payload, own: () => Promise<void>): Promise<boolean> {
  for (const path of payload.keys()) checkPath(path);
  const current = await readlinkIfAny(join(folder, dataLink));
  const isSame = current !== undefined && (await holds(join(folder, current), payload));
  if (!isSame) {
    const next = folderName();
    const nextFolder = join(folder, next);
    await mkdir(nextFolder);
    await chmod(nextFolder, 0o755);
    await writeFiles(nextFolder, payload);
    await own();
    await rm(join(folder, newDataLink), { force: true });
    await symlink(next, join(folder, newDataLink));
    await rename(join(folder, newDataLink), join(folder, dataLink));
  }
  await linkNames(folder, payload);
  await sweep(folder, isSame ? current : await readlink(join(folder, dataLink)));
  return !isSame;
}

function checkPath(path: string): void {
  const isBad = path === '' || path.startsWith('/') || path.split('/').includes('..') || path.startsWith('..');
  if (isBad) throw new WherryError('VOLUME_PATH', `invalid path: ${JSON.stringify(path)} must stay in the volume`);
}

async function readlinkIfAny(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}

// Time first, so that a reader of the directory sees which is newest; the random part keeps two writes of one moment apart.
function folderName(): string {
  const time = new Date().toISOString().slice(0, 19).replace(/[-:T]/g, '_');
  return `..${time}.${randomBytes(4).readUInt32BE(0)}`;
}

/** Whether a folder has just these files with just this content. */
async function holds(folder: string, payload: Payload): Promise<boolean> {
  const present = await filesOf(folder);
  if (present.length !== payload.size) return false;
  for (const path of present) {
    const wanted = payload.get(path);
    if (wanted === undefined || !(await readFile(join(folder, path))).equals(wanted.data)) return false;
  }
  return true;
}

async function filesOf(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

async function writeFiles(folder: string, payload: Payload): Promise<void> {
  for (const [path, { data, mode, uid }] of payload) {
    const file = join(folder, path);
    for (const parent of parentsOf(path)) {
      await mkdir(join(folder, parent), { recursive: true });
      await chmod(join(folder, parent), 0o755);
    }
    await writeFile(file, data, { flag: 'wx', mode: 0o600 });
    if (uid !== undefined) await chown(file, uid, -1);
    // After the owner, whose change would take set-id bits away; and not left to the umask.
    await chmod(file, mode);
  }
}

function parentsOf(path: string): readonly string[] {
  const parents: string[] = [];
  for (let parent = dirname(path); parent !== '.'; parent = dirname(parent)) parents.unshift(parent);
  return parents;
}

/** The names that users see: the first component of each path, as a link through `..data`. */
async function linkNames(folder: string, payload: Payload): Promise<void> {
  const wanted = new Set([...payload.keys()].map((path) => path.split('/')[0] ?? path));
  for (const name of wanted) {
    const target = join(dataLink, name);
    const link = join(folder, name);
    if ((await readlinkIfAny(link)) !== target) await symlink(target, link);
  }
  for (const name of await readdir(folder)) {
    if (name.startsWith('..') || wanted.has(name)) continue;
    if ((await lstat(join(folder, name))).isSymbolicLink()) await rm(join(folder, name), { force: true });
  }
}

async function sweep(folder: string, current: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith('..') || name === dataLink || name === current) continue;
    await rm(join(folder, name), { recursive: true, force: true });
  }
}
