/**
 * What users of a tunnel do, from another machine: `node tunnel-user.ts COMMAND HOST PORT ...`. Prints what came of it.
 *
 *     websocket HOST PORT NAME      an echo over a WebSocket, to the host name NAME
 *     tcp HOST PORT TEXT            sends TEXT and the end of its half, prints all that comes
 *     udp HOST PORT COUNT           echoes of COUNT datagrams, how many came
 *     stall HOST PORT COUNT         COUNT requests for many bytes whose answers are never read; prints `stalled`
 *     hold HOST PORT COUNT          COUNT connections that send a byte and stay; prints `held`, then how each ended
 *     echo HOST PORT COUNT BYTES    COUNT connections that echo BYTES each, checked; prints how many were whole
 */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import process from 'node:process';
import { WebSocket } from 'ws';

const [command = '', host = '', portText = '', argument = '', more = ''] = process.argv.slice(2);
const port = Number(portText);
const say = (text: string) => process.stdout.write(`${text}\n`);

function ended(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let error = 'end';
    socket.on('error', (cause) => {
      error = 'code' in cause ? String(cause.code) : cause.message;
    });
    socket.on('close', () => resolve(error));
  });
}

const commands: Readonly<Record<string, () => Promise<void> | void>> = {
  websocket() {
    const socket = new WebSocket(`ws://${host}:${port}/socket`, { headers: { host: argument } });
    socket.on('open', () => socket.send('through the tunnel'));
    socket.on('message', (data) => {
      say(String(data));
      socket.close();
    });
    socket.on('error', (error) => say(`failed: ${error.message}`));
  },
  tcp() {
    const socket = connect({ host, port, allowHalfOpen: true });
    socket.on('connect', () => socket.end(argument));
    socket.on('data', (chunk) => process.stdout.write(chunk));
    socket.on('end', () => say('<end>'));
    socket.on('error', (error) => say(`failed: ${'code' in error ? error.code : error.message}`));
  },
  udp() {
    const socket = createSocket('udp4');
    const seen = new Set<string>();
    const wanted = Number(argument);
    const finish = () => {
      say(String(seen.size));
      socket.close();
    };
    const timer = setTimeout(finish, 5000);
    socket.on('message', (message) => {
      seen.add(message.toString());
      if (seen.size < wanted) return;
      clearTimeout(timer);
      finish();
    });
    for (let i = 0; i < wanted; i++) socket.send(`datagram ${i}`, port, host);
  },
  stall() {
    for (let i = 0; i < Number(argument); i++) {
      const socket = connect({ host, port });
      socket.pause();
      socket.on('error', () => {});
      socket.write('GET /bytes?n=1000000000 HTTP/1.1\r\nHost: one.test\r\n\r\n');
    }
    say('stalled');
    process.stdin.resume();
    process.stdin.on('end', () => process.exit(0));
  },
  async hold() {
    const sockets = Array.from({ length: Number(argument) }, () => connect({ host, port }));
    const ends = sockets.map(ended);
    await Promise.all(
      sockets.map(
        (socket) =>
          new Promise<void>((resolve) => {
            socket.write('x');
            socket.once('data', () => resolve());
            socket.once('close', () => resolve());
          }),
      ),
    );
    say('held');
    say((await Promise.all(ends)).join(' '));
  },
  async echo() {
    const size = Number(more);
    const one = async () => {
      const sent = randomBytes(size);
      const hash = createHash('sha256');
      const socket = connect({ host, port, allowHalfOpen: true });
      const end = ended(socket);
      let isPastLine = false;
      socket.on('data', (chunk: Buffer) => {
        const at = isPastLine ? -1 : chunk.indexOf('\n');
        if (at >= 0) hash.update(chunk.subarray(at + 1));
        else if (isPastLine) hash.update(chunk);
        isPastLine ||= at >= 0;
      });
      socket.end(sent);
      await end;
      return hash.digest('hex') === createHash('sha256').update(sent).digest('hex');
    };
    const results = await Promise.all(Array.from({ length: Number(argument) }, one));
    say(`${results.filter(Boolean).length} whole`);
  },
};

const run = commands[command];
if (run === undefined) throw new Error(`there is no command ${command}`);
await run();
