import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server, type Socket as TcpSocket } from 'node:net';
import { type Answer, type DecodedPacket, decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet';
import { errorCode, WherryError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { ClusterView } from './cluster-view.ts';
import { DnsCounts } from './counts.ts';
import type { Forwarder } from './forwarder.ts';
import { type Resolution, resolve, startOfAuthority } from './records.ts';

const tcpConnectionsMax = 1_000;
const tcpIdleMs = 10_000;
/** Larger answers over UDP would be cut into fragments (DNS flag day 2020). */
const udpPayloadMax = 1_232;
const aliasesMax = 4;

export interface DnsServerOptions {
  readonly address: string;
  readonly port: number;
  /** E.g. `cluster.local`. */
  readonly zone: string;
  readonly view: ClusterView;
  readonly forwarder: Forwarder;
  readonly log: Log;
}

const rcodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
type Rcode = keyof typeof rcodes;
const responseFlag = 0x8000;
const authoritative = 0x0400;
const recursionDesired = 0x0100;
const recursionAvailable = 0x0080;

/** The cluster's name server on this node: its own names from the API, all others from the machine's name servers. */
export class DnsServer implements AsyncDisposable {
  readonly #options: DnsServerOptions;
  readonly #connections = new Set<TcpSocket>();
  readonly #counts = new DnsCounts();
  #udp: Socket | undefined;
  #tcp: Server | undefined;

  constructor(options: DnsServerOptions) {
    this.#options = options;
  }

  /** What was asked and answered since the start. */
  get counts(): DnsCounts {
    return this.#counts;
  }

  /** The port that it answers on. */
  get port(): number {
    return this.#udp?.address().port ?? 0;
  }

  /** Opens UDP and TCP. Throws WherryError DNS_LISTEN when the address or the port can't be had. */
  async listen(): Promise<void> {
    const { address, port, log } = this.#options;
    const udp = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4' });
    try {
      await new Promise<void>((done, fail) => {
        udp.once('error', fail);
        udp.bind(port, address, done);
      });
      this.#udp = udp;
      udp.on('error', (error) => log.error('the DNS socket failed', { error }));
      udp.on('message', (query, from) => {
        if (typeof query === 'string') return;
        this.#answer(query, false).then((answer) => {
          if (answer !== null) udp.send(answer, from.port, from.address);
        });
      });
      const tcp = createServer((socket) => this.#serveTcp(socket));
      await new Promise<void>((done, fail) => {
        tcp.once('error', fail);
        tcp.listen(udp.address().port, address, done);
      });
      this.#tcp = tcp;
    } catch (cause) {
      udp.close();
      this.#udp = undefined;
      const busy = errorCode(cause) === 'EADDRINUSE';
      throw new WherryError('DNS_LISTEN', `the cluster DNS can't listen on ${address} port ${port}`, {
        cause,
        hint: busy
          ? `find the program that holds port ${port} on all addresses (ss -lnup 'sport = :${port}') and bind it to its own address`
          : `see that ${address} is on an interface of this machine`,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    await new Promise<void>((done) => (this.#tcp === undefined ? done() : this.#tcp.close(() => done())));
    await new Promise<void>((done) => (this.#udp === undefined ? done() : this.#udp.close(done)));
  }

  /** RFC 1035 4.2.2: each message behind its length; several may come on one connection. */
  #serveTcp(socket: TcpSocket): void {
    if (this.#connections.size >= tcpConnectionsMax) {
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.setTimeout(tcpIdleMs, () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
    // A client that goes away is none of our business.
    socket.on('error', () => socket.destroy());
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const query = rest.subarray(2, 2 + rest.readUInt16BE(0));
        rest = rest.subarray(2 + query.length);
        this.#answer(query, true).then((answer) => {
          if (answer === null || socket.destroyed) return;
          const length = Buffer.alloc(2);
          length.writeUInt16BE(answer.length);
          socket.write(Buffer.concat([length, answer]));
        });
      }
    });
  }

  /** Never rejects; null for what is not a question. */
  async #answer(query: Buffer, overTcp: boolean): Promise<Buffer | null> {
    let packet: DecodedPacket;
    try {
      packet = decode(query);
    } catch {
      return query.length < 12 || (query.readUInt16BE(2) & responseFlag) !== 0 ? null : failure(query, 'FORMERR');
    }
    if (packet.type !== 'query') return null;
    const question = packet.questions?.[0];
    if (question === undefined || packet.questions?.length !== 1) return failure(query, 'FORMERR');
    if (((query.readUInt16BE(2) >> 11) & 15) !== 0) return failure(query, 'NOTIMP', packet.questions);
    try {
      const name = question.name.toLowerCase().replace(/\.$/, '');
      const own =
        question.class === 'IN' || question.class === undefined
          ? resolve(name, question.type, this.#options.zone, this.#options.view)
          : null;
      this.#counts.request(own === null ? '.' : `${this.#options.zone}.`, overTcp ? 'tcp' : 'udp', question.type);
      if (own === null) {
        const dnssec = packet.additionals?.some((r) => r.type === 'OPT' && r.flag_do) ?? false;
        const key = [name, question.type, question.class, dnssec, packet.flag_cd].join(' ');
        const answer = await this.#options.forwarder.forward(query, key, overTcp);
        this.#counts.response('.', answer.readUInt16BE(2) & 15);
        return answer;
      }
      const resolution = await this.#followAlias(own, question.type);
      this.#counts.response(`${this.#options.zone}.`, resolution.exists ? rcodes.NOERROR : rcodes.NXDOMAIN);
      return this.#encode(packet, resolution, overTcp);
    } catch (error) {
      this.#counts.response('.', rcodes.SERVFAIL);
      this.#options.log.debug('a question was not answered', { question: question.name, error });
      return failure(query, 'SERVFAIL', packet.questions);
    }
  }

  /** An ExternalName's target is looked up for the client, in the cluster or outside. */
  async #followAlias(first: Resolution, type: string): Promise<Resolution> {
    let { alias } = first;
    if (alias === undefined || type === 'CNAME') return first;
    const answers: Answer[] = [...first.answers];
    for (let i = 0; i < aliasesMax && alias !== undefined; i++) {
      const name: string = alias;
      const own = resolve(name.toLowerCase(), type, this.#options.zone, this.#options.view);
      if (own === null) {
        answers.push(...(await this.#lookUp(name, type)));
        break;
      }
      answers.push(...own.answers);
      alias = own.alias;
    }
    return { exists: true, answers, additionals: [] };
  }

  async #lookUp(name: string, type: string): Promise<Answer[]> {
    if (type !== 'A' && type !== 'AAAA') return [];
    const query = encode({ type: 'query', id: 1, flags: recursionDesired, questions: [{ type, name, class: 'IN' }] });
    const answer = decode(
      await this.#options.forwarder.forward(query, [name, type, 'IN', false, false].join(' '), false),
    );
    return answer.answers ?? [];
  }

  #encode(query: DecodedPacket, resolution: Resolution, overTcp: boolean): Buffer {
    const edns = query.additionals?.find((r) => r.type === 'OPT');
    const rcode: Rcode = resolution.exists ? 'NOERROR' : 'NXDOMAIN';
    const opt: Answer[] =
      edns === undefined
        ? []
        : [
            {
              type: 'OPT',
              name: '.',
              udpPayloadSize: udpPayloadMax,
              flags: 0,
              options: [],
              extendedRcode: 0,
              ednsVersion: 0,
              flag_do: false,
            },
          ];
    const response: Packet = {
      type: 'response',
      id: query.id ?? 0,
      flags: authoritative | recursionAvailable | (query.flag_rd ? recursionDesired : 0) | rcodes[rcode],
      questions: query.questions ?? [],
      answers: shuffled(resolution.answers),
      authorities: resolution.answers.length === 0 ? [startOfAuthority(this.#options.zone)] : [],
      additionals: [...resolution.additionals, ...opt],
    };
    const whole = encode(response);
    const limit = overTcp ? 65_535 : Math.min(Math.max(edns?.udpPayloadSize ?? 512, 512), udpPayloadMax);
    if (whole.length <= limit) return whole;
    const shorter = encode({ ...response, additionals: opt });
    if (shorter.length <= limit) return shorter;
    // The client asks again over TCP.
    return encode({
      ...response,
      flags: (response.flags ?? 0) | TRUNCATED_RESPONSE,
      answers: [],
      authorities: [],
      additionals: opt,
    });
  }
}

/** Spreads clients over the endpoints of a headless Service. */
function shuffled(answers: readonly Answer[]): Answer[] {
  const result = [...answers];
  const first = result[0];
  if (first === undefined || first.type === 'CNAME') return result;
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    const a = result[i];
    const b = result[j];
    if (a === undefined || b === undefined) continue;
    result[i] = b;
    result[j] = a;
  }
  return result;
}

/** The question sent back with nothing but a code; without the question when that could not be read. */
function failure(query: Buffer, rcode: Rcode, questions: Packet['questions'] = []): Buffer {
  const flags = (query.readUInt16BE(2) & 0x7900) | recursionAvailable | rcodes[rcode];
  return encode({ type: 'response', id: query.readUInt16BE(0), flags, questions });
}
