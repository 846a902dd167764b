/**
 * The entry of the thread that answers for addresses and listens to the other nodes. It waits for packets, orders and time
 * by itself, without an event loop: nothing else of this process can delay it, and what the event loop knows no words for (frames) needs no
 * second thread. It answers as long as it lives; with the process it ends.
 */
import { randomBytes } from 'node:crypto';
import { readSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { assert } from '../../core/assert.ts';
import { describeError, errorCode } from '../../core/errors.ts';
import { DatagramSocket } from '../../engines/raw-sockets/datagram-socket.ts';
import { threadId, waitForInput } from '../../engines/raw-sockets/libc.ts';
import { LinkSockets } from '../../engines/raw-sockets/link-sockets.ts';
import { Announcer } from './announcer.ts';
import { Speaker } from './speaker.ts';
import type { HeldAddress, SpeakerOrder, SpeakerReport, SpeakerStart } from './thread-orders.ts';

/** Packets that are taken from one socket before the others get their turn. */
const packetsAtOnce = 256;
/** How long handing over may take when the thread is told to stop, milliseconds. */
const leaveMs = 1_500;

const port = parentPort;
assert(port !== null, 'this file runs as a worker thread');
const start: SpeakerStart = workerData;
const say = (report: SpeakerReport) => port.postMessage(report);
const random = () => randomBytes(8).readBigUInt64BE();
const now = () => performance.now();

try {
  using sockets = new LinkSockets();
  using datagrams = new DatagramSocket(start.address, start.port);
  // A busy machine must not fall silent: the others would take what it holds. Without the right to it, it is as others.
  try {
    setPriority(threadId(), constants.priority.PRIORITY_HIGH);
  } catch (error) {
    if (errorCode(error) !== 'ERR_SYSTEM_ERROR') throw error;
  }
  say({ kind: 'started' });
  speak(sockets, datagrams);
  say({ kind: 'left' });
} catch (error) {
  say({ kind: 'refused', code: errorCode(error) ?? 'LAYER2', message: describeError(error) });
}
start.orders.close();
port.close();

function speak(sockets: LinkSockets, datagrams: DatagramSocket): void {
  let peers: ReadonlyMap<string, string> = new Map();
  let interfaces: ReadonlyMap<string, readonly string[]> = new Map();
  const previous = new Map<string, string | undefined>();
  const announcer = new Announcer(sockets);
  const speaker = new Speaker(
    {
      name: start.name,
      key: Buffer.from(start.key),
      incarnation: random(),
      random,
      send(node, packet) {
        const address = peers.get(node);
        if (address !== undefined) datagrams.send(packet, address, start.port);
      },
      hold(holding) {
        if (holding.previous !== undefined || !previous.has(holding.address))
          previous.set(holding.address, holding.previous);
        announcer.hold(holding.address, now());
      },
      release(address) {
        previous.delete(address);
        announcer.release(address);
      },
    },
    now(),
  );
  let told = -1;
  const tell = () => {
    if (speaker.revision === told) return;
    told = speaker.revision;
    const held = speaker.held.map(
      (address): HeldAddress => ({
        address,
        interfaces: announcer.interfacesOf(address),
        previous: previous.get(address),
      }),
    );
    const { heldByOthers, alive, left } = speaker;
    say({ kind: 'state', held, heldByOthers, alive, left });
  };
  const obey = (order: SpeakerOrder) => {
    if (order.kind === 'stop') {
      leavingSinceMs ??= now();
      speaker.leave(now());
      return;
    }
    peers = order.peers;
    interfaces = new Map(order.wanted.map((one) => [one.address, one.interfaces]));
    announcer.configure(order.links, (address) => interfaces.get(address) ?? [], now());
    speaker.configure([...order.peers.keys()], order.wanted, now());
  };
  const word = Buffer.alloc(8);
  let leavingSinceMs: number | undefined;
  const waited = [...sockets.descriptors, datagrams.descriptor, start.event];
  for (;;) {
    const dueMs = Math.min(speaker.tick(now()), announcer.tick(now()));
    tell();
    if (leavingSinceMs !== undefined && (speaker.hasLeft || now() >= leavingSinceMs + leaveMs)) break;
    const ready = waitForInput(waited, Math.max(0, dueMs - now()));
    for (const [index, descriptor] of sockets.descriptors.entries()) {
      if (!ready[index]) continue;
      for (let count = 0; count < packetsAtOnce; count += 1) {
        const frame = sockets.receive(descriptor);
        if (frame === undefined) break;
        announcer.receive(frame.bytes, frame.link);
      }
    }
    if (ready[sockets.descriptors.length]) {
      for (let count = 0; count < packetsAtOnce; count += 1) {
        const packet = datagrams.receive();
        if (packet === undefined) break;
        speaker.receive(packet, now());
      }
    }
    if (ready.at(-1)) {
      readSync(start.event, word);
      for (
        let order = receiveMessageOnPort(start.orders);
        order !== undefined;
        order = receiveMessageOnPort(start.orders)
      ) {
        obey(order.message);
      }
    }
  }
  speaker.sayGoodbye();
}
