import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../tools/property.ts';
import { addressBytes } from './ip-bytes.ts';
import { announcements, answerTo, parseQuestion, solicitation, solicitedGroup } from './neighbour.ts';

const mac = Buffer.from('020000000001', 'hex');
const ownMac = Buffer.from('0200000000ff', 'hex');
const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex');

test('a question by ARP gets an answer that only the asker sees', () => {
  // As recorded by tcpdump: who-has 192.0.2.9 tell 192.0.2.1.
  const frame = hex('ffffffffffff 020000000001 0806 0001080006040001 020000000001 c0000201 000000000000 c0000209');
  const question = parseQuestion(frame);
  assert.ok(question !== undefined);
  assert.deepEqual([...question.target], [192, 0, 2, 9]);
  assert.equal(
    answerTo(question, ownMac).toString('hex'),
    '020000000001 0200000000ff 0806 0001080006040002 0200000000ff c0000209 020000000001 c0000201'.replaceAll(' ', ''),
  );
});

test('answers, announcements and malformed frames are no questions', () => {
  const target = addressBytes('192.0.2.9');
  for (const frame of announcements(target, mac)) assert.equal(parseQuestion(frame), undefined);
  assert.equal(parseQuestion(answerTo({ target, asker: addressBytes('192.0.2.1'), askerMac: mac }, ownMac)), undefined);
  const asked = solicitation(
    addressBytes('2001:db8::9'),
    solicitedGroup(addressBytes('2001:db8::9')),
    addressBytes('2001:db8::1'),
    mac,
  );
  for (const [at, value] of [
    [21, 254],
    [60, 1],
    [54, 134],
  ] as const) {
    const broken = Buffer.from(asked);
    broken[at] = value;
    assert.equal(parseQuestion(broken), undefined, `byte ${at}`);
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => void parseQuestion(Buffer.from(bytes))));
});

test('a question by NDP is answered with override, and solicited to whom has an address', () => {
  const target = addressBytes('2001:db8::9');
  const asker = addressBytes('2001:db8::1');
  const frame = solicitation(target, solicitedGroup(target), asker, mac);
  assert.equal(frame.subarray(0, 6).toString('hex'), '3333ff000009');
  const question = parseQuestion(frame);
  assert.ok(question?.asker !== undefined);
  assert.deepEqual(
    [question.target.equals(target), question.asker.equals(asker), question.askerMac.equals(mac)],
    [true, true, true],
  );
  const answer = answerTo(question, ownMac);
  // To the asker, hop limit 255, flags S and O, its link-layer address as option.
  assert.equal(answer.subarray(0, 14).toString('hex'), '0200000000010200000000ff86dd');
  assert.deepEqual([answer[21], answer[54], answer[58]], [255, 136, 0x60]);
  assert.equal(answer.subarray(78).toString('hex'), '02010200000000ff');
});

test('who has no address yet is answered by telling all', () => {
  const target = addressBytes('2001:db8::9');
  const question = parseQuestion(solicitation(target, solicitedGroup(target), Buffer.alloc(16), mac));
  assert.ok(question !== undefined);
  const answer = answerTo(question, ownMac);
  assert.equal(answer.subarray(0, 6).toString('hex'), '333300000001');
  assert.equal(answer[58], 0x20);
});

test('an announcement of IPv6 has the checksum that receivers compute', () => {
  const [frame] = announcements(addressBytes('fe80::1'), mac);
  assert.ok(frame !== undefined);
  let sum = 0;
  const covered = Buffer.concat([frame.subarray(22, 54), hex('00000020 0000003a'), frame.subarray(54)]);
  for (let at = 0; at < covered.length; at += 2) sum += covered.readUInt16BE(at);
  assert.equal((sum & 0xffff) + (sum >>> 16), 0xffff);
});
