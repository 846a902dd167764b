import { TerminalError } from '../../core/errors.ts';
import { CommandError, run } from '../process/run.ts';

/** The namespace in which CRI looks for images. */
const criNamespace = 'k8s.io';
/** Milliseconds that an import may take: archives of several GiB on slow disks. */
const importTimeoutMs = 30 * 60_000;

export interface ImageImport {
  readonly address: string;
  readonly snapshotter: string;
  /** An OCI layout or `docker save` archive. */
  readonly path: string;
  readonly signal?: AbortSignal;
}

/**
 * Imports all images of an archive and resolves with their names. By containerd's own `ctr`, so that the archive's bytes
 * never pass through this process, and both formats and all compressions are read as containerd reads them.
 */
export async function importImages({ address, snapshotter, path, signal }: ImageImport): Promise<readonly string[]> {
  const args = ['--address', address, '--namespace', criNamespace, 'images', 'import', '--snapshotter', snapshotter];
  try {
    const { stdout } = await run('ctr', [...args, path], {
      timeoutMs: importTimeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
    return [...stdout.matchAll(/^unpacking (\S+) \(/gm)].flatMap((match) => match[1] ?? []);
  } catch (cause) {
    if (cause instanceof CommandError && cause.code === 'COMMAND_NOT_FOUND')
      throw new TerminalError('CTR_MISSING', 'images are imported by ctr, which is not installed', {
        cause,
        hint: 'install the package containerd',
      });
    if (!(cause instanceof CommandError) || cause.code !== 'COMMAND_FAILED') throw cause;
    throw new TerminalError('IMAGE_ARCHIVE', `${path} can't be imported: ${cause.stderr.trim() || cause.message}`, {
      cause,
      hint: 'make it with `docker save` or as an OCI layout tar',
    });
  }
}
