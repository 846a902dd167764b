import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../tools/property.ts';
import { WherryError } from '../core/errors.ts';
import { channelProtocols, chooseProtocol, decodeChannelMessage, encodeChannelMessage } from './websocket-channels.ts';

test('a message names its channel in its first byte', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 254 }), fc.uint8Array(), (channel, bytes) => {
      const data = Buffer.from(bytes);
      const message = encodeChannelMessage(channel, data);
      assert.deepEqual({ ...decodeChannelMessage(message, 'v4.channel.k8s.io') }, { type: 'data', channel, data });
    }),
  );
});

test('only v5 closes channels, and any message is either read or refused', () => {
  assert.deepEqual(
    { ...decodeChannelMessage(Buffer.from([255, 0]), 'v5.channel.k8s.io') },
    { type: 'close', channel: 0 },
  );
  assert.throws(() => decodeChannelMessage(Buffer.from([255, 0]), 'v4.channel.k8s.io'), WherryError);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4 }), fc.constantFrom(...channelProtocols), (bytes, protocol) => {
      try {
        decodeChannelMessage(Buffer.from(bytes), protocol);
      } catch (thrown) {
        assert.ok(thrown instanceof WherryError);
      }
    }),
  );
});

test('the newest protocol that both speak is chosen', () => {
  assert.equal(chooseProtocol(['v4.channel.k8s.io', 'v5.channel.k8s.io'], channelProtocols), 'v5.channel.k8s.io');
  assert.equal(chooseProtocol(['channel.k8s.io'], channelProtocols), undefined);
});
