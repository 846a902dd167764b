import type { Clock } from '../../core/clock.ts';
import { encodeWatchFrame } from '../../kube/protobuf/encode.ts';
import { bookmarkObject, convertWatched, type IncludeObject } from '../convert-answer.ts';
import type { ServedKind } from '../kind-registry.ts';
import type { Target } from '../media-type.ts';
import type { WatchItem, WatchSource } from '../watch.ts';

/** Bytes that a watcher may leave unread before its watch is ended. */
export const watchBacklogBytes = 8 * 1024 * 1024;

const minTimeoutSeconds = 1800;

/** Where the frames go: the part of an HTTP/1.1 or HTTP/2 response that is needed here. */
export interface FrameStream {
  write(frame: Buffer): unknown;
  end(): unknown;
  readonly writableLength: number;
}

export interface WatchResponseOptions {
  readonly clock: Clock;
  readonly served: ServedKind;
  readonly target: Target;
  readonly include: IncludeObject;
  /** What the watcher may leave unread before its watch is ended. */
  readonly backlogBytes: number;
}

/** Writes a watch to a response: one JSON object a line, or frames of protobuf. Disposing ends it. */
export function streamWatch(source: WatchSource, stream: FrameStream, options: WatchResponseOptions): Disposable {
  const encode = encoderOf(options);
  let isOver = false;
  const finish = () => {
    if (isOver) return;
    isOver = true;
    timer[Symbol.dispose]();
    watching?.[Symbol.dispose]();
    stream.end();
  };
  // Clients that don't say get a random time, so that they don't all come back at once.
  const seconds = source.timeoutSeconds ?? minTimeoutSeconds * (1 + Math.random());
  const timer = options.clock.after(Math.max(seconds, 0) * 1000, finish);
  let watching: Disposable | undefined;
  if (seconds <= 0) finish();
  else {
    watching = source.start({
      send(items) {
        if (isOver) return;
        if (stream.writableLength > options.backlogBytes) {
          finish();
          return;
        }
        if (items.length === 1 && items[0] !== undefined) stream.write(encode(items[0]));
        else stream.write(Buffer.concat(items.map(encode)));
      },
      end: finish,
    });
    if (isOver) watching[Symbol.dispose]();
  }
  return { [Symbol.dispose]: finish };
}

const frameTail = Buffer.from('}\n');

// Watchers that see the same form of the same change share its frame.
function encoderOf({ served, target, include, clock }: WatchResponseOptions): (item: WatchItem) => Buffer {
  const { convert, serializer } = target;
  const isProtobuf = serializer === 'protobuf';
  const whole = (type: WatchItem['type'], object: object) =>
    isProtobuf ? encodeWatchFrame(type, object) : line({ type, object });
  let isFirst = true;
  return (item) => {
    if (item.type === 'ERROR') return whole('ERROR', item.status);
    if (item.type === 'BOOKMARK') {
      const object = bookmarkObject(served, item.revision, item.initialEventsEnd, convert);
      return whole('BOOKMARK', object);
    }
    if (convert !== null) {
      const object = convertWatched(served, item.entry.object, convert, include, clock.now(), isFirst);
      isFirst = false;
      return whole(item.type, object);
    }
    const key = `${item.type} ${served.apiVersion} ${serializer}`;
    const shared = item.frames?.get(key);
    if (shared !== undefined) return shared;
    const frame = isProtobuf
      ? encodeWatchFrame(item.type, item.entry.object)
      : Buffer.concat([Buffer.from(`{"type":"${item.type}","object":`), item.entry.bytes, frameTail]);
    item.frames?.set(key, frame);
    return frame;
  };
}

function line(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}
