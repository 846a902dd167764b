/**
 * What a tunnel test serves behind NAT: HTTP on the first port given, TCP on the second, UDP on the third; prints `ready`.
 *
 *     /           who asked for what, as JSON        /bytes?n=N    N bytes, the same every time
 *     /digest     SHA-256 of the body                /slow?ms=N    an answer after a while
 *     WebSocket   echo                               TCP, UDP      echo; TCP says first what PROXY header it got
 */
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';
import { createServer as createTcp } from 'node:net';
import process from 'node:process';
import { Readable } from 'node:stream';
import { WebSocketServer } from 'ws';

const [http = 8080, tcp = 8081, udp = 8082] = process.argv.slice(2, 5).map(Number);
const name = process.argv[5] ?? 'upstream';
const block = Buffer.alloc(64 * 1024);
for (let i = 0; i < block.length; i++) block[i] = (i * 31) & 0xff;

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://upstream');
  if (url.pathname === '/bytes') {
    let left = Number(url.searchParams.get('n'));
    const blocks = function* () {
      for (; left > 0; left -= block.length) yield block.subarray(0, Math.min(left, block.length));
    };
    response.writeHead(200, { 'content-length': left });
    Readable.from(blocks()).pipe(response);
    return;
  }
  if (url.pathname === '/digest') {
    const hash = createHash('sha256');
    request.on('data', (chunk) => hash.update(chunk));
    request.on('end', () => response.end(hash.digest('hex')));
    return;
  }
  const answer = () =>
    response.end(JSON.stringify({ name, method: request.method, url: request.url, headers: request.headers }));
  setTimeout(answer, Number(url.searchParams.get('ms') ?? 0));
});
const sockets = new WebSocketServer({ server });
sockets.on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })));
server.listen(http, '0.0.0.0');

createTcp({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.once('data', (first: Buffer) => {
    const isProxied = first.subarray(0, 12).toString('latin1') === '\r\n\r\n\0\r\nQUIT\n';
    const length = isProxied ? 16 + first.readUInt16BE(14) : 0;
    socket.write(isProxied ? `proxied from ${[...first.subarray(16, 20)].join('.')}\n` : 'direct\n');
    socket.write(first.subarray(length));
    socket.pipe(socket);
  });
}).listen(tcp, '0.0.0.0');

const datagrams = createSocket('udp4');
datagrams.on('message', (message, { port, address }) => datagrams.send(message, port, address));
datagrams.bind(udp, '0.0.0.0', () => process.stdout.write('ready\n'));
