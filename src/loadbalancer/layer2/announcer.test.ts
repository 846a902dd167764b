import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressBytes } from '../../wire/ip-bytes.ts';
import { answerTo, solicitation, solicitedGroup } from '../../wire/neighbour.ts';
import { Announcer, announceAtMs, announceEveryMs } from './announcer.ts';

const eth0 = { name: 'eth0', index: 2, mac: '02:00:00:00:00:01' };
const eth1 = { name: 'eth1', index: 3, mac: '02:00:00:00:00:02' };
const asker = Buffer.from('020000000099', 'hex');

/** Links that keep what is sent. */
class RecordedLinks {
  sent: { readonly frame: string; readonly link: number }[] = [];
  readonly groups = new Set<string>();
  send(frame: Buffer, link: number): boolean {
    this.sent.push({ frame: frame.toString('hex'), link });
    return true;
  }
  listenFor(address: Buffer, link: number): boolean {
    this.groups.add(`${address.toString('hex')} ${link}`);
    return true;
  }
  stopListeningFor(address: Buffer, link: number): boolean {
    return this.groups.delete(`${address.toString('hex')} ${link}`);
  }
}

function question(target: string): Buffer {
  const bytes = addressBytes(target);
  if (bytes.length === 16) return solicitation(bytes, solicitedGroup(bytes), addressBytes('2001:db8::1'), asker);
  const head = Buffer.from('ffffffffffff0200000000990806000108000604000102000000009900000000', 'hex');
  head.set(addressBytes('192.0.2.99'), 28);
  return Buffer.concat([head, Buffer.alloc(6), bytes]);
}

test('only what is held is answered for, on the interfaces chosen for it', () => {
  const links = new RecordedLinks();
  const announcer = new Announcer(links);
  announcer.configure([eth0, eth1], (address) => (address === '192.0.2.1' ? ['eth1'] : []), 0);
  announcer.hold('192.0.2.1', 0);
  announcer.hold('2001:db8::9', 0);
  links.sent = [];
  const answered = (address: string, link: number) => {
    links.sent = [];
    announcer.receive(question(address), link);
    return links.sent.map((one) => one.link);
  };
  assert.deepEqual(answered('192.0.2.1', 3), [3]);
  assert.deepEqual(answered('192.0.2.1', 2), []);
  assert.deepEqual(answered('192.0.2.2', 3), []);
  assert.deepEqual(answered('2001:db8::9', 2), [2]);
  announcer.release('192.0.2.1');
  assert.deepEqual(answered('192.0.2.1', 3), []);
});

test('an answer tells the card of the interface by which the question came', () => {
  const links = new RecordedLinks();
  const announcer = new Announcer(links);
  announcer.configure([eth0, eth1], () => [], 0);
  announcer.hold('192.0.2.1', 0);
  links.sent = [];
  announcer.receive(question('192.0.2.1'), 3);
  const target = addressBytes('192.0.2.1');
  const expected = answerTo(
    { target, asker: addressBytes('192.0.2.99'), askerMac: asker },
    Buffer.from('020000000002', 'hex'),
  );
  assert.deepEqual(links.sent, [{ frame: expected.toString('hex'), link: 3 }]);
});

test('an address is announced at once, again soon, and then from time to time', () => {
  const links = new RecordedLinks();
  const announcer = new Announcer(links);
  announcer.configure([eth0], () => [], 0);
  announcer.hold('2001:db8::9', 0);
  const times: number[] = [];
  for (let nowMs = 0; times.length < announceAtMs.length + 2; ) {
    if (links.sent.length > 0) times.push(nowMs);
    links.sent = [];
    nowMs = announcer.tick(nowMs);
    if (nowMs > times.length * announceEveryMs) break;
    announcer.tick(nowMs);
  }
  const last = announceAtMs.at(-1) ?? 0;
  assert.deepEqual(times, [...announceAtMs, last + announceEveryMs, last + 2 * announceEveryMs]);
});

test('an interface that comes later is told at once', () => {
  const links = new RecordedLinks();
  const announcer = new Announcer(links);
  announcer.configure([eth0], () => [], 0);
  announcer.hold('192.0.2.1', 0);
  links.sent = [];
  announcer.configure([eth0, eth1], () => [], 10_000);
  announcer.tick(10_000);
  assert.ok(links.sent.some(({ link }) => link === 3));
});

test('the groups of IPv6 are joined while an address is held', () => {
  const links = new RecordedLinks();
  const announcer = new Announcer(links);
  announcer.configure([eth0, eth1], () => ['eth0'], 0);
  announcer.hold('2001:db8::9', 0);
  assert.deepEqual([...links.groups], ['20010db8000000000000000000000009 2']);
  announcer.configure([eth1], () => [], 0);
  assert.deepEqual([...links.groups], ['20010db8000000000000000000000009 3']);
  announcer.release('2001:db8::9');
  assert.equal(links.groups.size, 0);
});
