import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Clock } from '../../core/clock.ts';
import type { OpenNotice } from '../../wire/tunnel-frames.ts';
import type { RouteRequest, RouteVerdict, ServerMessage } from '../../wire/tunnel-messages.ts';
import { dataProofOf, sameProof } from '../proof.ts';
import type { TokenSpec } from '../tokens.ts';
import type { Account } from './accounts.ts';
import { DataPool } from './data-pool.ts';
import { StreamAgent } from './stream-agent.ts';

/** Numbers of data connections that may come out of order. */
const sequenceWindow = 1024;

export interface SessionFacts {
  readonly account: Account;
  readonly instance: string;
  readonly name: string;
  /** Where the client is, as seen from here. */
  readonly address: string;
  readonly dataKey: Buffer;
}

/** One client that has proved to know a token: its control connection and its data connections. */
export class ExitSession {
  readonly id = randomBytes(12).toString('hex');
  readonly facts: SessionFacts;
  readonly agent: StreamAgent;
  /** What it wants to serve, and what became of it. */
  declared: readonly RouteRequest[] = [];
  verdicts: readonly RouteVerdict[] = [];
  readonly #socket: WebSocket;
  readonly #pool: DataPool;
  readonly #seen = new Set<number>();
  #highest = -1;

  constructor(socket: WebSocket, facts: SessionFacts, clock: Clock) {
    this.#socket = socket;
    this.facts = facts;
    this.#pool = new DataPool((count) => this.send({ type: 'need', count }), clock);
    this.agent = new StreamAgent((notice) => this.open(notice));
  }

  get token(): TokenSpec {
    return this.facts.account.spec;
  }

  get idleConnections(): number {
    return this.#pool.idle;
  }

  get streams(): number {
    return this.#pool.busy;
  }

  send(message: ServerMessage): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Asks for the first data connections. */
  begin(): void {
    this.#pool.fill();
  }

  /** True when the proof is this session's and its number is new. */
  admits(sequence: number, proof: string): boolean {
    if (!sameProof(proof, dataProofOf(this.facts.dataKey, this.id, sequence))) return false;
    if (sequence <= this.#highest - sequenceWindow || this.#seen.has(sequence)) return false;
    this.#seen.add(sequence);
    this.#highest = Math.max(this.#highest, sequence);
    for (const number of this.#seen) {
      if (number > this.#highest - sequenceWindow) break;
      this.#seen.delete(number);
    }
    return true;
  }

  addConnection(connection: Duplex): void {
    this.#pool.add(connection);
  }

  /** Opens a stream; see DataPool. Its bytes are counted when it is over. */
  async open(notice: OpenNotice): Promise<Duplex> {
    const stream = await this.#pool.open(notice);
    stream.once('close', () => this.#count(stream));
    return stream;
  }

  #count(stream: Duplex): void {
    const { account } = this.facts;
    if ('bytesWritten' in stream && typeof stream.bytesWritten === 'number')
      account.bytesFromUsers += stream.bytesWritten;
    if ('bytesRead' in stream && typeof stream.bytesRead === 'number') account.bytesToUsers += stream.bytesRead;
  }

  /** Ends the control connection and all streams. */
  end(): void {
    this.#pool.close();
    this.agent.destroy();
    this.#socket.terminate();
  }
}
