import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import { decodePackets, encodeRegistration, encodeRequest, type ViciMessage } from './vici.ts';

test('a request is what the protocol says, byte for byte', () => {
  const message = { section: { key: 'value', list: ['a'] } };
  assert.equal(
    encodeRequest('version', message).toString('latin1'),
    '\0\0\0\x2a\0\x07version\x01\x07section\x03\x03key\0\x05value\x04\x04list\x05\0\x01a\x06\x02',
  );
  assert.equal(encodeRegistration('log').toString('latin1'), '\0\0\0\x05\x03\x03log');
});

const text = fc.string({ maxLength: 300 });
const name = fc.string({ minLength: 1, maxLength: 60 }).filter((one) => one !== '__proto__' && !/^\d+$/.test(one));
const { message } = fc.letrec<{ message: ViciMessage }>((tie) => ({
  message: fc.dictionary(name, fc.oneof({ maxDepth: 4 }, text, fc.array(text, { maxLength: 4 }), tie('message')), {
    maxKeys: 5,
    noNullPrototype: true,
  }),
}));

/** An answer with the members of a request. */
function answer(body: ViciMessage): Buffer {
  const request = encodeRequest('', body);
  const bytes = Buffer.concat([request.subarray(0, 4), Buffer.from([1]), request.subarray(6)]);
  bytes.writeUInt32BE(bytes.length - 4);
  return bytes;
}

test('whatever an answer holds is read back, also when it arrives in pieces', () => {
  fc.assert(
    fc.property(message, fc.nat(), (body, cut) => {
      const bytes = Buffer.concat([answer(body), answer({ success: 'yes' })]);
      const at = cut % bytes.length;
      const first = decodePackets(bytes.subarray(0, at));
      const second = decodePackets(Buffer.concat([first.rest, bytes.subarray(at)]));
      assert.deepEqual(
        [...first.packets, ...second.packets].map((packet) => packet.message),
        [body, { success: 'yes' }],
      );
      assert.equal(second.rest.length, 0);
    }),
  );
});

test('what is not a packet is refused by name, and nothing else happens', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (body) => {
      const bytes = Buffer.concat([Buffer.from([0, 0, 0, body.length]), body]);
      try {
        decodePackets(bytes);
      } catch (error) {
        assert.equal(error instanceof Error && 'code' in error ? error.code : error, 'VICI_MALFORMED');
      }
    }),
  );
  assert.throws(() => decodePackets(Buffer.from([0xff, 0, 0, 0])), { code: 'VICI_MALFORMED' });
});
