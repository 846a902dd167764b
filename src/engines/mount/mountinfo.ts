import { readFile } from 'node:fs/promises';

/** One line of /proc/self/mountinfo (proc_pid_mountinfo(5)). */
export interface Mount {
  readonly id: number;
  readonly parentId: number;
  /** Major and minor number of the file system: `0:35`. */
  readonly device: string;
  /** Which directory of the file system is mounted: `/` but for bind mounts. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  readonly fileSystem: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** Reads the text of a mountinfo file; lines that are not of its form are left out. */
export function parseMountinfo(text: string): readonly Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    // The optional fields between the options and ` - ` vary in number.
    const separator = line.indexOf(' - ');
    if (separator < 0) continue;
    const [id = '', parentId = '', device = '', root = '', mountPoint = '', options = ''] = line
      .slice(0, separator)
      .split(' ');
    const [fileSystem = '', source = '', superOptions = ''] = line.slice(separator + 3).split(' ');
    mounts.push({
      id: Number(id),
      parentId: Number(parentId),
      device,
      root: unescapeOctal(root),
      mountPoint: unescapeOctal(mountPoint),
      options: options.split(','),
      fileSystem,
      source: unescapeOctal(source),
      superOptions: superOptions.split(','),
    });
  }
  return mounts;
}

/** Space, tab, newline and backslash are written as three octal digits. The bytes between are UTF-8. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** All mounts of this process' namespace, in the order in which they were made. */
export async function readMounts(): Promise<readonly Mount[]> {
  return parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** Those at or below a directory, the newest first: the order in which they come off. */
export function mountsBelow(mounts: readonly Mount[], folder: string): readonly Mount[] {
  return mounts.filter(({ mountPoint }) => mountPoint === folder || mountPoint.startsWith(`${folder}/`)).toReversed();
}
