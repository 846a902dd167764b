import { chmod, mkdir, open, stat } from 'node:fs/promises';
import { errorCode, TransientError } from '../../core/errors.ts';
import type { HostPathVolumeSource } from '../../kube/types.gen.ts';

/** Checks what stands at a hostPath against its type, and makes it for the two types that say so. Throws with kubelet's words. */
export async function checkHostPath({ path, type = '' }: HostPathVolumeSource): Promise<void> {
  if (type === '') return;
  if (type === 'DirectoryOrCreate') await makeFolder(path);
  if (type === 'FileOrCreate') await makeFile(path);
  const found = await stat(path).catch((thrown: unknown) => {
    if (errorCode(thrown) === 'ENOENT' || errorCode(thrown) === 'ENOTDIR') return undefined;
    throw thrown;
  });
  const refuse = (what: string): never => {
    throw new TransientError('HOST_PATH_TYPE', `hostPath type check failed: ${path} is not ${what}`);
  };
  switch (type) {
    case 'Directory':
    case 'DirectoryOrCreate':
      if (found?.isDirectory() !== true) refuse('a directory');
      break;
    case 'File':
    case 'FileOrCreate':
      if (found?.isFile() !== true) refuse('a file');
      break;
    case 'Socket':
      if (found?.isSocket() !== true) refuse('a socket file');
      break;
    case 'CharDevice':
      if (found?.isCharacterDevice() !== true) refuse('a character device');
      break;
    case 'BlockDevice':
      if (found?.isBlockDevice() !== true) refuse('a block device');
      break;
    default:
      throw new TransientError('HOST_PATH_TYPE', `${type} is an invalid volume type`);
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    if ((await mkdir(path, { recursive: true })) !== undefined) await chmod(path, 0o755);
  } catch (thrown) {
    // Something else stands there: the check that follows says so.
    if (errorCode(thrown) !== 'EEXIST' && errorCode(thrown) !== 'ENOTDIR') throw thrown;
  }
}

async function makeFile(path: string): Promise<void> {
  try {
    await using file = await open(path, 'wx', 0o644);
    await file.chmod(0o644);
  } catch (thrown) {
    if (errorCode(thrown) !== 'EEXIST') throw thrown;
  }
}
