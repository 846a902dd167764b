import { TransientError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { answerRecords } from '../../wire/dns/answer.ts';
import { classes, rcodes, types } from '../../wire/dns/constants.ts';
import { isWithin, type Labels, lowerCase, nameText } from '../../wire/dns/name.ts';
import { parseQuery, type Query } from '../../wire/dns/query.ts';
import type { ResourceRecord } from '../../wire/dns/writer.ts';
import { type ForwardedAnswer, type Forwarder, type ForwardRoute, wantedOf } from './forwarder.ts';
import type { HostsTable } from './hosts.ts';
import type { ServerMetrics } from './metrics.ts';
import { type Resolution, resolve, startOfAuthority } from './records.ts';
import { ReplyWriter } from './reply.ts';
import type { Address, ZoneData } from './zone-data.ts';

/** How many aliases an answer follows. */
const aliasesMax = 8;

/** Names from `zone` down go to `route`. */
export interface ZoneRoute {
  readonly zone: Labels;
  readonly route: ForwardRoute;
}

/** A server block of a Corefile: the names from `zone` down, and what is done about them. Longer zones stand first. */
export interface ServerBlock {
  readonly zone: Labels;
  readonly hosts: HostsTable;
  /** Names that the hosts do not have are passed on; otherwise there are no others. */
  readonly isHostsFinal: boolean;
  readonly forwards: readonly ZoneRoute[];
  readonly isLogged: boolean;
}

/** Where names that are not Services lead. */
export interface Routing {
  readonly blocks: readonly ServerBlock[];
  /** The block of all other names. */
  readonly main: ServerBlock;
}

/** Who asks, and over what. */
export interface Asker {
  readonly client: string;
  readonly protocol: 'udp' | 'tcp';
  readonly metrics: ServerMetrics;
}

interface Local {
  readonly resolution: Resolution;
  readonly plugin: 'kubernetes' | 'hosts';
}

export interface HandlerOptions {
  readonly data: ZoneData;
  readonly forwarder: Forwarder;
  /** The addresses that are answered at. */
  readonly own: readonly Address[];
  readonly routing: Routing;
  readonly log: Log;
}

/** Turns a message into its answer. What is in memory is answered at once, without a promise. */
export class QuestionHandler {
  readonly #data: ZoneData;
  readonly #forwarder: Forwarder;
  readonly #own: readonly Address[];
  readonly #log: Log;
  readonly #zoneName: string;
  readonly #reply = new ReplyWriter();
  readonly #loopProbes = new Map<string, () => void>();
  routing: Routing;

  constructor(options: HandlerOptions) {
    this.#data = options.data;
    this.#forwarder = options.forwarder;
    this.#own = options.own;
    this.#log = options.log;
    this.routing = options.routing;
    this.#zoneName = nameText(options.data.zone);
  }

  /** Calls `found` when this question comes in from outside, until the result is disposed of. */
  expectLoop(labels: Labels, found: () => void): Disposable {
    const key = labels.join('.');
    this.#loopProbes.set(key, found);
    return { [Symbol.dispose]: () => this.#loopProbes.delete(key) };
  }

  /** Null: nothing is to be said. Never throws or rejects. */
  answer(message: Buffer, asker: Asker): Buffer | null | Promise<Buffer | null> {
    const began = performance.now();
    const parsed = parseQuery(message);
    if (parsed.kind === 'ignore') return null;
    if (parsed.kind !== 'query')
      return this.#reply.bare(message, parsed.kind === 'opcode' ? rcodes.NOTIMP : rcodes.FORMERR);
    const { query } = parsed;
    const block = this.#blockOf(query.labels);
    const finish = (reply: Buffer, plugin: string, rcode: number): Buffer => {
      const isOwn = plugin === 'kubernetes' && block === this.routing.main;
      const zone = isOwn ? this.#zoneName : nameText(block.zone);
      const milliseconds = performance.now() - began;
      const asked = { type: query.type, bytes: message.length };
      asker.metrics.answered(zone, asker.protocol, asked, { rcode, bytes: reply.length, plugin }, milliseconds);
      if (block.isLogged) this.#logQuery(query, asker, rcode, milliseconds);
      return reply;
    };
    const refusal = this.#refusal(query);
    if (refusal !== undefined) return finish(this.#reply.code(message, query, refusal), '', refusal);
    try {
      const local = this.#local(query.labels, query.type, block);
      if (local !== null) {
        const { resolution, plugin } = local;
        if (resolution.alias !== undefined && query.type !== types.CNAME) {
          return this.#followed(message, query, asker, resolution).then(({ reply, rcode }) =>
            finish(reply, plugin, rcode),
          );
        }
        const rcode = resolution.exists ? rcodes.NOERROR : rcodes.NXDOMAIN;
        return finish(this.#fromMemory(message, query, asker, local, rcode), plugin, rcode);
      }
      const route = routeOf(block, query.labels);
      if (route === undefined) return finish(this.#reply.code(message, query, rcodes.REFUSED), '', rcodes.REFUSED);
      const wanted = wantedOf(query);
      const known = this.#forwarder.known(wanted);
      if (known !== undefined)
        return finish(this.#forwarded(message, query, asker, route, known), 'cache', known.answer.rcode);
      return this.#forwarder.ask(wanted, route, asker.client).then(
        (answer) => finish(this.#forwarded(message, query, asker, route, answer), 'forward', answer.answer.rcode),
        (error: unknown) => {
          const rcode = this.#failureCode(query, error);
          return finish(this.#reply.code(message, query, rcode), 'forward', rcode);
        },
      );
    } catch (error) {
      const rcode = this.#failureCode(query, error);
      return finish(this.#reply.code(message, query, rcode), '', rcode);
    }
  }

  #refusal(query: Query): number | undefined {
    if (query.edns !== undefined && query.edns.version !== 0) return rcodes.BADVERS;
    if (query.type === types.OPT) return rcodes.FORMERR;
    if (query.class !== classes.IN || query.type === types.AXFR || query.type === types.IXFR) return rcodes.REFUSED;
    if (query.type === types.HINFO && this.#loopProbes.size > 0) {
      const probe = this.#loopProbes.get(query.labels.join('.'));
      if (probe !== undefined) {
        probe();
        return rcodes.REFUSED;
      }
    }
    return undefined;
  }

  #blockOf(labels: Labels): ServerBlock {
    for (const block of this.routing.blocks) if (isWithin(labels, block.zone)) return block;
    return this.routing.main;
  }

  /** What is answered from memory; null: somebody else has to be asked. */
  #local(labels: Labels, type: number, block: ServerBlock): Local | null {
    const hosts = block.hosts.resolve(labels, type);
    if (hosts !== null) return { resolution: hosts, plugin: 'hosts' };
    if (block !== this.routing.main) {
      return block.isHostsFinal
        ? { resolution: { exists: false, answers: [], additionals: [] }, plugin: 'hosts' }
        : null;
    }
    const resolution = resolve(labels, type, this.#data, this.#own);
    return resolution === null ? null : { resolution, plugin: 'kubernetes' };
  }

  #fromMemory(message: Buffer, query: Query, asker: Asker, { resolution, plugin }: Local, rcode: number): Buffer {
    const isNegative = resolution.answers.length === 0 && plugin === 'kubernetes';
    const authority = isNegative ? startOfAuthority(this.#data.zone) : undefined;
    const { answers, additionals } = resolution;
    return this.#reply.records(message, query, asker.protocol, { rcode, answers, additionals, authority });
  }

  #forwarded(message: Buffer, query: Query, asker: Asker, route: ForwardRoute, answer: ForwardedAnswer): Buffer {
    return this.#reply.forwarded(message, query, asker.protocol, answer, route.cacheSecondsMax);
  }

  /** An alias' target is looked up for the client, in the cluster or outside: stub resolvers do not do it themselves. */
  async #followed(
    message: Buffer,
    query: Query,
    asker: Asker,
    first: Resolution,
  ): Promise<{ readonly reply: Buffer; readonly rcode: number }> {
    const answers: ResourceRecord[] = [...first.answers];
    let { alias } = first;
    let exists = true;
    let rcode: number = rcodes.NOERROR;
    try {
      for (let i = 0; i < aliasesMax && alias !== undefined; i += 1) {
        const labels: Labels = alias.map(lowerCase);
        const block = this.#blockOf(labels);
        const local = this.#local(labels, query.type, block);
        if (local === null) {
          const outside = await this.#outside(labels, query, asker, block);
          answers.push(...outside.answers);
          ({ rcode } = outside);
          break;
        }
        // The owner keeps the case in which the alias was written.
        const name: Labels = alias;
        answers.push(...local.resolution.answers.map((record) => ({ ...record, name })));
        ({ exists } = local.resolution);
        ({ alias } = local.resolution);
      }
    } catch (error) {
      rcode = this.#failureCode(query, error);
      return { reply: this.#reply.code(message, query, rcode), rcode };
    }
    // RFC 6604: the code is that of the last name.
    if (!exists) rcode = rcodes.NXDOMAIN;
    const authority = exists && rcode === rcodes.NOERROR ? undefined : startOfAuthority(this.#data.zone);
    const reply = this.#reply.records(message, query, asker.protocol, { rcode, answers, additionals: [], authority });
    return { reply, rcode };
  }

  async #outside(
    labels: Labels,
    query: Query,
    asker: Asker,
    block: ServerBlock,
  ): Promise<{ readonly answers: readonly ResourceRecord[]; readonly rcode: number }> {
    const route = routeOf(block, labels);
    if (route === undefined) throw new TransientError('NO_UPSTREAM', `nobody is asked for ${nameText(labels)}`);
    const wanted = { ...wantedOf(query), labels, recursionDesired: true };
    const found = this.#forwarder.known(wanted) ?? (await this.#forwarder.ask(wanted, route, asker.client));
    const { answer, ageSeconds, staleTtl } = found;
    if (answer.rcode !== rcodes.NOERROR && answer.rcode !== rcodes.NXDOMAIN) {
      throw new TransientError('UPSTREAM', `${nameText(labels)} can't be looked up: code ${answer.rcode}`);
    }
    const answers = answerRecords(answer).map((record) => ({
      ...record,
      ttl: staleTtl ?? Math.max(0, Math.min(record.ttl, route.cacheSecondsMax || record.ttl) - ageSeconds),
    }));
    return { answers, rcode: answer.rcode };
  }

  #failureCode(query: Query, error: unknown): number {
    const isBusy = error instanceof TransientError && error.code === 'BUSY';
    this.#log.debug('a question was not answered', { question: nameText(query.labels), type: query.type, error });
    return isBusy ? rcodes.REFUSED : rcodes.SERVFAIL;
  }

  #logQuery(query: Query, asker: Asker, rcode: number, milliseconds: number): void {
    const question = nameText(query.labels);
    const { client, protocol } = asker;
    this.#log.info('query', { question, type: query.type, client, protocol, rcode, milliseconds });
  }
}

function routeOf(block: ServerBlock, labels: Labels): ForwardRoute | undefined {
  return block.forwards.find(({ zone }) => isWithin(labels, zone))?.route;
}
