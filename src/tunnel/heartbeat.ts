import type { WebSocket } from 'ws';
import type { Clock } from '../core/clock.ts';

/** Each end asks the other this often, milliseconds. */
const pingEveryMs = 2_000;
/** A peer that has said nothing for this long is dead. */
const silenceMs = 6_000;

/** Calls `onDead` once when the peer has gone silent; disposing ends the watch. */
export function startHeartbeat(socket: WebSocket, clock: Clock, onDead: () => void): Disposable {
  let heardMs = clock.monotonic();
  let beatMs = heardMs;
  const heard = () => {
    heardMs = clock.monotonic();
  };
  for (const event of ['ping', 'pong', 'message'] as const) socket.on(event, heard);
  const timer = setInterval(() => {
    const now = clock.monotonic();
    // This process itself was held up (a suspended machine): what came meanwhile has not been read yet.
    if (now - beatMs > 2 * pingEveryMs) heardMs = now;
    beatMs = now;
    if (now - heardMs > silenceMs) {
      clearInterval(timer);
      onDead();
    } else if (socket.readyState === socket.OPEN) socket.ping();
  }, pingEveryMs);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      for (const event of ['ping', 'pong', 'message'] as const) socket.off(event, heard);
    },
  };
}
