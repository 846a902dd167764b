import type { Duplex } from 'node:stream';
import { FrameReader, frameType } from '../wire/tunnel-frames.ts';

/** Hands each datagram of a stream to `take`; a stream that carries anything else, or ends, is closed. */
export function readDatagrams(stream: Duplex, take: (datagram: Buffer) => void): void {
  const reader = new FrameReader();
  stream.on('error', () => stream.destroy());
  stream.on('end', () => stream.destroy());
  stream.on('data', (chunk: Buffer) => {
    reader.push(chunk);
    try {
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
        if (frame.type !== frameType.datagram) {
          stream.destroy();
          return;
        }
        take(frame.payload);
      }
    } catch (error) {
      // Not our protocol: whoever waits for the stream's end sees why.
      stream.destroy(error instanceof Error ? error : undefined);
    }
  });
}
