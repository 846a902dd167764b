import type { Duplex } from 'node:stream';
import { TransientError } from '../core/errors.ts';
import { type Frame, FrameReader } from '../wire/tunnel-frames.ts';

/**
 * Reads one frame and leaves what follows it in the connection. Without `timeoutMs` it waits as long as the connection lives.
 * Rejects with TransientError TUNNEL_CLOSED or TUNNEL_TIMEOUT, or TunnelProtocolError; the connection is the caller's to end.
 */
export function readFrame(connection: Duplex, timeoutMs?: number): Promise<Frame> {
  const { promise, resolve, reject } = Promise.withResolvers<Frame>();
  const reader = new FrameReader();
  const finish = (end: () => void) => {
    clearTimeout(timer);
    connection.off('readable', onReadable);
    connection.off('end', onClosed);
    connection.off('close', onClosed);
    connection.off('error', onClosed);
    end();
  };
  const onClosed = (error?: Error) => {
    const closed = new TransientError('TUNNEL_CLOSED', 'the other end closed the data connection', { cause: error });
    finish(() => reject(closed));
  };
  const onReadable = () => {
    try {
      for (let chunk = connection.read(); chunk !== null; chunk = connection.read()) {
        reader.push(chunk);
        const frame = reader.next();
        if (frame === undefined) continue;
        const rest = reader.rest();
        if (rest.length > 0) connection.unshift(rest);
        finish(() => resolve(frame));
        return;
      }
    } catch (error) {
      finish(() => reject(error));
    }
  };
  const onTimeout = () =>
    finish(() => reject(new TransientError('TUNNEL_TIMEOUT', 'the other end did not answer on a data connection')));
  const timer = timeoutMs === undefined ? undefined : setTimeout(onTimeout, timeoutMs);
  connection.on('readable', onReadable);
  connection.once('end', onClosed);
  connection.once('close', onClosed);
  connection.once('error', onClosed);
  onReadable();
  if (connection.destroyed) onClosed();
  return promise;
}
