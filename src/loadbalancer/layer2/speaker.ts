import {
  type Body,
  type Claim,
  claimsBodies,
  claimsMax,
  decodeSpeakerMessage,
  encodeSpeakerMessage,
} from '../../wire/speaker-messages.ts';
import { scoreOf } from './election.ts';
import { Member } from './member.ts';

/** Between two heartbeats, milliseconds. */
export const heartbeatMs = 100;
/** How long a node that starts listens for those who hold addresses, unless all have told before. */
export const settleMs = 500;
/** How long the next in the order waits for the one before it to take an address that nobody holds. */
export const rankDelayMs = 300;
/** How long a node that may not hold an address any longer answers for it until another one does. */
export const yieldMs = 1_000;
/** Between two announcements because another node claimed the same address with less right. */
const contestedEveryMs = 500;

/** An address that nodes are to answer for. */
export interface WantedAddress {
  /** In canonical form. */
  readonly address: string;
  /** The nodes that may, the first choice first (see election.ts). */
  readonly ranked: readonly string[];
  /** How many of them are as good as the first; the others stand in while none of these lives. */
  readonly preferred: number;
}

/** What this node holds, and what that costs others. */
export interface Holding {
  readonly address: string;
  /** The node that held it and lives: connections that it knows go on through it. */
  readonly previous: string | undefined;
}

export interface SpeakerOptions {
  /** Of this node. */
  readonly name: string;
  /** Shared by the nodes. */
  readonly key: Buffer;
  /** A random number of this process. */
  readonly incarnation: bigint;
  random(): bigint;
  /** Sends a packet to a node. It may be lost. */
  send(node: string, packet: Buffer): void;
  /** From now on this node answers for an address, or is to say so again. */
  hold(holding: Holding): void;
  /** It answers no longer. */
  release(address: string): void;
}

interface OwnClaim {
  readonly term: number;
  yieldingSinceMs: number | undefined;
  announcedMs: number;
  /** Another node claims it too, with less right. */
  isContested: boolean;
}

/**
 * One node's part in deciding who answers for which address. Deterministic: time and packets come from outside, so that
 * whole clusters of them run in a simulation.
 *
 * Each node tells the others what it claims. An address stays with its holder while that lives and may hold it. One that nobody
 * holds goes to the first of its order that lives. Of two that claim the same, as after a split network has healed, the one with
 * the higher term keeps it: the one who took it later, from a node that it could not hear.
 */
export class Speaker {
  readonly #options: SpeakerOptions;
  readonly #startedMs: number;
  readonly #peers = new Map<string, Member>();
  readonly #own = new Map<string, OwnClaim>();
  #wanted: ReadonlyMap<string, WantedAddress> = new Map();
  /** Since when an address that this node might hold has no holder. */
  readonly #vacantSinceMs = new Map<string, number>();
  /** The highest term seen of each wanted address. */
  readonly #terms = new Map<string, number>();
  #sequence = 0n;
  #version = 0;
  #isChanged = false;
  #nextHeartbeatMs: number;
  #isLeaving = false;
  #hasSettled = false;
  /** Something has changed since all was decided last. */
  #isDirty = true;
  #decideAtMs = 0;
  #revision = 0;

  constructor(options: SpeakerOptions, nowMs: number) {
    this.#options = options;
    this.#startedMs = nowMs;
    this.#nextHeartbeatMs = nowMs;
  }

  /** Names of the other nodes that live. */
  get alive(): readonly string[] {
    return [...this.#peers.values()].filter(({ isAlive }) => isAlive).map(({ name }) => name);
  }

  /** Names of those that have said goodbye. */
  get left(): readonly string[] {
    return [...this.#peers.values()].filter(({ hasLeft }) => hasLeft).map(({ name }) => name);
  }

  /** Grows whenever who holds what, or who lives, may have changed. */
  get revision(): number {
    return this.#revision;
  }

  /** Who of the other nodes holds what, of the wanted addresses that this one does not hold. */
  get heldByOthers(): ReadonlyMap<string, string> {
    const holders = new Map<string, string>();
    for (const address of this.#wanted.keys()) {
      const holder = this.#own.has(address) ? undefined : this.#othersClaims(address)[0];
      if (holder !== undefined) holders.set(address, holder.name);
    }
    return holders;
  }

  /** What this node answers for. */
  get held(): readonly string[] {
    return [...this.#own.keys()];
  }

  /** Which other nodes there are, and which addresses are to be held. What is left out is held no longer. */
  configure(peers: readonly string[], wanted: readonly WantedAddress[], nowMs: number): void {
    for (const name of [...this.#peers.keys()]) if (!peers.includes(name)) this.#peers.delete(name);
    for (const name of peers) {
      if (!this.#peers.has(name)) this.#peers.set(name, new Member(name, () => this.#options.random() | 1n));
    }
    this.#isDirty = true;
    this.#wanted = new Map(wanted.slice(0, claimsMax).map((one) => [one.address, one]));
    for (const address of [...this.#own.keys()]) if (!this.#wanted.has(address)) this.#drop(address);
    for (const address of this.#terms.keys()) if (!this.#wanted.has(address)) this.#terms.delete(address);
    for (const address of this.#vacantSinceMs.keys())
      if (!this.#wanted.has(address)) this.#vacantSinceMs.delete(address);
    this.tick(nowMs);
  }

  /** Takes a packet in. What is no message of a known node is dropped. */
  receive(packet: Buffer, nowMs: number): void {
    const message = decodeSpeakerMessage(packet, this.#options.key);
    const member = message && this.#peers.get(message.name);
    if (message === undefined || member === undefined) return;
    if (message.body.kind === 'ask') {
      for (const body of claimsBodies(this.#version, message.body.challenge, this.#claims()))
        this.#send(member.name, body);
      return;
    }
    const isChanged = member.hear(message, nowMs, (challenge) => this.#send(member.name, { kind: 'ask', challenge }));
    if (!isChanged) return;
    this.#isDirty = true;
    for (const { address, term } of member.claims.values()) {
      if (this.#wanted.has(address)) this.#terms.set(address, Math.max(term, this.#terms.get(address) ?? 0));
    }
    this.tick(nowMs);
  }

  /** Does what is due; returns when it wants to be called again at the latest. */
  tick(nowMs: number): number {
    for (const member of this.#peers.values()) if (member.diesAtMs <= nowMs) this.#isDirty = member.end();
    this.#settle(nowMs);
    if (this.#isDirty || nowMs >= this.#decideAtMs) this.#decideAll(nowMs);
    let nextMs = this.#decideAtMs;
    if (this.#isChanged) this.#publish();
    if (nowMs >= this.#nextHeartbeatMs) {
      this.#nextHeartbeatMs = nowMs + heartbeatMs;
      this.#broadcast({ kind: 'heartbeat', version: this.#version });
    }
    for (const member of this.#peers.values()) nextMs = Math.min(nextMs, member.diesAtMs);
    const settledMs = this.#hasSettled ? Number.POSITIVE_INFINITY : this.#startedMs + settleMs;
    return Math.min(nextMs, this.#nextHeartbeatMs, settledMs);
  }

  /** Begins to hand over all that it holds. Done when `hasLeft`. */
  leave(nowMs: number): void {
    this.#isLeaving = true;
    this.#isDirty = true;
    this.tick(nowMs);
  }

  /** Whether nothing is held any longer after `leave`. */
  get hasLeft(): boolean {
    return this.#isLeaving && this.#own.size === 0;
  }

  /** Tells the others that this node is gone: the last thing it says. */
  sayGoodbye(): void {
    this.#broadcast({ kind: 'leave' });
  }

  // Nothing is taken before it is known what others hold.
  #settle(nowMs: number): void {
    if (this.#hasSettled) return;
    const isLate = nowMs >= this.#startedMs + settleMs;
    this.#hasSettled = isLate || [...this.#peers.values()].every(({ isAlive }) => isAlive);
    if (this.#hasSettled) this.#isDirty = true;
  }

  #decideAll(nowMs: number): void {
    this.#isDirty = false;
    this.#revision += 1;
    this.#decideAtMs = Number.POSITIVE_INFINITY;
    const alive = new Set([this.#options.name, ...this.alive]);
    for (const wanted of this.#wanted.values()) {
      this.#decideAtMs = Math.min(this.#decideAtMs, this.#decide(wanted, alive, nowMs));
    }
  }

  // Returns when the address has to be looked at again although nothing changes.
  #decide(wanted: WantedAddress, alive: ReadonlySet<string>, nowMs: number): number {
    const { address } = wanted;
    const { name } = this.#options;
    const others = this.#othersClaims(address);
    const own = this.#own.get(address);
    const best = others.find(({ claim }) => !claim.isYielding);
    if (own !== undefined) return this.#keep(wanted, own, best, alive, nowMs);
    if (best !== undefined || !this.#mayHold(wanted)) {
      this.#vacantSinceMs.delete(address);
      return Number.POSITIVE_INFINITY;
    }
    const yielding = others[0];
    const order = wanted.ranked.filter((node) => alive.has(node) && node !== yielding?.name);
    const since = this.#vacantSinceMs.get(address) ?? nowMs;
    this.#vacantSinceMs.set(address, since);
    if (!this.#hasSettled) return Number.POSITIVE_INFINITY;
    const dueMs = since + order.indexOf(name) * rankDelayMs;
    if (nowMs < dueMs) return dueMs;
    this.#claim(address, yielding?.name, nowMs);
    return Number.POSITIVE_INFINITY;
  }

  // This node holds the address: whether it may go on.
  #keep(
    wanted: WantedAddress,
    own: OwnClaim,
    best: OthersClaim | undefined,
    alive: ReadonlySet<string>,
    nowMs: number,
  ): number {
    const { address } = wanted;
    if (best !== undefined) {
      if (this.#loses(address, own, best)) {
        this.#drop(address);
        return Number.POSITIVE_INFINITY;
      }
      // The link may have learned the other one's card meanwhile.
      if (nowMs >= own.announcedMs + contestedEveryMs) this.#announce(address, own, undefined, nowMs);
      own.isContested = true;
    } else if (own.isContested) {
      own.isContested = false;
      this.#announce(address, own, undefined, nowMs);
    }
    const { name } = this.#options;
    const others = wanted.ranked.filter((node) => alive.has(node) && node !== name);
    const mayHold = this.#mayHold(wanted);
    const rank = wanted.ranked.indexOf(name);
    const isStandIn = mayHold && rank >= wanted.preferred;
    const better = others.filter((node) => wanted.ranked.indexOf(node) < wanted.preferred);
    if (mayHold && !(isStandIn && better.length > 0)) {
      if (own.yieldingSinceMs !== undefined) this.#setYielding(own, undefined);
      return Number.POSITIVE_INFINITY;
    }
    if (own.yieldingSinceMs === undefined) this.#setYielding(own, nowMs);
    // A stand-in answers until it is relieved; who may not hold the address does so for a while, if there is any hope.
    if (mayHold) return Number.POSITIVE_INFINITY;
    const endsMs = others.length === 0 ? nowMs : (own.yieldingSinceMs ?? nowMs) + yieldMs;
    if (nowMs < endsMs) return endsMs;
    this.#drop(address);
    return Number.POSITIVE_INFINITY;
  }

  #mayHold({ ranked }: WantedAddress): boolean {
    return !this.#isLeaving && ranked.includes(this.#options.name);
  }

  // What others claim, the strongest first.
  #othersClaims(address: string): readonly OthersClaim[] {
    const found: OthersClaim[] = [];
    for (const { name, claims } of this.#peers.values()) {
      const claim = claims.get(address);
      if (claim !== undefined) found.push({ name, claim });
    }
    return found.length < 2 ? found : found.sort((a, b) => (isStronger(address, a, b) ? -1 : 1));
  }

  #loses(address: string, { term, yieldingSinceMs }: OwnClaim, best: OthersClaim): boolean {
    const { name } = this.#options;
    if (yieldingSinceMs !== undefined) return true;
    return isStronger(address, best, { name, claim: { address, term, isYielding: false } });
  }

  #claim(address: string, previous: string | undefined, nowMs: number): void {
    const term = (this.#terms.get(address) ?? 0) + 1;
    this.#terms.set(address, term);
    this.#vacantSinceMs.delete(address);
    const own: OwnClaim = { term, yieldingSinceMs: undefined, announcedMs: nowMs, isContested: false };
    this.#own.set(address, own);
    this.#touch();
    this.#announce(address, own, previous, nowMs);
  }

  #announce(address: string, own: OwnClaim, previous: string | undefined, nowMs: number): void {
    own.announcedMs = nowMs;
    this.#options.hold({ address, previous });
  }

  #setYielding(own: OwnClaim, sinceMs: number | undefined): void {
    own.yieldingSinceMs = sinceMs;
    this.#touch();
  }

  #drop(address: string): void {
    this.#own.delete(address);
    this.#touch();
    this.#options.release(address);
  }

  #touch(): void {
    this.#isChanged = true;
  }

  #claims(): readonly Claim[] {
    return [...this.#own].map(([address, { term, yieldingSinceMs }]) => ({
      ...{ address, term },
      isYielding: yieldingSinceMs !== undefined,
    }));
  }

  #publish(): void {
    this.#isChanged = false;
    this.#version = (this.#version + 1) % 2 ** 32;
    for (const body of claimsBodies(this.#version, 0n, this.#claims())) this.#broadcast(body);
  }

  #broadcast(body: Body): void {
    const packet = this.#encode(body);
    for (const name of this.#peers.keys()) this.#options.send(name, packet);
  }

  #send(node: string, body: Body): void {
    this.#options.send(node, this.#encode(body));
  }

  #encode(body: Body): Buffer {
    const { name, incarnation, key } = this.#options;
    this.#sequence += 1n;
    return encodeSpeakerMessage({ name, incarnation, sequence: this.#sequence, body }, key);
  }
}

interface OthersClaim {
  readonly name: string;
  readonly claim: Claim;
}

function isStronger(address: string, a: OthersClaim, b: OthersClaim): boolean {
  if (a.claim.isYielding !== b.claim.isYielding) return b.claim.isYielding;
  if (a.claim.term !== b.claim.term) return a.claim.term > b.claim.term;
  return scoreOf(address, a.name) > scoreOf(address, b.name);
}
