/** A small file system in a file, for tests of what happens when a disk is full. */
import { mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runCommand } from './kubectl.ts';

export interface SmallDisk extends AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string;
  /** Takes every byte that is left, but for `leaveBytes`. */
  fill(leaveBytes?: number): Promise<void>;
  /** Gives back what `fill` took. */
  free(): void;
}

/** Makes and mounts an ext4 of so many MiB without blocks that only root may use. */
export async function makeSmallDisk(name: string, mebibytes: number): Promise<SmallDisk> {
  const folder = mkdtempSync(path.join(tmpdir(), `wherry-${name}-`));
  const image = path.join(folder, 'disk.img');
  const mount = path.join(folder, 'mnt');
  const must = async (command: string, args: readonly string[]) => {
    const result = await runCommand(command, args);
    if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.stderr}`);
  };
  try {
    mkdirSync(mount);
    writeFileSync(image, '');
    truncateSync(image, mebibytes * 1024 * 1024);
    await must('mkfs.ext4', ['-q', '-m', '0', image]);
    await must('mount', ['-o', 'loop', image, mount]);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  let ballasts = 0;
  const ballast = (index: number) => path.join(mount, `ballast-${index}`);
  return {
    path: mount,
    async fill(leaveBytes = 0) {
      for (;;) {
        const { bavail, bsize } = statfsSync(mount);
        const size = bavail * bsize - leaveBytes;
        if (size < bsize) return;
        // The file needs blocks for itself too: it may take a few tries until nothing is left.
        const made = await runCommand('fallocate', ['--length', String(size), ballast(ballasts++)]);
        if (made.status !== 0) {
          await runCommand('sh', ['-c', `cat /dev/zero | head -c ${size} > ${ballast(ballasts++)}`]);
          return;
        }
      }
    },
    free() {
      for (let index = 0; index < ballasts; index++) rmSync(ballast(index), { force: true });
    },
    async [Symbol.asyncDispose]() {
      await must('umount', [mount]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
