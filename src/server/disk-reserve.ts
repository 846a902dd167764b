import { open, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../core/clock.ts';
import { describeError, errorCode } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

const mebibyte = 1024 * 1024;
/** Bytes set aside, but never more than this share of the file system. */
const reserveBytesMax = 16 * mebibyte;
const reserveShareMax = 0.05;
/** Below so many free bytes the datastore can't go on: the reserve is given to it. */
const lowBytes = 4 * mebibyte;
const periodMs = 1000;

export interface DiskReserveOptions {
  /** On the datastore's file system; the reserve is a file in it. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with what is wrong, and with null when it is over. */
  onStatus(problem: string | null): void;
}

/**
 * What to do about the reserve, seeing how much is free: once the disk `wasFull`, what was given does not count as
 * room, and as much again must be left, or the reserve would come and go. Pure.
 */
export function reserveStep(
  { isHeld, wasFull }: { readonly isHeld: boolean; readonly wasFull: boolean },
  availableBytes: number,
  reserveBytes: number,
): 'give' | 'take' | 'full' | 'keep' {
  if (availableBytes < lowBytes) return isHeld ? 'give' : 'full';
  if (isHeld) return 'keep';
  if (availableBytes > lowBytes + reserveBytes * (wasFull ? 2 : 1)) return 'take';
  return wasFull ? 'full' : 'keep';
}

/**
 * Keeps some space of the datastore's disk aside and gives it back when the disk is full, so that the cluster can still
 * write what matters then: that the disk is full, and the deletions that make room. Taken again once there is space.
 */
export function startDiskReserve(options: DiskReserveOptions): AsyncDisposable {
  const { folder, clock, log, onStatus } = options;
  const file = path.join(folder, 'reserve');
  const abort = new AbortController();
  const { signal } = abort;
  let isTold = false;

  function tell(problem: string | null): void {
    if (isTold === (problem !== null)) return;
    isTold = problem !== null;
    onStatus(problem);
  }

  async function look(): Promise<void> {
    const { bavail, bsize, blocks } = await statfs(folder);
    const reserveBytes = Math.floor(Math.min(reserveBytesMax, blocks * bsize * reserveShareMax));
    const availableBytes = bavail * bsize;
    const step = reserveStep({ isHeld: await exists(file), wasFull: isTold }, availableBytes, reserveBytes);
    if (step === 'take') {
      await allocate(file, reserveBytes);
      if (isTold) log.info('there is space again on the disk of the datastore', { folder, availableBytes });
    }
    if (step === 'give') {
      await rm(file, { force: true });
      log.error('the disk of the datastore is full; its reserve is in use', { folder, reserveBytes });
    }
    const isFull = step === 'give' || step === 'full';
    tell(isFull ? `the file system of ${folder} is full; free space there, it goes on by itself` : null);
  }

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      try {
        await look();
      } catch (thrown) {
        if (errorCode(thrown) !== 'ENOSPC') log.warn('the disk can not be watched', { error: describeError(thrown) });
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

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return false;
    throw thrown;
  }
}

/** Writes the bytes: a file with a hole would keep nothing. */
async function allocate(file: string, bytes: number): Promise<void> {
  await using handle = await open(file, 'w', 0o600);
  const chunk = Buffer.alloc(mebibyte);
  try {
    for (let left = bytes; left > 0; left -= chunk.length) await handle.write(chunk, 0, Math.min(left, chunk.length));
    await handle.sync();
  } catch (thrown) {
    await rm(file, { force: true });
    throw thrown;
  }
}
