import { WherryError } from '../core/errors.ts';

/** The channels of an exec or attach over WebSocket: the first byte of each message. */
export const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;
export type ChannelName = keyof typeof channels;

/** What a client may ask for, best first. Only v5 can close stdin (KEP-4006). */
export const channelProtocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;
export type ChannelProtocol = (typeof channelProtocols)[number];

/** SPDY inside of WebSocket messages, for port-forward. */
export const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io';
/** Port-forward in channels: two for each port, data and errors. */
export const portForwardProtocol = 'v4.channel.k8s.io';

/** Says that the peer will send no more on the channel of the second byte. */
const closeSignal = 255;

export type ChannelMessage =
  | { readonly type: 'data'; readonly channel: number; readonly data: Buffer }
  | { readonly type: 'close'; readonly channel: number };

/** Reads one message. Throws WherryError for one that the protocol does not know. */
export function decodeChannelMessage(message: Buffer, protocol: ChannelProtocol): ChannelMessage {
  const channel = message[0];
  if (channel === undefined) throw new WherryError('CHANNEL_MESSAGE', 'a message without a channel');
  if (channel !== closeSignal) return { type: 'data', channel, data: message.subarray(1) };
  const closed = message[1];
  if (protocol !== 'v5.channel.k8s.io' || closed === undefined || message.length !== 2)
    throw new WherryError('CHANNEL_MESSAGE', `a close signal that ${protocol} does not know`);
  return { type: 'close', channel: closed };
}

export function encodeChannelMessage(channel: number, data: Uint8Array): Buffer {
  const message = Buffer.allocUnsafe(data.length + 1);
  message[0] = channel;
  message.set(data, 1);
  return message;
}

/** The best of what a client offers in Sec-WebSocket-Protocol; undefined when nothing fits. */
export function chooseProtocol<T extends string>(offered: Iterable<string>, spoken: readonly T[]): T | undefined {
  const set = new Set(offered);
  return spoken.find((protocol) => set.has(protocol));
}
