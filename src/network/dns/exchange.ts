import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { TransientError } from '../../core/errors.ts';
import { answersQuestion } from '../../wire/dns/answer.ts';
import { flagBits } from '../../wire/dns/constants.ts';

/** How long one name server may take for one answer; CoreDNS' own. */
export const exchangeMs = 2_000;

/** A name server. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** `10.0.0.1:53`, `[fd00::1]:53`. */
export function serverText({ host, port }: ServerAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * Asks one name server, over TCP what does not fit into a datagram. `question` is a whole query whose question ends at
 * `questionEnd`; its id is replaced by a random one, and each question has a socket, so a random port, of its own. What does
 * not answer the question, or comes from somewhere else, is left aside. Throws TransientError UPSTREAM.
 */
export async function exchange(
  server: ServerAddress,
  question: Buffer,
  questionEnd: number,
  overTcp: boolean,
): Promise<Buffer> {
  const own = Buffer.from(question);
  own.writeUInt16BE(randomInt(0x1_0000), 0);
  if (overTcp) return await exchangeTcp(server, own, questionEnd);
  const answer = await exchangeUdp(server, own, questionEnd);
  if ((answer.readUInt16BE(2) & flagBits.truncated) === 0) return answer;
  return await exchangeTcp(server, own, questionEnd);
}

function failure(server: ServerAddress, why: string, cause?: unknown): TransientError {
  return new TransientError('UPSTREAM', `${serverText(server)} ${why}`, cause === undefined ? {} : { cause });
}

function exchangeUdp(server: ServerAddress, question: Buffer, questionEnd: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const family = server.host.includes(':') ? 6 : 4;
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      lookup: (host, _, done) => done(null, host, family),
    });
    let isOpen = true;
    const end = (result: Buffer | TransientError) => {
      if (!isOpen) return;
      isOpen = false;
      clearTimeout(timer);
      socket.close();
      if (result instanceof TransientError) reject(result);
      else resolve(result);
    };
    const timer = setTimeout(() => end(failure(server, `did not answer within ${exchangeMs} ms`)), exchangeMs);
    // Connected: the kernel drops what others send, and tells when nobody listens there.
    socket.on('error', (error) => end(failure(server, 'can not be asked', error)));
    socket.on('message', (message) => {
      if (typeof message !== 'string' && answersQuestion(message, question, questionEnd)) end(message);
    });
    // Without a route there the callback gets the error, which Node's types do not tell.
    socket.connect(server.port, server.host, (error?: unknown) => {
      if (error) end(failure(server, 'can not be asked', error));
      else socket.send(question);
    });
  });
}

function exchangeTcp(server: ServerAddress, question: Buffer, questionEnd: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, server.host);
    const chunks: Buffer[] = [];
    let isOpen = true;
    const end = (result: Buffer | TransientError) => {
      if (!isOpen) return;
      isOpen = false;
      clearTimeout(timer);
      socket.destroy();
      if (result instanceof TransientError) reject(result);
      else resolve(result);
    };
    const timer = setTimeout(() => end(failure(server, `did not answer within ${exchangeMs} ms over TCP`)), exchangeMs);
    socket.on('error', (error) => end(failure(server, 'can not be asked over TCP', error)));
    socket.on('close', () => end(failure(server, 'closed the connection')));
    socket.on('connect', () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(question.length);
      socket.write(Buffer.concat([length, question]));
    });
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      // At most one answer of 64 KiB is waited for: what follows it is not read.
      const all = chunks.length === 1 ? chunk : Buffer.concat(chunks);
      if (all.length < 2 || all.length < 2 + all.readUInt16BE(0)) {
        chunks.splice(0, chunks.length, all);
        return;
      }
      const message = all.subarray(2, 2 + all.readUInt16BE(0));
      end(answersQuestion(message, question, questionEnd) ? message : failure(server, 'answered another question'));
    });
  });
}
