import type { WebSocket } from 'ws';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { SpdySession, SpdyStream } from '../../wire/spdy-session.ts';
import {
  type ChannelName,
  type ChannelProtocol,
  channels,
  decodeChannelMessage,
  encodeChannelMessage,
} from '../../wire/websocket-channels.ts';

export interface StreamChoice {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** The streams' protocol that is spoken with the runtime: the error stream carries a Status as JSON. */
export const runtimeProtocol = 'v4.channel.k8s.io';

/** A slow WebSocket client holds the runtime up from this many bytes on. */
const bufferedBytesMax = 1024 * 1024;
const normalClosure = 1000;
const protocolError = 1002;
const internalError = 1011;

/**
 * Translates between the channels of an exec or attach over WebSocket and the SPDY streams of the runtime, until the
 * command ends or the client is gone.
 */
export async function translateChannels(
  webSocket: WebSocket,
  protocol: ChannelProtocol,
  session: SpdySession,
  choice: StreamChoice,
  log: Log,
): Promise<void> {
  const open = (name: ChannelName) => session.createStream({ streamtype: [name] });
  // In this order, as Kubernetes' own client opens them.
  const error = open('error');
  const inputs = new Map<number, SpdyStream>();
  if (choice.stdin) inputs.set(channels.stdin, open('stdin'));
  const outputs: Promise<number>[] = [];
  const stdout = choice.stdout ? open('stdout') : undefined;
  const stderr = choice.stderr && !choice.tty ? open('stderr') : undefined;
  if (choice.tty) inputs.set(channels.resize, open('resize'));
  if (stdout) outputs.push(forward(stdout, channels.stdout, webSocket));
  if (stderr) outputs.push(forward(stderr, channels.stderr, webSocket));
  const status = forward(error, channels.error, webSocket);
  for (const stream of inputs.values()) {
    stream.resume();
    stream.on('drain', () => webSocket.resume());
  }

  webSocket.on('message', (data: Buffer) => {
    try {
      const message = decodeChannelMessage(data, protocol);
      const stream = inputs.get(message.channel);
      if (message.type === 'close') stream?.end();
      else if (stream?.writable && message.data.length > 0 && !stream.write(message.data)) webSocket.pause();
    } catch (thrown) {
      webSocket.close(protocolError, describeError(thrown).slice(0, 120));
    }
  });
  const gone = new Promise<void>((resolve) => webSocket.once('close', () => resolve()));
  // It was held since it was accepted, so that nothing was missed.
  webSocket.resume();
  webSocket.on('error', (error) => log.debug('a streaming client broke off', { error }));

  try {
    const ended = await Promise.race([Promise.all([status, ...outputs]), gone]);
    // The runtime's last word is the command's status; without it the command's end is not known.
    if (ended === undefined || ended[0] > 0) webSocket.close(normalClosure);
    else webSocket.close(internalError, 'the container runtime told no status');
  } catch (thrown) {
    log.debug('a stream from the container runtime broke off', { error: describeError(thrown) });
    webSocket.close(internalError, 'the stream from the container runtime broke off');
  } finally {
    session.close();
  }
}

/** Sends what a stream brings as messages of one channel; reads no further while the client is behind. Resolves with the number of bytes. */
async function forward(stream: SpdyStream, channel: number, webSocket: WebSocket): Promise<number> {
  // Our half of an output has nothing to say.
  stream.end();
  let bytes = 0;
  for await (const chunk of stream) {
    if (webSocket.readyState !== webSocket.OPEN) break;
    bytes += chunk.length;
    const { promise, resolve } = Promise.withResolvers<void>();
    webSocket.send(encodeChannelMessage(channel, chunk as Buffer), { binary: true }, () => resolve());
    if (webSocket.bufferedAmount > bufferedBytesMax) await promise;
  }
  return bytes;
}
