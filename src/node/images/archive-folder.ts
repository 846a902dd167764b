import { type FSWatcher, watch } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { describeError, errorCode } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';

export interface ArchiveFolderOptions {
  /** E.g. `<data-dir>/agent/images`. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  import(path: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Tells the user; called once for each state of a file. */
  failed(path: string, message: string): void;
}

export interface ArchiveFolder extends AsyncDisposable {
  /** Resolves when the archives that were there at the start have been imported or refused. */
  readonly first: Promise<void>;
}

/** Milliseconds between scans beside the kernel's notices, and that a file must be unchanged before it is read. */
const rescanMs = 10_000;
const settledMs = 300;

/** Imports every image archive (*.tar, *.tar.gz, *.tgz, *.tar.zst) of a folder: at the start, and when one appears or changes. */
export function watchArchiveFolder(options: ArchiveFolderOptions): ArchiveFolder {
  const { folder, clock, log } = options;
  const abort = new AbortController();
  const { signal } = abort;
  /** By file name: the state (size and time) that was dealt with. */
  const done = new Map<string, string>();
  let poke: () => void = () => {};
  let watcher: FSWatcher | undefined;

  /** True when every archive has been dealt with. */
  async function scan(isFirst: boolean): Promise<boolean> {
    const names = (await readdir(folder)).filter((name) => /\.(tar|tar\.gz|tgz|tar\.zst)$/.test(name)).sort();
    for (const name of done.keys()) if (!names.includes(name)) done.delete(name);
    let isSettled = true;
    for (const name of names) {
      const path = join(folder, name);
      const facts = await stat(path).catch((thrown: unknown) => {
        if (errorCode(thrown) === 'ENOENT') return null;
        throw thrown;
      });
      if (facts === null) continue;
      const state = `${facts.size} ${facts.mtimeMs}`;
      if (done.get(name) === state) continue;
      // A file that is still being copied into the folder is left until it rests.
      if (!isFirst && clock.now() - facts.mtimeMs < settledMs) {
        isSettled = false;
        continue;
      }
      await importOne(path);
      done.set(name, state);
    }
    return isSettled;
  }

  async function importOne(path: string): Promise<void> {
    try {
      const startedAt = clock.monotonic();
      const images = await options.import(path, signal);
      log.info('images imported', { path, images, ms: Math.round(clock.monotonic() - startedAt) });
    } catch (thrown) {
      if (signal.aborted) return;
      options.failed(path, describeError(thrown));
    }
  }

  async function loop(): Promise<void> {
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      const poked = new Promise<void>((resolve) => {
        poke = resolve;
      });
      let isSettled = true;
      try {
        await mkdir(folder, { recursive: true, mode: 0o755 });
        watcher ??= watch(folder, () => poke()).on('error', () => {
          watcher?.close();
          watcher = undefined;
        });
        isSettled = await scan(isFirst);
      } catch (thrown) {
        log.warn('the folder of image archives can not be read', { folder, error: describeError(thrown) });
      }
      first.resolve();
      using _timer = clock.after(isSettled ? rescanMs : settledMs, () => poke());
      await poked;
    }
  }

  const first = Promise.withResolvers<void>();
  const ended = loop();
  return {
    first: first.promise,
    async [Symbol.asyncDispose]() {
      abort.abort();
      watcher?.close();
      poke();
      await ended;
    },
  };
}
