/**
 * Asks a web server again and again by one connection, and prints a line of JSON for each answer: `{ answers }`, or
 * `{ error }` when the connection breaks. Ends with its input.
 */
import { connect } from 'node:net';

/** A line of output. */
export type ConnectionLine = { readonly answers: number } | { readonly error: string };

const [host = '', port = '', every = ''] = process.argv.slice(2);
const say = (line: ConnectionLine) => process.stdout.write(`${JSON.stringify(line)}\n`);
let answers = 0;
let isEnding = false;
const socket = connect({ host, port: Number(port) });
socket.setEncoding('latin1').on('data', (text: string) => {
  for (const _ of text.matchAll(/HTTP\/1\.1 200/g)) say({ answers: ++answers });
});
const timer = setInterval(() => socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`), Number(every));
socket.on('error', (error) => say({ error: error.message }));
socket.on('close', () => {
  clearInterval(timer);
  if (!isEnding) say({ error: 'the connection was closed' });
  process.stdin.destroy();
});
process.stdin.resume().on('end', () => {
  isEnding = true;
  socket.destroy();
});
