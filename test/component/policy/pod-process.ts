/** One pod of the truth table, in a network namespace of its own: it answers on its ports and probes others'. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import process from 'node:process';
import type { PodAnswer, PodQuestion, Target } from './messages.ts';
import { SctpEnd } from './sctp.ts';

for (const port of [80, 81]) {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.write('k');
    socket.pipe(socket);
  });
  server.listen(port, '::');
  await once(server, 'listening');
}
for (const [type, address] of [
  ['udp4', '0.0.0.0'],
  ['udp6', '::'],
] as const) {
  const server = createSocket({ type, ipv6Only: type === 'udp6' });
  server.on('message', (message, from) => server.send(message, from.port, from.address));
  server.bind(80, address);
  await once(server, 'listening');
}
const sctp = new SctpEnd();

function probe({ address, protocol, port }: Target, timeoutMs: number): Promise<boolean> {
  if (protocol === 'SCTP') return sctp.probe(address, timeoutMs);
  return protocol === 'TCP' ? probeTcp(address, port, timeoutMs) : probeUdp(address, port, timeoutMs);
}

function probeTcp(host: string, port: number, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port });
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  socket.once('data', () => {
    resolve(true);
    socket.resetAndDestroy();
  });
  socket.on('error', () => {});
  socket.once('close', () => {
    clearTimeout(timer);
    resolve(false);
  });
  return promise;
}

function probeUdp(address: string, port: number, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const timer = setTimeout(() => socket.close(), timeoutMs);
  socket.once('message', () => {
    resolve(true);
    socket.close();
  });
  socket.on('error', () => {});
  socket.once('close', () => {
    clearTimeout(timer);
    resolve(false);
  });
  socket.send('k', port, address);
  return promise;
}

let kept: Socket | undefined;

async function open({ address, port }: Target, timeoutMs: number): Promise<boolean> {
  kept?.destroy();
  const socket = connect({ host: address, port });
  socket.on('error', () => {});
  kept = socket;
  const data = once(socket, 'data', { signal: AbortSignal.timeout(timeoutMs) });
  return await data.then(
    () => true,
    () => false,
  );
}

async function echo(timeoutMs: number): Promise<boolean> {
  if (kept === undefined || kept.destroyed) return false;
  const data = once(kept, 'data', { signal: AbortSignal.timeout(timeoutMs) });
  kept.write('e');
  return await data.then(
    () => true,
    () => false,
  );
}

async function answer(question: PodQuestion): Promise<readonly boolean[]> {
  const { timeoutMs } = question;
  if (question.ask === 'probe') return await Promise.all(question.targets.map((target) => probe(target, timeoutMs)));
  return [question.ask === 'open' ? await open(question.target, timeoutMs) : await echo(timeoutMs)];
}

process.on('message', async (question: PodQuestion) => {
  const reply: PodAnswer = { id: question.id, results: await answer(question) };
  process.send?.(reply);
});
process.once('disconnect', () => process.exit(0));
process.send?.({ id: 0, results: [true] } satisfies PodAnswer);
