import type { Writable } from 'node:stream';

/** Resolves when a stream takes more again, or is closed and never will: the writer finds out by looking. */
export function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}
