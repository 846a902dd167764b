/** A name server for tests: what it says, and how badly, is told by the test. */
import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server, type Socket as TcpSocket } from 'node:net';
import { type Answer, type DecodedPacket, decode, encode, type Packet } from 'dns-packet';

/** What is sent back to a query: a packet (completed with id and question), bytes as they are, or nothing. */
export type Reply = Partial<Packet> | Buffer | null;

export interface DnsUpstream extends AsyncDisposable {
  readonly port: number;
  /** Names asked for, in their order, health checks and probes left out. */
  readonly asked: {
    readonly name: string;
    readonly type: string;
    readonly overTcp: boolean;
    readonly sourcePort: number;
    readonly id: number;
  }[];
  /** Replaces what it says. */
  answer: (query: DecodedPacket, overTcp: boolean) => Reply | Promise<Reply>;
}

/** Answers with one address, 192.0.2.1, for a minute. */
export function oneAddress(query: DecodedPacket): Reply {
  const name = query.questions?.[0]?.name ?? '';
  return { answers: [{ type: 'A', name, ttl: 60, data: '192.0.2.1' }] };
}

/** There is no such name, and one may know that for `minimum` seconds. */
export function noSuchName(minimum: number): Reply {
  const soa: Answer = {
    type: 'SOA',
    name: 'test',
    ttl: minimum,
    data: { mname: 'ns.test', rname: 'h.test', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
  };
  return { flags: 3, authorities: [soa] };
}

/** Starts one on 127.0.0.1, UDP and TCP on the same port; with `port` on a known one. */
export async function startDnsUpstream(port = 0): Promise<DnsUpstream> {
  const udp = createSocket('udp4');
  await new Promise<void>((done, fail) => udp.once('error', fail).bind(port, '127.0.0.1', done));
  const bound = udp.address().port;
  const upstream: Omit<DnsUpstream, typeof Symbol.asyncDispose> = { port: bound, asked: [], answer: oneAddress };
  const connections = new Set<TcpSocket>();
  serveUdp(udp, upstream);
  const tcp = await serveTcp(bound, upstream, connections);
  return Object.assign(upstream, {
    async [Symbol.asyncDispose]() {
      for (const socket of connections) socket.destroy();
      await Promise.all([
        new Promise<void>((done) => udp.close(done)),
        new Promise<void>((done) => tcp.close(() => done())),
      ]);
    },
  });
}

async function replyTo(
  message: Buffer,
  upstream: Pick<DnsUpstream, 'answer' | 'asked'>,
  overTcp: boolean,
  sourcePort: number,
): Promise<Buffer | null> {
  const query = decode(message);
  const question = query.questions?.[0];
  if (question !== undefined && question.type !== 'NS' && question.type !== 'HINFO') {
    upstream.asked.push({ name: question.name, type: question.type, overTcp, sourcePort, id: query.id ?? 0 });
  }
  const reply = await upstream.answer(query, overTcp);
  if (reply === null || Buffer.isBuffer(reply)) return reply;
  const { flags = 0, ...rest } = reply;
  const packet: Packet = {
    type: 'response',
    id: query.id ?? 0,
    questions: query.questions ?? [],
    flags: 0x0180 | flags,
    ...rest,
  };
  return encode(packet);
}

function serveUdp(udp: Socket, upstream: Pick<DnsUpstream, 'answer' | 'asked'>): void {
  udp.on('message', (message, from) => {
    if (typeof message === 'string') return;
    void replyTo(message, upstream, false, from.port).then((reply) => {
      if (reply !== null) udp.send(reply, from.port, from.address, () => {});
    });
  });
}

async function serveTcp(
  port: number,
  upstream: Pick<DnsUpstream, 'answer' | 'asked'>,
  connections: Set<TcpSocket>,
): Promise<Server> {
  const tcp = createServer((socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    socket.on('error', () => socket.destroy());
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      if (rest.length < 2 || rest.length < 2 + rest.readUInt16BE(0)) return;
      void replyTo(rest.subarray(2), upstream, true, socket.remotePort ?? 0).then((reply) => {
        if (reply === null) return;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        socket.write(Buffer.concat([length, reply]));
      });
    });
  });
  await new Promise<void>((done, fail) => tcp.once('error', fail).listen(port, '127.0.0.1', done));
  return tcp;
}
