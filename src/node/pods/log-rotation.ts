import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Clock } from '../../core/clock.ts';
import { describeError, errorCode } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Cri } from '../../engines/containerd/cri.ts';

/** Kubelet's defaults: files of 10 MiB, five of them, looked at every 10 s. */
const fileBytesMax = 10 * 1024 * 1024;
const filesMax = 5;
const periodMs = 10_000;

export interface LogRotationOptions {
  readonly cri: Cri;
  readonly clock: Clock;
  readonly log: Log;
  /** The running containers with their logs. */
  running(): readonly { readonly id: string; readonly logPath: string }[];
  readonly fileBytesMax?: number;
}

/** Keeps containers' logs bounded: `0.log`, beside it `0.log.<time>` and older ones as `0.log.<time>.gz`. */
export function startLogRotation(options: LogRotationOptions): AsyncDisposable {
  const { cri, clock, log } = options;
  const abort = new AbortController();
  const { signal } = abort;

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      for (const { id, logPath } of options.running()) {
        try {
          const { size } = await stat(logPath);
          if (size >= (options.fileBytesMax ?? fileBytesMax)) await rotateLog(cri, id, logPath, clock.now());
        } catch (thrown) {
          if (errorCode(thrown) !== 'ENOENT')
            log.warn('a log was not rotated', { logPath, error: describeError(thrown) });
        }
      }
      await clock.sleep(periodMs, signal).catch(() => {});
    }
  }

  const ended = loop();
  return {
    async [Symbol.asyncDispose]() {
      abort.abort();
      await ended;
    },
  };
}

/** Moves a log aside, lets the runtime open a new one, compresses the one before, and removes what is too old. */
export async function rotateLog(
  cri: Pick<Cri, 'reopenContainerLog'>,
  containerId: string,
  path: string,
  now: number,
): Promise<void> {
  const folder = dirname(path);
  const prefix = `${basename(path)}.`;
  // A compression that was cut short begins anew.
  const names = (await readdir(folder)).filter((name) => name.startsWith(prefix)).sort();
  for (const name of names) if (name.endsWith('.tmp')) await rm(join(folder, name));
  const rotated = names.filter((name) => !name.endsWith('.tmp'));
  for (const name of rotated.slice(0, Math.max(0, rotated.length - (filesMax - 2)))) await rm(join(folder, name));
  for (const name of rotated.slice(-(filesMax - 2))) if (!name.endsWith('.gz')) await compress(join(folder, name));
  const aside = `${path}.${timestamp(now)}`;
  await rename(path, aside);
  try {
    await cri.reopenContainerLog({ containerId });
  } catch (thrown) {
    // The container goes on to write into the file that it has: give it its name back.
    await rename(aside, path);
    throw thrown;
  }
}

async function compress(path: string): Promise<void> {
  await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.gz.tmp`));
  await rename(`${path}.gz.tmp`, `${path}.gz`);
  await rm(path);
}

/** `20261122-235318`. */
function timestamp(now: number): string {
  return new Date(now).toISOString().slice(0, 19).replaceAll('-', '').replaceAll(':', '').replace('T', '-');
}
