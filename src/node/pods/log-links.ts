import { mkdir, readdir, readlink, stat, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../core/errors.ts';

/** What a link's name may be long: the kernel's bound of 255 bytes without the ending `.log`. */
const nameBytesMax = 251;

/**
 * Links to the containers' logs by names that say whose they are, `<pod>_<namespace>_<container>-<id>.log`: where log
 * shippers look (/var/log/containers).
 */
export interface LogLinks {
  /** Makes the link of a container that starts. */
  add(container: LinkedContainer): Promise<void>;
  /** Removes the links whose logs are gone. */
  sweep(): Promise<void>;
}

export interface LinkedContainer {
  readonly podName: string;
  readonly namespace: string;
  readonly containerName: string;
  readonly containerId: string;
  /** Absolute. */
  readonly logPath: string;
}

export interface LogLinksOptions {
  /** Holds the links; may hold those of others too. */
  readonly folder: string;
  /** Below it lie the logs that the links lead to. */
  readonly logFolder: string;
}

export function createLogLinks({ folder, logFolder }: LogLinksOptions): LogLinks {
  return {
    async add({ podName, namespace, containerName, containerId, logPath }) {
      const name = `${podName}_${namespace}_${containerName}-${containerId}`.slice(0, nameBytesMax);
      await mkdir(folder, { recursive: true, mode: 0o755 });
      try {
        await symlink(logPath, join(folder, `${name}.log`));
      } catch (thrown) {
        // A start that was tried before.
        if (errorCode(thrown) !== 'EEXIST') throw thrown;
      }
    },
    async sweep() {
      for (const name of await namesIn(folder)) {
        const path = join(folder, name);
        const target = await targetOf(path);
        if (target?.startsWith(`${logFolder}/`) && !(await exists(target))) await unlink(path).catch(ignoreAbsent);
      }
    },
  };
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (thrown) {
    ignoreAbsent(thrown);
    return [];
  }
}

/** Undefined for what is no link. */
async function targetOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (thrown) {
    if (errorCode(thrown) === 'EINVAL') return undefined;
    ignoreAbsent(thrown);
    return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (thrown) {
    ignoreAbsent(thrown);
    return false;
  }
}

function ignoreAbsent(thrown: unknown): void {
  if (errorCode(thrown) !== 'ENOENT') throw thrown;
}
