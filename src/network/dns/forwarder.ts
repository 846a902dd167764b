import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { type DecodedPacket, decode, encode } from 'dns-packet';
import type { Clock } from '../../core/clock.ts';
import { TransientError } from '../../core/errors.ts';

const tryMs = 2_000;
const inFlightMax = 1_000;
const cacheEntriesMax = 10_000;
const cacheSecondsMax = 3_600;
const negativeSecondsMax = 30;
/** An upstream that did not answer is asked last for this long. */
const penaltyMs = 10_000;

const noError = 0;
const noSuchName = 3;

interface Cached {
  readonly packet: DecodedPacket;
  readonly storedAt: number;
  readonly expiresAt: number;
}

export interface ForwarderOptions {
  /** Addresses of name servers, port 53 unless `host#port` says otherwise. */
  readonly upstreams: readonly string[];
  readonly clock: Clock;
}

/**
 * Asks the machine's own name servers and keeps what they say. Answers are raw packets with the id of the question.
 * Throws TransientError NO_UPSTREAM when none of them answers, BUSY when too many questions are under way.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #cache = new Map<string, Cached>();
  readonly #asked = new Map<string, Promise<Buffer>>();
  readonly #penalty = new Map<string, number>();

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /** `query` is the client's packet; `key` names its question (name, type, class and the flags that change the answer). */
  async forward(query: Buffer, key: string, overTcp: boolean): Promise<Buffer> {
    const cached = this.#fromCache(key, query.readUInt16BE(0));
    if (cached !== null) return cached;
    // The same question at the same time is asked once.
    const flight = `${overTcp ? 'tcp' : 'udp'} ${key}`;
    let asked = this.#asked.get(flight);
    if (asked === undefined) {
      if (this.#asked.size >= inFlightMax) throw new TransientError('BUSY', 'too many questions are under way');
      asked = this.#ask(query, overTcp).finally(() => this.#asked.delete(flight));
      this.#asked.set(flight, asked);
    }
    const answer = Buffer.from(await asked);
    this.#store(key, answer);
    answer.writeUInt16BE(query.readUInt16BE(0), 0);
    return answer;
  }

  async #ask(query: Buffer, overTcp: boolean): Promise<Buffer> {
    const { clock, upstreams } = this.#options;
    const now = clock.monotonic();
    const order = [...upstreams].sort(
      (a, b) => Number((this.#penalty.get(a) ?? 0) > now) - Number((this.#penalty.get(b) ?? 0) > now),
    );
    let cause: unknown;
    for (const upstream of order) {
      try {
        return await (overTcp ? askTcp(upstream, query) : askUdp(upstream, query));
      } catch (error) {
        cause = error;
        this.#penalty.set(upstream, clock.monotonic() + penaltyMs);
      }
    }
    throw new TransientError(
      'NO_UPSTREAM',
      upstreams.length === 0 ? 'this machine has no name server' : 'no name server answers',
      { cause },
    );
  }

  #fromCache(key: string, id: number): Buffer | null {
    const entry = this.#cache.get(key);
    if (entry === undefined) return null;
    const now = this.#options.clock.monotonic();
    if (entry.expiresAt <= now) {
      this.#cache.delete(key);
      return null;
    }
    const age = Math.floor((now - entry.storedAt) / 1000);
    const aged = <T extends { type: string }>(records: T[] | undefined): T[] =>
      (records ?? []).map((r) =>
        'ttl' in r && typeof r.ttl === 'number' && r.type !== 'OPT' ? { ...r, ttl: Math.max(0, r.ttl - age) } : r,
      );
    const { packet } = entry;
    return encode({
      ...packet,
      id,
      answers: aged(packet.answers),
      authorities: aged(packet.authorities),
      additionals: aged(packet.additionals),
    });
  }

  #store(key: string, answer: Buffer): void {
    let packet: DecodedPacket;
    try {
      packet = decode(answer);
      // Only what can be written again may be kept: record types that the codec does not know go through untouched.
      encode(packet);
    } catch {
      return;
    }
    if (packet.flag_tc) return;
    const seconds = secondsToKeep(packet, answer.readUInt16BE(2) & 15);
    if (seconds <= 0) return;
    const storedAt = this.#options.clock.monotonic();
    this.#cache.delete(key);
    this.#cache.set(key, { packet, storedAt, expiresAt: storedAt + seconds * 1000 });
    if (this.#cache.size > cacheEntriesMax) {
      const oldest = this.#cache.keys().next();
      if (!oldest.done) this.#cache.delete(oldest.value);
    }
  }
}

/** RFC 2181 5.2 and RFC 2308: the smallest TTL of an answer; of a negative one what its SOA says, within limits. */
export function secondsToKeep(packet: Pick<DecodedPacket, 'answers' | 'authorities'>, rcode: number): number {
  if (rcode !== noError && rcode !== noSuchName) return 0;
  const ttls = (packet.answers ?? []).map((r) => ('ttl' in r ? (r.ttl ?? 0) : 0));
  if (ttls.length > 0 && rcode === noError) return Math.min(...ttls, cacheSecondsMax);
  for (const record of packet.authorities ?? []) {
    if (record.type === 'SOA') return Math.min(record.ttl ?? 0, record.data.minimum ?? 0, negativeSecondsMax);
  }
  return 0;
}

function target(upstream: string): { host: string; port: number } {
  const [host = '', port = '53'] = upstream.split('#');
  return { host, port: Number(port) };
}

function askUdp(upstream: string, query: Buffer): Promise<Buffer> {
  const { host, port } = target(upstream);
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const timer = setTimeout(() => end(new Error(`${upstream} did not answer within ${tryMs} ms`)), tryMs);
    const end = (result: Buffer | Error) => {
      clearTimeout(timer);
      socket.close();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    // An id of our own, so that nobody who saw the client's can forge the answer.
    const question = Buffer.from(query);
    const id = randomInt(0x10000);
    question.writeUInt16BE(id, 0);
    socket.once('error', end);
    socket.connect(port, host, () => socket.send(question));
    socket.on('message', (message) => {
      if (typeof message !== 'string' && message.length >= 12 && message.readUInt16BE(0) === id) end(message);
    });
  });
}

function askTcp(upstream: string, query: Buffer): Promise<Buffer> {
  const { host, port } = target(upstream);
  return new Promise((resolve, reject) => {
    const socket = connect(port, host);
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (result: Buffer | Error) => {
      socket.destroy();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    socket.setTimeout(tryMs, () => end(new Error(`${upstream} did not answer within ${tryMs} ms`)));
    socket.once('error', end);
    socket.once('close', () => end(new Error(`${upstream} closed the connection`)));
    socket.once('connect', () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(query.length);
      socket.write(Buffer.concat([length, query]));
    });
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      const all = size >= 2 ? Buffer.concat(chunks) : undefined;
      if (all !== undefined && all.length >= 2 + all.readUInt16BE(0)) end(all.subarray(2, 2 + all.readUInt16BE(0)));
    });
  });
}

/** The name servers of a resolv.conf(5), without those that are ourselves. */
export function upstreamsOf(resolvConf: string, own: readonly string[]): readonly string[] {
  return resolvConf
    .split('\n')
    .map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1])
    .filter((address): address is string => address !== undefined && !own.includes(address))
    .slice(0, 3);
}
