import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../core/errors.ts';

/**
 * Bytes that a folder takes on its disk, as du(1) counts: blocks, a file with several names once, and nothing of other file
 * systems that are mounted in it. What goes away meanwhile does not count; a folder that is not there takes nothing.
 */
export async function diskUsage(folder: string, signal: AbortSignal): Promise<number> {
  const root = await ifThere(lstat(folder));
  if (root === undefined) return 0;
  const counted = new Set<number>();
  let bytes = root.blocks * 512;
  const folders = [folder];
  for (let current = folders.pop(); current !== undefined; current = folders.pop()) {
    signal.throwIfAborted();
    const entries = await ifThere(opendir(current));
    if (entries === undefined) continue;
    for await (const entry of entries) {
      const path = join(current, entry.name);
      const found = await ifThere(lstat(path));
      if (found === undefined || found.dev !== root.dev || counted.has(found.ino)) continue;
      if (found.nlink > 1 && !found.isDirectory()) counted.add(found.ino);
      bytes += found.blocks * 512;
      if (found.isDirectory()) folders.push(path);
    }
  }
  return bytes;
}

async function ifThere<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (thrown) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(thrown) ?? '')) return undefined;
    throw thrown;
  }
}
