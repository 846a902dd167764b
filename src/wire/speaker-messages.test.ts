import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { test } from 'node:test';
import { fc } from '../../tools/property.ts';
import { addressBytes, addressText } from './ip-bytes.ts';
import {
  type Body,
  claimsBodies,
  claimsPerPacket,
  decodeSpeakerMessage,
  encodeSpeakerMessage,
  packetBytesMax,
  type SpeakerMessage,
} from './speaker-messages.ts';

const key = Buffer.from('the key that the nodes share');
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const address = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map((bytes) => addressText(Buffer.from(bytes)));
const claim = fc.record({ address, term: uint32, isYielding: fc.boolean() });
const body: fc.Arbitrary<Body> = fc.oneof(
  fc.record({ kind: fc.constant('heartbeat' as const), version: uint32 }),
  fc.record({ kind: fc.constant('ask' as const), challenge: uint64 }),
  fc.record({ kind: fc.constant('leave' as const) }),
  fc.record({
    kind: fc.constant('claims' as const),
    ...{ version: uint32, challenge: uint64 },
    ...{ part: fc.constant(1), parts: fc.integer({ min: 2, max: 255 }) },
    claims: fc.array(claim, { maxLength: claimsPerPacket }),
  }),
);
const message: fc.Arbitrary<SpeakerMessage> = fc.record({
  name: fc.stringMatching(/^[a-z0-9.-]{1,253}$/),
  ...{ incarnation: uint64, sequence: uint64, body },
});

test('what is written is read, and fits a packet', () => {
  fc.assert(
    fc.property(message, (sent) => {
      const packet = encodeSpeakerMessage(sent, key);
      assert.ok(packet.length <= packetBytesMax);
      assert.deepEqual(decodeSpeakerMessage(packet, key), structuredClone(sent));
    }),
  );
});

test('a packet that was changed, or sealed by another key, is none', () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (sent, at, change) => {
      const packet = encodeSpeakerMessage(sent, key);
      assert.equal(decodeSpeakerMessage(packet, Buffer.from('another key')), undefined);
      const index = at % packet.length;
      packet[index] = (packet[index] ?? 0) ^ change;
      assert.equal(decodeSpeakerMessage(packet, key), undefined);
    }),
  );
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 1500 }),
      (bytes) => decodeSpeakerMessage(Buffer.from(bytes), key) === undefined,
    ),
  );
});

test('the packet of a heartbeat, byte by byte', () => {
  const packet = encodeSpeakerMessage(
    { name: 'one', incarnation: 1n, sequence: 2n, body: { kind: 'heartbeat', version: 3 } },
    key,
  );
  const sealed = '574c3201 01 03 6f6e65 0000000000000001 0000000000000002 00000003'.replaceAll(' ', '');
  assert.equal(packet.subarray(0, -16).toString('hex'), sealed);
});

test('claims that one packet can not hold travel in parts', () => {
  const claims = Array.from({ length: claimsPerPacket + 1 }, (_, index) => ({
    address: `2001:db8::${(index + 1).toString(16)}`,
    term: 1,
    isYielding: false,
  }));
  const bodies = claimsBodies(7, 0n, claims);
  assert.equal(bodies.length, 2);
  assert.deepEqual(
    bodies.flatMap((one) => (one.kind === 'claims' ? one.claims : [])),
    claims,
  );
  assert.equal(claimsBodies(7, 0n, []).length, 1);
});

test('addresses have one form in text and one in bytes', () => {
  for (const [text, bytes] of [
    ['192.0.2.255', 'c00002ff'],
    ['::', '00'.repeat(16)],
    ['::1', `${'00'.repeat(15)}01`],
    ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001'],
    ['2001:0:0:1::1', '20010000000000010000000000000001'],
    ['fe80::', `fe80${'00'.repeat(14)}`],
  ] as const) {
    assert.equal(addressText(Buffer.from(bytes, 'hex')), text);
    assert.equal(addressBytes(text).toString('hex'), bytes);
  }
  fc.assert(
    fc.property(address, (text) => {
      assert.equal(addressText(addressBytes(text)), text);
      if (isIPv6(text)) assert.equal(new URL(`http://[${text}]`).hostname, `[${text}]`);
    }),
  );
});
