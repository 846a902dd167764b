/**
 * Asks a link again and again who has some addresses, by ARP or NDP, and prints a line of JSON whenever the answer differs
 * from the one before: `{ atMs, address, macs }`, with all that answered one question.
 */
import { readFileSync } from 'node:fs';
import {
  bindSocket,
  family,
  int16,
  int32,
  openSocket,
  receivePacket,
  sendPacket,
  type,
  waitForInput,
} from '../../../src/engines/raw-sockets/libc.ts';
import { addressBytes, addressText } from '../../../src/wire/ip-bytes.ts';
import { etherTypeArp, etherTypeIpv6, solicitation, solicitedGroup } from '../../../src/wire/neighbour.ts';

/** A line of output. */
export interface Answer {
  /** Wall clock, when the question was asked. */
  readonly atMs: number;
  readonly address: string;
  /** Of all that answered it; none when nobody did. */
  readonly macs: readonly string[];
}

/** Between two questions, milliseconds. */
const everyMs = 10;
const [own = '', ...addresses] = process.argv.slice(2);
const link = Number(readFileSync('/sys/class/net/eth0/ifindex', 'utf8'));
const mac = Buffer.from(readFileSync('/sys/class/net/eth0/address', 'utf8').trim().replaceAll(':', ''), 'hex');
const everything = 0x0003;

const socketAddress = (etherType: number) => {
  const bytes = Buffer.alloc(20);
  int16(family.packet).copy(bytes);
  bytes.writeUInt16BE(etherType, 2);
  int32(link).copy(bytes, 4);
  return bytes;
};
const socket = openSocket(family.packet, type.raw, 0);
bindSocket(socket, socketAddress(everything));
const buffer = Buffer.alloc(2048);
const said = new Map<string, string>();
const ownBytes = addressBytes(own);

function arpQuestion(target: Buffer): Buffer {
  const head = Buffer.from([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
  return Buffer.concat([Buffer.alloc(6, 0xff), mac, head, mac, ownBytes, Buffer.alloc(6), target]);
}

/** The address and the card of an answer; not of announcements. */
function answerOf(frame: Buffer): { readonly address: string; readonly mac: string } | undefined {
  if (!frame.subarray(0, 6).equals(mac)) return undefined;
  const hex = (bytes: Buffer) => bytes.toString('hex').replace(/(..)(?!$)/g, '$1:');
  const etherType = frame.readUInt16BE(12);
  if (etherType === etherTypeArp && frame.readUInt16BE(20) === 2) {
    return { address: addressText(frame.subarray(28, 32)), mac: hex(frame.subarray(22, 28)) };
  }
  if (etherType === etherTypeIpv6 && frame[20] === 58 && frame[54] === 136) {
    return { address: addressText(frame.subarray(62, 78)), mac: hex(frame.subarray(80, 86)) };
  }
  return undefined;
}

for (;;) {
  const atMs = Date.now();
  const answers = new Map<string, Set<string>>(addresses.map((address) => [address, new Set()]));
  for (const address of addresses) {
    const target = addressBytes(address);
    const is6 = target.length === 16;
    const question = is6 ? solicitation(target, solicitedGroup(target), ownBytes, mac) : arpQuestion(target);
    sendPacket(socket, question, socketAddress(is6 ? etherTypeIpv6 : etherTypeArp));
  }
  for (let leftMs = everyMs; leftMs > 0; leftMs = atMs + everyMs - Date.now()) {
    waitForInput([socket], leftMs);
    for (let received = receivePacket(socket, buffer); received; received = receivePacket(socket, buffer)) {
      const answer = answerOf(received.packet);
      if (answer !== undefined) answers.get(answer.address)?.add(answer.mac);
    }
  }
  for (const [address, found] of answers) {
    const macs = [...found].sort();
    const text = macs.join(' ');
    if (said.get(address) === text) continue;
    said.set(address, text);
    const line: Answer = { atMs, address, macs };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}
