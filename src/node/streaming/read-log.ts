import { watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { errorCode } from '../../core/errors.ts';
import { fixedTime, isBefore, parseCriLogLine } from './cri-log.ts';

export interface LogOptions {
  readonly follow: boolean;
  /** Only so many of the last lines. */
  readonly tailLines?: number;
  /** Only what is not older, RFC 3339. */
  readonly since?: string;
  readonly timestamps: boolean;
  /** Ends after so many bytes. */
  readonly limitBytes?: number;
  readonly stream: 'All' | 'Stdout' | 'Stderr';
}

export interface LogSource {
  readonly path: string;
  /** Whether the container may still write. */
  isRunning(): boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Bytes that are read at a time. */
const readBytes = 64 * 1024;
/** The longest line that is looked at as one; the runtime cuts lines at 16 KiB. */
const lineBytesMax = 256 * 1024;
/** A follower looks at least this often, milliseconds, whatever the file system tells. */
const pollMs = 1000;
const newline = 0x0a;

/**
 * What a container wrote, from its CRI log. A follower goes on with the next file when the log is rotated, and ends with the
 * container. It reads no further than its reader takes.
 */
export async function* readLog(source: LogSource, options: LogOptions): AsyncGenerator<Buffer> {
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  const format = formatter(options);
  for await (const line of lines(source, options)) {
    const text = format(line);
    if (text === undefined) continue;
    yield text.length > left ? text.subarray(0, left) : text;
    left -= text.length;
    if (left <= 0) return;
  }
}

/** Makes of a line of the log what its reader sees; undefined for what is left out. */
function formatter(options: LogOptions): (line: Buffer) => Buffer | undefined {
  const wanted = options.stream === 'All' ? undefined : options.stream.toLowerCase();
  let isNewLine = true;
  return (line) => {
    const entry = parseCriLogLine(line);
    if (entry === undefined) return undefined;
    if (wanted !== undefined && entry.stream !== wanted) return undefined;
    if (options.since !== undefined && isBefore(entry.time, options.since)) return undefined;
    const prefix = options.timestamps && isNewLine ? Buffer.from(`${fixedTime(entry.time)} `) : Buffer.alloc(0);
    isNewLine = !entry.isPartial;
    return Buffer.concat([prefix, entry.text, entry.isPartial ? Buffer.alloc(0) : Buffer.from('\n')]);
  };
}

async function* lines(source: LogSource, { follow, tailLines }: LogOptions): AsyncGenerator<Buffer> {
  const { path, signal } = source;
  let file = await openIfAny(path);
  using changes = follow ? watchFolder(path, source.clock) : undefined;
  try {
    let position = file === undefined || tailLines === undefined ? 0 : await tailStart(file, tailLines);
    let rest: Buffer = Buffer.alloc(0);
    for (;;) {
      // Asked before the file is read: what a container wrote before it ended is then seen.
      const isRunning = source.isRunning();
      const chunk = Buffer.allocUnsafe(readBytes);
      const { bytesRead } = file === undefined ? { bytesRead: 0 } : await file.read(chunk, 0, readBytes, position);
      signal.throwIfAborted();
      if (bytesRead > 0) {
        position += bytesRead;
        const bytes =
          rest.length === 0 ? chunk.subarray(0, bytesRead) : Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
        let start = 0;
        for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
          yield bytes.subarray(start, end);
          start = end + 1;
        }
        rest = Buffer.from(bytes.subarray(start));
        if (rest.length <= lineBytesMax) continue;
        yield rest;
        rest = Buffer.alloc(0);
        continue;
      }
      if (!follow) break;
      const next = await reopened(path, file);
      if (next !== undefined) {
        await file?.close();
        file = next;
        position = 0;
        continue;
      }
      if (!isRunning) break;
      await changes?.next(signal);
    }
    if (rest.length > 0) yield rest;
  } finally {
    await file?.close();
  }
}

async function openIfAny(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}

/** The file that now has this name, if it is another one. */
async function reopened(path: string, file: FileHandle | undefined): Promise<FileHandle | undefined> {
  const next = await openIfAny(path);
  if (next === undefined || file === undefined) return next;
  const [now, before] = await Promise.all([next.stat(), file.stat()]);
  if (now.ino !== before.ino || now.dev !== before.dev) return next;
  await next.close();
  return undefined;
}

/** Where the last `count` lines begin. */
async function tailStart(file: FileHandle, count: number): Promise<number> {
  const { size } = await file.stat();
  if (count <= 0) return size;
  let left = count;
  const chunk = Buffer.allocUnsafe(readBytes);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - readBytes);
    const { bytesRead } = await file.read(chunk, 0, end - start, start);
    for (let at = bytesRead - 1; at >= 0; at -= 1) {
      // The newline that ends the file ends its last line, and begins none.
      if (chunk[at] !== newline || start + at === size - 1) continue;
      left -= 1;
      if (left === 0) return start + at + 1;
    }
    end = start;
  }
  return 0;
}

interface FolderChanges extends Disposable {
  /** Resolves at the next change, or after the polling interval. Rejects when `signal` aborts. */
  next(signal: AbortSignal): Promise<void>;
}

function watchFolder(path: string, clock: Clock): FolderChanges {
  let isDirty = false;
  let wake: (() => void) | undefined;
  const changed = () => {
    isDirty = true;
    wake?.();
  };
  const watcher = tryWatch(dirname(path), changed);
  return {
    async next(signal) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      if (isDirty) resolve();
      using _timer = clock.after(pollMs, resolve);
      signal.addEventListener('abort', resolve as () => void, { once: true });
      await promise;
      signal.removeEventListener('abort', resolve as () => void);
      wake = undefined;
      isDirty = false;
      signal.throwIfAborted();
    },
    [Symbol.dispose]: () => watcher?.close(),
  };
}

/** Without a watch (the folder may be gone, or watches used up) polling alone does. */
function tryWatch(folder: string, changed: () => void) {
  try {
    const watcher = watch(folder, changed);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}

/** Whether a log is there at all. */
export async function hasLog(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
