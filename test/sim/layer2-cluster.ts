/** Many speakers on a simulated network and clock: nothing here waits, and a seed repeats a run. */
import { rankNodes } from '../../src/loadbalancer/layer2/election.ts';
import { Speaker, type WantedAddress } from '../../src/loadbalancer/layer2/speaker.ts';

/** A source of numbers from 0 up to 1 (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Packet {
  readonly atMs: number;
  readonly to: string;
  readonly bytes: Buffer;
}

interface Process {
  readonly speaker: Speaker;
  readonly held: Set<string>;
  dueMs: number;
}

/** When an address began to be answered for by a node, or ceased to. */
export interface Change {
  readonly atMs: number;
  readonly node: string;
  readonly address: string;
  readonly isHeld: boolean;
}

export class SimulatedCluster {
  readonly names: readonly string[];
  readonly addresses: readonly string[];
  readonly changes: Change[] = [];
  nowMs = 0;
  /** Share of the packets that are lost, 0 to 1. */
  loss = 0;
  /** Packets take up to this long. */
  delayMsMax = 5;
  /** The side of a split network that a node is on; all are on the same when absent. */
  readonly side = new Map<string, number>();
  readonly #processes = new Map<string, Process>();
  readonly #random: () => number;
  readonly #wanted = new Map<string, readonly WantedAddress[]>();
  #packets: Packet[] = [];
  /** What was sent ever, for those who replay it. */
  readonly recorded: Buffer[] = [];

  constructor(nodes: number, addresses: number, seed: number) {
    this.names = Array.from({ length: nodes }, (_, index) => `node-${index}`);
    this.addresses = Array.from({ length: addresses }, (_, index) => `192.0.2.${index + 1}`);
    this.#random = randomOf(seed);
  }

  start(name: string): void {
    const held = new Set<string>();
    const change = (address: string, isHeld: boolean) =>
      this.changes.push({ atMs: this.nowMs, node: name, address, isHeld });
    const random = () =>
      BigInt(Math.floor(this.#random() * 2 ** 52)) * 4096n + BigInt(Math.floor(this.#random() * 4096));
    const speaker = new Speaker(
      {
        name,
        key: Buffer.alloc(32, 7),
        incarnation: random(),
        random,
        send: (node, bytes) => this.#send(name, node, bytes),
        hold: ({ address }) => {
          if (!held.has(address)) change(address, true);
          held.add(address);
        },
        release: (address) => {
          held.delete(address);
          change(address, false);
        },
      },
      this.nowMs,
    );
    this.#processes.set(name, { speaker, held, dueMs: this.nowMs });
    this.tell(name, this.#wanted.get(name) ?? this.wantedBy(this.names));
  }

  /** All addresses, for nodes of which the first so many are as good as each other. */
  wantedBy(nodes: readonly string[], standIns: readonly string[] = []): readonly WantedAddress[] {
    return this.addresses.map((address) => {
      const ranked = rankNodes(address, nodes);
      const preferred = ranked.filter((name) => !standIns.includes(name));
      return {
        address,
        ranked: [...preferred, ...ranked.filter((name) => standIns.includes(name))],
        preferred: preferred.length,
      };
    });
  }

  /** What a node sees of the cluster. */
  tell(name: string, wanted: readonly WantedAddress[]): void {
    this.#wanted.set(name, wanted);
    const process = this.#processes.get(name);
    process?.speaker.configure(
      this.names.filter((one) => one !== name),
      wanted,
      this.nowMs,
    );
    if (process !== undefined) process.dueMs = this.nowMs;
  }

  /** As `kill -9` or a power cut. */
  kill(name: string): void {
    for (const address of this.#processes.get(name)?.held ?? []) {
      this.changes.push({ atMs: this.nowMs, node: name, address, isHeld: false });
    }
    this.#processes.delete(name);
  }

  /** Asks a node to stop, and ends it when it has handed over. */
  leave(name: string): void {
    this.#processes.get(name)?.speaker.leave(this.nowMs);
  }

  isRunning(name: string): boolean {
    return this.#processes.has(name);
  }

  /** Nodes that answer for an address. */
  holders(address: string): readonly string[] {
    return this.names.filter((name) => this.#processes.get(name)?.held.has(address));
  }

  /** Lets someone send a packet to a node. */
  inject(to: string, bytes: Buffer): void {
    this.#packets.push({ atMs: this.nowMs, to, bytes });
  }

  #send(from: string, to: string, bytes: Buffer): void {
    this.recorded.push(bytes);
    if ((this.side.get(from) ?? 0) !== (this.side.get(to) ?? 0) || this.#random() < this.loss) return;
    this.#packets.push({ atMs: this.nowMs + this.#random() * this.delayMsMax, to, bytes });
  }

  /** Lets time pass. */
  run(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const packet = this.#packets.reduce<Packet | undefined>(
        (first, one) => (first && first.atMs <= one.atMs ? first : one),
        undefined,
      );
      const next = [...this.#processes].reduce<[string, Process] | undefined>(
        (first, one) => (first && first[1].dueMs <= one[1].dueMs ? first : one),
        undefined,
      );
      const atMs = Math.min(packet?.atMs ?? Number.POSITIVE_INFINITY, next?.[1].dueMs ?? Number.POSITIVE_INFINITY);
      if (atMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, atMs);
      if (packet !== undefined && packet.atMs <= atMs) {
        this.#packets = this.#packets.filter((one) => one !== packet);
        const process = this.#processes.get(packet.to);
        process?.speaker.receive(packet.bytes, this.nowMs);
        if (process !== undefined) process.dueMs = this.nowMs;
      } else if (next !== undefined) {
        next[1].dueMs = next[1].speaker.tick(this.nowMs);
        if (next[1].speaker.hasLeft) {
          next[1].speaker.sayGoodbye();
          this.#processes.delete(next[0]);
        }
      }
    }
    this.nowMs = endMs;
  }
}
