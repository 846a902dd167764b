import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { fc } from '../../tools/property.ts';
import { ChunkedDecoder, Http1Error, headerLines, parseRequestHead } from './http1.ts';

const head = (...lines: string[]) => lines.join('\r\n');
const refused = (code: number, ...lines: string[]) =>
  assert.throws(
    () => parseRequestHead(head(...lines)),
    (error) => error instanceof Http1Error && error.code === code,
    lines.join('|'),
  );

describe('the head of a request', () => {
  it('is read with its fields in order', () => {
    const { method, target, headers, framing, isLast } = parseRequestHead(
      head('POST /api?x=1 HTTP/1.1', 'Host: a', 'Accept: text/a', 'accept:\t text/b ', 'Content-Length: 12'),
    );
    assert.deepEqual({ method, target, isLast }, { method: 'POST', target: '/api?x=1', isLast: false });
    assert.equal(headers.get('accept'), 'text/a, text/b');
    assert.deepEqual({ ...headers.distinct() }['accept'], ['text/a', 'text/b']);
    assert.deepEqual(headers.raw.slice(0, 2), ['Host', 'a']);
    assert.deepEqual(framing, { type: 'length', bytes: 12 });
    assert.equal(headers.hasPrefix('content-'), true);
    assert.equal(headers.hasPrefix('impersonate-'), false);
  });

  it('says whether the connection goes on', () => {
    const isLast = (line: string, ...more: string[]) => parseRequestHead(head(line, 'Host: a', ...more)).isLast;
    assert.equal(isLast('GET / HTTP/1.1'), false);
    assert.equal(isLast('GET / HTTP/1.1', 'Connection: foo, Close'), true);
    assert.equal(isLast('GET / HTTP/1.0'), true);
    assert.equal(isLast('GET / HTTP/1.0', 'Connection: Keep-Alive'), false);
  });

  it('asks to upgrade only with both headers', () => {
    const isUpgrade = (...more: string[]) => parseRequestHead(head('GET / HTTP/1.1', 'Host: a', ...more)).isUpgrade;
    assert.equal(isUpgrade('Connection: keep-alive, Upgrade', 'Upgrade: websocket'), true);
    assert.equal(isUpgrade('Upgrade: websocket'), false);
    assert.equal(isUpgrade('Connection: Upgrade'), false);
  });

  it('is refused where two readers could differ', () => {
    const post = ['POST / HTTP/1.1', 'Host: a'];
    refused(400, ...post, 'Content-Length: 1', 'Transfer-Encoding: chunked');
    refused(400, ...post, 'Content-Length: 1', 'Content-Length: 2');
    refused(400, ...post, 'Content-Length: 1', 'Content-Length: 1');
    refused(400, ...post, 'Content-Length: +1');
    refused(400, ...post, 'Content-Length: 0x1');
    refused(400, ...post, 'Content-Length: ');
    refused(501, ...post, 'Transfer-Encoding: gzip, chunked');
    refused(501, ...post, 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked');
    refused(400, 'POST / HTTP/1.0', 'Transfer-Encoding: chunked');
    refused(400, ...post, 'Content-Length : 1');
    refused(400, ...post, ' folded');
    refused(400, ...post, 'X: a\nContent-Length: 1');
    refused(400, ...post, 'X: a\rb');
    refused(400, ...post, 'X: a\0b');
    refused(400, ...post, 'nothing');
    refused(400, ...post, ': nothing');
    refused(400, 'GET / HTTP/1.1');
    refused(400, 'GET / HTTP/1.1', 'Host: a', 'Host: a');
    refused(400, 'GET /a b HTTP/1.1', 'Host: a');
    refused(400, 'GET  / HTTP/1.1', 'Host: a');
    refused(400, 'GET /');
    refused(400, '');
    refused(505, 'GET / HTTP/2.0', 'Host: a');
    refused(417, ...post, 'Expect: miracles');
  });

  it('is never read where an independent reader refuses it, and says the same', { timeout: 60_000 }, async () => {
    const seen: string[] = [];
    const server = createServer({ insecureHTTPParser: false }, (request, response) => {
      seen.push(JSON.stringify([request.method, request.url, request.rawHeaders.map((text) => text)]));
      response.end();
    });
    server.on('clientError', (_error, socket) => socket.destroy());
    server.on('upgrade', (request, socket) => {
      seen.push(JSON.stringify([request.method, request.url, request.rawHeaders]));
      socket.destroy();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const part = fc.constantFrom(
      'GET',
      'POST',
      ' ',
      '/',
      '/a?b',
      'HTTP/1.1',
      '\r\n',
      '\n',
      '\r',
      ':',
      'Host: a',
      'X',
      '\t',
    );
    const line = fc.constantFrom(
      'Host: a',
      'X-A:  b ',
      'X-B:',
      'Accept: a, b',
      'content-length: 0',
      'Content-Length:0',
      'X: \x7f',
      'X : a',
      'X:a\tb',
    );
    const text = fc.oneof(
      fc.array(part, { maxLength: 12 }).map((parts) => parts.join('')),
      fc.array(line, { maxLength: 5 }).map((lines) => ['GET / HTTP/1.1', ...lines].join('\r\n')),
      fc.array(line, { maxLength: 5 }).map((lines) => ['PUT /x HTTP/1.0', ...lines].join('\r\n')),
    );
    try {
      await fc.assert(
        fc.asyncProperty(text, async (value) => {
          let ours: string;
          try {
            const { method, target, headers } = parseRequestHead(value);
            ours = JSON.stringify([method, target, headers.raw]);
          } catch (error) {
            assert.ok(error instanceof Http1Error);
            return;
          }
          seen.length = 0;
          const socket = connect(address.port, '127.0.0.1');
          const closed = once(socket, 'close');
          socket.on('error', () => {});
          socket.resume();
          socket.end(`${value}\r\n\r\n`, 'latin1');
          await closed;
          assert.deepEqual(seen, [ours]);
        }),
        { numRuns: 400 },
      );
    } finally {
      server.close();
    }
  });
});

describe('a body in chunks', () => {
  const read = (pieces: readonly Buffer[]) => {
    const decoder = new ChunkedDecoder();
    const parts: Buffer[] = [];
    let rest = Buffer.alloc(0);
    for (const piece of pieces) {
      const taken = decoder.push(piece, (part) => parts.push(part));
      rest = Buffer.concat([rest, piece.subarray(taken)]);
    }
    return { body: Buffer.concat(parts).toString('latin1'), isDone: decoder.isDone, rest: rest.toString('latin1') };
  };

  it('is put together whatever way it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, maxLength: 40, unit: 'binary-ascii' }), { maxLength: 6 }),
        fc.array(fc.nat(400), { maxLength: 12 }),
        (chunks, cuts) => {
          const sent = chunks.map((chunk) => `${chunk.length.toString(16)};a=b\r\n${chunk}\r\n`).join('');
          const wire = Buffer.from(`${sent}0\r\nTrailer: x\r\n\r\nGET / `, 'latin1');
          const at = [0, ...cuts.map((cut) => Math.min(cut, wire.length)).sort((a, b) => a - b), wire.length];
          const pieces = at.slice(1).map((end, index) => wire.subarray(at[index] ?? 0, end));
          assert.deepEqual(read(pieces), { body: chunks.join(''), isDone: true, rest: 'GET / ' });
        },
      ),
    );
  });

  it('is refused where it is malformed', () => {
    for (const text of [
      'x\r\n',
      '1\r\nab\r\n',
      '1\nab',
      '\r\n',
      '-1\r\n',
      '1 \r\n',
      '123456789\r\n',
      `1;${'a'.repeat(2000)}`,
    ])
      assert.throws(() => read([Buffer.from(text)]), Http1Error, text);
  });
});

it('header values that would break out of their line are not sent', () => {
  assert.equal(headerLines({ a: 1, b: ['x', 'y'] }), 'a: 1\r\nb: x\r\nb: y\r\n');
  assert.throws(() => headerLines({ a: 'x\r\nb: y' }), TypeError);
  assert.throws(() => headerLines({ 'a b': 'x' }), TypeError);
});
