import type { WebSocket } from 'ws';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { SpdySession, SpdyStream } from '../../wire/spdy-session.ts';
import { decodeChannelMessage, encodeChannelMessage } from '../../wire/websocket-channels.ts';

/** The protocol of port-forward with the runtime. */
export const portForwardStreams = 'portforward.k8s.io';

const bufferedBytesMax = 1024 * 1024;
const normalClosure = 1000;
const protocolError = 1002;

/**
 * Port-forward over plain WebSocket channels: for the n-th port channel 2n carries data and 2n+1 errors; each begins with
 * the port's number, so that the client can tell them apart.
 */
export async function translatePorts(
  webSocket: WebSocket,
  session: SpdySession,
  ports: readonly number[],
  log: Log,
): Promise<void> {
  const inputs = new Map<number, SpdyStream>();
  const outputs: Promise<void>[] = [];
  for (const [index, port] of ports.entries()) {
    const headers = { port: [String(port)], requestid: [String(index)] };
    const error = session.createStream({ streamtype: ['error'], ...headers });
    const data = session.createStream({ streamtype: ['data'], ...headers });
    error.end();
    inputs.set(2 * index, data);
    data.on('drain', () => webSocket.resume());
    const number = Buffer.alloc(2);
    number.writeUInt16LE(port, 0);
    webSocket.send(encodeChannelMessage(2 * index, number), { binary: true });
    webSocket.send(encodeChannelMessage(2 * index + 1, number), { binary: true });
    outputs.push(forward(data, 2 * index, webSocket), forward(error, 2 * index + 1, webSocket));
  }
  webSocket.on('message', (bytes: Buffer) => {
    try {
      const { channel, ...message } = decodeChannelMessage(bytes, 'v4.channel.k8s.io');
      const stream = inputs.get(channel);
      if (message.type === 'data' && stream?.writable && !stream.write(message.data)) webSocket.pause();
    } catch (thrown) {
      webSocket.close(protocolError, describeError(thrown).slice(0, 120));
    }
  });
  webSocket.on('error', (error) => log.debug('a port-forward client broke off', { error }));
  const gone = new Promise<void>((resolve) => webSocket.once('close', () => resolve()));
  webSocket.resume();
  try {
    await Promise.race([Promise.all(outputs), gone]);
    webSocket.close(normalClosure);
  } catch (thrown) {
    log.debug('a forwarded port broke off', { error: describeError(thrown) });
    webSocket.close(1011, 'the forwarded port broke off');
  } finally {
    session.close();
  }
}

async function forward(stream: SpdyStream, channel: number, webSocket: WebSocket): Promise<void> {
  for await (const chunk of stream) {
    if (webSocket.readyState !== webSocket.OPEN) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    webSocket.send(encodeChannelMessage(channel, chunk as Buffer), { binary: true }, () => resolve());
    if (webSocket.bufferedAmount > bufferedBytesMax) await promise;
  }
}
