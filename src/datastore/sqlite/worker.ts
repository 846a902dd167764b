/** The entry of both worker threads of a SQLite datastore: answers the main thread's calls one after another. */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../core/assert.ts';
import { openForReading, openForWriting } from './database.ts';
import { packFailure } from './failure.ts';
import { lockDirectory } from './lock.ts';
import type { Calls, ReaderCalls, ReplyMessage, RequestMessage, Role, WriterCalls } from './protocol.ts';
import { LogReader } from './reader.ts';
import { LogWriter } from './writer.ts';

type Handlers<C extends { [K in keyof C]: Calls[string] }> = {
  readonly [K in keyof C]: (request: C[K]['request']) => C[K]['reply'] | Promise<C[K]['reply']>;
};

const port = parentPort;
assert(port !== null, 'this file runs as a worker thread');
const role: Role = workerData;
let directory = '';
const byName: ReadonlyMap<string, (request: never) => unknown> = new Map(
  Object.entries(role === 'writer' ? writerHandlers() : readerHandlers()),
);

port.on('message', (message: RequestMessage) => void answer(message));

async function answer({ id, name, request }: RequestMessage): Promise<void> {
  try {
    const handler = byName.get(name);
    assert(handler !== undefined, `the ${role} knows the call ${name}`);
    // Calls that answer at once do so before the next message is looked at.
    const result: unknown = handler(request as never);
    const reply = result instanceof Promise ? await result : result;
    send({ id, reply }, buffersOf(reply));
  } catch (error) {
    send({ id, failure: packFailure(error, directory) }, []);
  }
}

function send(message: ReplyMessage, transfer: ArrayBuffer[]): void {
  port?.postMessage(message, transfer);
}

/** The buffers of packed values in a reply, at whatever depth. */
function buffersOf(value: unknown): ArrayBuffer[] {
  if (value instanceof ArrayBuffer) return [value];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.values(value).flatMap(buffersOf);
}

function writerHandlers(): Handlers<WriterCalls> {
  let writer: LogWriter | undefined;
  let lock: Disposable | undefined;
  /** Compactions that wait for the sweep; there is one sweep for all of them. */
  let waiting: PromiseWithResolvers<null>[] = [];
  let scheduled: NodeJS.Immediate | undefined;
  const opened = (): LogWriter => {
    assert(writer !== undefined, 'the writer is open');
    return writer;
  };
  const settleWaiting = (settle: (one: PromiseWithResolvers<null>) => void) => {
    const all = waiting;
    waiting = [];
    all.forEach(settle);
  };
  // One step an event loop turn, so that writes which came meanwhile go in between.
  const sweepSoon = () => {
    scheduled ??= setImmediate(() => {
      scheduled = undefined;
      try {
        opened().sweep();
      } catch (error) {
        // The boundary stands; the next compaction goes on with the removal.
        settleWaiting((one) => one.reject(error));
        return;
      }
      if (opened().sweeping) sweepSoon();
      else settleWaiting((one) => one.resolve(null));
    });
  };
  return {
    open: (request) => {
      directory = request.directory;
      lock = lockDirectory(directory);
      try {
        writer = new LogWriter(openForWriting(directory));
      } catch (error) {
        lock[Symbol.dispose]();
        throw error;
      }
      return writer.opened();
    },
    write: (request) => opened().write(request),
    expire: ({ now }) => opened().expire(now),
    compact: ({ to }) => {
      opened().compact(to);
      if (!opened().sweeping) return null;
      const done = Promise.withResolvers<null>();
      waiting.push(done);
      sweepSoon();
      return done.promise;
    },
    settle: () => {
      opened().settle();
      return null;
    },
    close: () => {
      clearImmediate(scheduled);
      settleWaiting((one) => one.resolve(null));
      writer?.close();
      lock?.[Symbol.dispose]();
      setImmediate(() => port?.close()); // After the reply.

      return null;
    },
  };
}

function readerHandlers(): Handlers<ReaderCalls> {
  let reader: LogReader | undefined;
  const opened = (): LogReader => {
    assert(reader !== undefined, 'the reader is open');
    return reader;
  };
  return {
    open: (request) => {
      directory = request.directory;
      reader = new LogReader(openForReading(directory));
      return null;
    },
    get: ({ key, at }) => opened().get(key, at),
    list: (request) => opened().list(request),
    count: ({ start, end }) => opened().count(start, end),
    changes: (request) => opened().changes(request),
    checkpoint: () => ({ remaining: opened().checkpoint() }),
    close: () => {
      reader?.close();
      setImmediate(() => port?.close()); // After the reply.

      return null;
    },
  };
}
