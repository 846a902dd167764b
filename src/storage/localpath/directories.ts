import { chmod, mkdir, realpath, rm } from 'node:fs/promises';
import path from 'node:path';
import { errorCode, TerminalError, TransientError } from '../../core/errors.ts';

/**
 * Makes a volume's directory, writable by whatever user the pod runs as. Throws TransientError when the disk refuses
 * (full, read-only), TerminalError when the path leads out of the base path by a symbolic link.
 */
export async function makeDirectory(basePath: string, directory: string): Promise<void> {
  try {
    await mkdir(basePath, { recursive: true, mode: 0o755 });
    await mkdir(path.dirname(directory), { recursive: true });
    await requireBelow(basePath, path.dirname(directory));
    await mkdir(directory, { recursive: true });
    await requireBelow(basePath, directory);
    // mkdir's mode is cut by the umask.
    await chmod(directory, 0o777);
  } catch (cause) {
    if (cause instanceof TerminalError) throw cause;
    const hint = errorCode(cause) === 'ENOSPC' ? { hint: `free some space on the file system of ${basePath}` } : {};
    throw new TransientError('MAKE_DIRECTORY', `can't make ${directory}`, { cause, ...hint });
  }
}

/**
 * Removes a volume's directory and all in it. Symbolic links are removed, never followed; what is not below the base
 * path is never touched. Idempotent.
 */
export async function removeDirectory(basePath: string | undefined, directory: string): Promise<void> {
  const base = basePath ?? path.dirname(directory);
  try {
    const parent = await realpath(path.dirname(directory)).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    });
    if (parent === null) return;
    await requireBelow(base, path.dirname(directory));
    const inside = path.relative(path.normalize(base), path.normalize(directory));
    if (inside === '' || inside.startsWith('..')) throw outside(base, directory);
    await rm(directory, { recursive: true, force: true });
  } catch (cause) {
    if (cause instanceof TerminalError) throw cause;
    throw new TransientError('REMOVE_DIRECTORY', `can't remove ${directory}`, { cause });
  }
}

async function requireBelow(basePath: string, directory: string): Promise<void> {
  const base = await realpath(basePath);
  const actual = await realpath(directory);
  if (actual !== base && !actual.startsWith(`${base}/`)) throw outside(basePath, directory);
}

function outside(basePath: string, directory: string): TerminalError {
  return new TerminalError('OUTSIDE_BASE_PATH', `${directory} is not below ${basePath}`, {
    hint: 'remove the symbolic link that leads out of the base path',
  });
}
