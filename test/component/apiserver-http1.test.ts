/** HTTP/1.1 as clients and those who wish no good speak it, on real TLS sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { configMap, maps, World } from './api-world.ts';

const host = 'host: localhost\r\nauthorization: Bearer good\r\n';

async function dial(world: World): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: world.port, ca: world.ca, noDelay: true } as object);
  await once(socket, 'secureConnect');
  return socket;
}

/** Sends pieces one after the other and resolves with all that comes until the server closes. */
async function exchange(world: World, ...pieces: readonly (string | Buffer)[]): Promise<string> {
  const socket = await dial(world);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  for (const piece of pieces) {
    await new Promise((resolve) => socket.write(piece, resolve));
    await new Promise(setImmediate);
  }
  await once(socket, 'close');
  return text;
}

const statuses = (text: string) => [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, code]) => Number(code));
const post = (name: string) => {
  const body = JSON.stringify(configMap(name));
  return `POST ${maps} HTTP/1.1\r\n${host}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
};
const last = `GET /version HTTP/1.1\r\n${host}connection: close\r\n\r\n`;

describe('the API server over HTTP/1.1', { timeout: 60_000 }, () => {
  it('answers pipelined requests in their order', async () => {
    await using world = await World.start();
    const text = await exchange(
      world,
      `${post('one')}GET ${maps}/one HTTP/1.1\r\n${host}\r\n${post('one')}${post('two')}${last}`,
    );
    assert.deepEqual(statuses(text), [201, 200, 409, 201, 200]);
  });

  it('reads requests whatever way they are cut', async () => {
    await using world = await World.start();
    const bytes = Buffer.from(`\r\n${post('slow')}${last}`);
    const text = await exchange(world, ...Array.from(bytes, (_, index) => bytes.subarray(index, index + 1)));
    assert.deepEqual(statuses(text), [201, 200]);
  });

  it('takes a body in chunks, and one that waits to be asked for', async () => {
    await using world = await World.start();
    const body = JSON.stringify(configMap('chunked'));
    const chunked = `POST ${maps} HTTP/1.1\r\n${host}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n7\r\n${body.slice(0, 7)}\r\n`;
    const rest = `${(body.length - 7).toString(16)}\r\n${body.slice(7)}\r\n0\r\n\r\n`;
    assert.deepEqual(statuses(await exchange(world, chunked, rest, last)), [201, 200]);
    const asked = post('asked').replace('content-length', 'expect: 100-continue\r\ncontent-length');
    const at = asked.indexOf('\r\n\r\n') + 4;
    assert.deepEqual(statuses(await exchange(world, asked.slice(0, at), asked.slice(at), last)), [100, 201, 200]);
  });

  it('answers before a body that it does not want, and goes on behind it', async () => {
    await using world = await World.start();
    const body = 'x'.repeat(300_000);
    const refused = `POST ${maps} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer bad\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    assert.deepEqual(statuses(await exchange(world, refused, last)), [401, 200]);
  });

  it('closes behind an answer where the client may or may not send the body', async () => {
    await using world = await World.start();
    const refused = `POST ${maps} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer bad\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n`;
    const text = await exchange(world, refused);
    assert.deepEqual(statuses(text), [401]);
    assert.match(text, /^connection: close\r$/m);
  });

  it('speaks HTTP/1.0, HEAD and whole URLs', async () => {
    await using world = await World.start();
    const old = await exchange(world, `GET /version HTTP/1.0\r\n${host}\r\n`);
    assert.deepEqual(statuses(old), [200]);
    const head = await exchange(world, `HEAD /version HTTP/1.1\r\n${host}connection: close\r\n\r\n`);
    assert.match(head, /content-length: \d\d+\r\n/);
    assert.match(head, /\r\n\r\n$/);
    const whole = await exchange(world, `GET https://localhost${maps} HTTP/1.1\r\n${host}connection: close\r\n\r\n`);
    assert.deepEqual(statuses(whole), [200]);
    const watch = await exchange(world, `GET ${maps}?watch=1&timeoutSeconds=1 HTTP/1.0\r\n${host}\r\n`);
    assert.deepEqual(statuses(watch), [200]);
    assert.doesNotMatch(watch, /transfer-encoding/i);
  });

  it('refuses what is no request in words, and closes', async () => {
    await using world = await World.start();
    const cases = [
      ['nonsense\r\n\r\n', 400],
      [`GET / HTTP/1.1\r\n${host}x: ${'y'.repeat(70_000)}\r\n\r\n`, 431],
      [`GET / HTTP/1.1\r\n${host}x: ${'y'.repeat(70_000)}`, 431],
      [`GET / HTTP/3.0\r\n${host}\r\n`, 505],
      [`POST ${maps} HTTP/1.1\r\n${host}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n`, 400],
      [`POST ${maps} HTTP/1.1\r\n${host}transfer-encoding: chunked\r\n\r\nzz\r\n`, 400],
    ] as const;
    for (const [sent, code] of cases)
      assert.deepEqual(statuses(await exchange(world, sent)), [code], sent.slice(0, 60));
    assert.equal((await world.call('GET', maps)).status, 200);
  });

  it('ends connections that send no request, half a request, or none any more', async () => {
    await using world = await World.start({ headersTimeoutMs: 150, receiveTimeoutMs: 150, keepAliveTimeoutMs: 150 });
    assert.equal(await exchange(world), '');
    assert.deepEqual(statuses(await exchange(world, 'GET / HTTP/1.1\r\n')), [408]);
    assert.deepEqual(statuses(await exchange(world, `GET /version HTTP/1.1\r\n${host}\r\n`)), [200]);
    await exchange(world, `POST ${maps} HTTP/1.1\r\n${host}content-length: 3\r\n\r\n{`);
  });
});
