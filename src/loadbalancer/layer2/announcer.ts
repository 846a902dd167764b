import type { EthernetLink } from '../../engines/raw-sockets/link-sockets.ts';
import { addressBytes } from '../../wire/ip-bytes.ts';
import { announcements, answerTo, parseQuestion } from '../../wire/neighbour.ts';

/** When a node that has taken an address tells the link, milliseconds after it took it: some of it may be lost. */
export const announceAtMs: readonly number[] = [0, 50, 200, 500, 1_000, 2_000, 3_000, 4_000, 5_000];
/** After that, between two announcements. */
export const announceEveryMs = 60_000;

/** What the announcer sends frames by: the interfaces of this machine. */
export interface Links {
  send(frame: Buffer, link: number): boolean;
  listenFor(address: Buffer, link: number): boolean;
  stopListeningFor(address: Buffer, link: number): boolean;
}

interface Held {
  readonly bytes: Buffer;
  /** How often it was announced. */
  announced: number;
  dueMs: number;
}

/** Answers for the addresses that this node holds, on the interfaces that are chosen for each, and announces them. */
export class Announcer {
  readonly #links: Links;
  readonly #held = new Map<string, Held>();
  /** By the address' bytes, as questions carry them. */
  readonly #byBytes = new Map<string, string>();
  #interfaces: readonly EthernetLink[] = [];
  #chosen: (address: string) => readonly string[] = () => [];
  /** Interfaces on which questions for an address are listened for: `address link`. */
  readonly #listening = new Map<string, { readonly bytes: Buffer; readonly link: number }>();

  constructor(links: Links) {
    this.#links = links;
  }

  /** Which interfaces there are, and the names of those that serve an address (empty: all). */
  configure(interfaces: readonly EthernetLink[], chosen: (address: string) => readonly string[], nowMs: number): void {
    const before = new Set(this.#interfaces.map((link) => JSON.stringify(link)));
    const isNew = interfaces.some((link) => !before.has(JSON.stringify(link)));
    this.#interfaces = interfaces;
    this.#chosen = chosen;
    this.#listen();
    // A link that has come, or come back, has learned nothing yet.
    if (isNew) for (const held of this.#held.values()) Object.assign(held, { announced: 0, dueMs: nowMs });
  }

  /** Answers for the address from now on. Called again, it announces again. */
  hold(address: string, nowMs: number): void {
    const bytes = addressBytes(address);
    this.#held.set(address, { bytes, announced: 0, dueMs: nowMs });
    this.#byBytes.set(bytes.toString('latin1'), address);
    this.#listen();
    this.tick(nowMs);
  }

  release(address: string): void {
    const held = this.#held.get(address);
    if (held === undefined) return;
    this.#held.delete(address);
    this.#byBytes.delete(held.bytes.toString('latin1'));
    this.#listen();
  }

  /** The names of the interfaces on which an address is answered for. */
  interfacesOf(address: string): readonly string[] {
    return this.#linksOf(address).map(({ name }) => name);
  }

  /** Answers a frame that came in by an interface, when it asks for what is held. */
  receive(frame: Buffer, link: number): void {
    const question = parseQuestion(frame);
    if (question === undefined) return;
    const address = this.#byBytes.get(question.target.toString('latin1'));
    if (address === undefined) return;
    const by = this.#linksOf(address).find(({ index }) => index === link);
    if (by !== undefined) this.#links.send(answerTo(question, macBytes(by.mac)), link);
  }

  /** Sends what is due; returns when the next is. */
  tick(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [address, held] of this.#held) {
      if (held.dueMs <= nowMs) {
        this.#announce(address, held.bytes);
        const sinceMs = announceAtMs[held.announced] ?? 0;
        held.announced += 1;
        const thenMs = announceAtMs[held.announced];
        held.dueMs = nowMs + (thenMs === undefined ? announceEveryMs : thenMs - sinceMs);
      }
      nextMs = Math.min(nextMs, held.dueMs);
    }
    return nextMs;
  }

  #announce(address: string, bytes: Buffer): void {
    for (const { mac, index } of this.#linksOf(address)) {
      for (const frame of announcements(bytes, macBytes(mac))) this.#links.send(frame, index);
    }
  }

  #linksOf(address: string): readonly EthernetLink[] {
    const names = this.#chosen(address);
    return names.length === 0 ? this.#interfaces : this.#interfaces.filter(({ name }) => names.includes(name));
  }

  // Joins and leaves the groups by which held IPv6 addresses are asked for.
  #listen(): void {
    const wanted = new Map<string, { readonly bytes: Buffer; readonly link: number }>();
    for (const [address, { bytes }] of this.#held) {
      if (bytes.length !== 16) continue;
      for (const { index } of this.#linksOf(address)) wanted.set(`${address} ${index}`, { bytes, link: index });
    }
    for (const [key, { bytes, link }] of this.#listening) {
      if (wanted.has(key)) continue;
      this.#links.stopListeningFor(bytes, link);
      this.#listening.delete(key);
    }
    for (const [key, one] of wanted) {
      if (this.#listening.has(key)) continue;
      if (this.#links.listenFor(one.bytes, one.link)) this.#listening.set(key, one);
    }
  }
}

function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}
