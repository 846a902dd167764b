/**
 * A machine or pod of a test: answers TCP connections and UDP packets on some ports with its name and the address that it
 * sees, and makes connections when told to.
 */
import { createSocket, type Socket } from 'node:dgram';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { serveCalls } from './rpc.ts';

interface Options {
  readonly name: string;
  readonly ports: readonly number[];
}

export interface Target {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
  /** A UDP socket is kept under this port, so that calls belong to one flow. */
  readonly sourcePort?: number;
  readonly timeoutMs?: number;
}

const { name, ports }: Options = JSON.parse(process.argv[2] ?? '');
const sockets = new Map<number, Socket>();

for (const port of ports) {
  createServer((socket) => {
    socket.on('error', () => {});
    socket.end(`${name} ${plain(socket.remoteAddress ?? '')}`);
  }).listen(port, '::');
  const udp = createSocket('udp6');
  udp.on('message', (_, from) => udp.send(`${name} ${plain(from.address)}`, from.port, from.address));
  udp.bind(port, '::');
}

await serveCalls({ ask, get });
process.exit(0);

/** What the other side answered; `refused`, `silent` or another code of a system error otherwise. */
async function ask(target: Target): Promise<string> {
  return target.protocol === 'tcp' ? await askTcp(target) : await askUdp(target);
}

function askTcp({ address, port, timeoutMs = 800 }: Target): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    let text = '';
    socket.setTimeout(timeoutMs, () => {
      socket.destroy();
      resolve('silent');
    });
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('end', () => resolve(text));
    socket.on('error', (error) => resolve(outcome(error)));
  });
}

function askUdp({ address, port, sourcePort = 0, timeoutMs = 800 }: Target): Promise<string> {
  return new Promise((resolve) => {
    const kept = sockets.get(sourcePort);
    const socket = kept ?? createSocket(address.includes(':') ? 'udp6' : 'udp4');
    if (sourcePort !== 0) sockets.set(sourcePort, socket);
    const settle = (result: string) => {
      clearTimeout(timer);
      socket.removeAllListeners('message');
      socket.removeAllListeners('error');
      socket.on('error', () => {});
      if (sourcePort === 0) socket.close();
      resolve(result);
    };
    const timer = setTimeout(() => settle('silent'), timeoutMs);
    socket.on('message', (bytes) => settle(bytes.toString()));
    socket.on('error', (error) => settle(outcome(error)));
    const send = () => socket.send('?', port, address);
    if (kept === undefined) socket.bind(sourcePort, send);
    else send();
  });
}

function get({ url }: { readonly url: string }): Promise<unknown> {
  return new Promise((resolve) => {
    const sent = request(url, { agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    sent.on('error', (error) => resolve({ status: 0, headers: {}, body: outcome(error) }));
    sent.end();
  });
}

function outcome(error: NodeJS.ErrnoException): string {
  return error.code === 'ECONNREFUSED' ? 'refused' : (error.code ?? error.message);
}

function plain(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
