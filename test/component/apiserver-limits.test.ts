/**
 * What the API server does at its bounds, on real loopback sockets: the bounds are small here, the rules are the same.
 */
import assert from 'node:assert/strict';
import type { ClientRequest } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { describe, it } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { createClient } from '../../src/client/client-impl.ts';
import { configmaps } from '../../src/kube/resources.gen.ts';
import { admin, configMap, maps, type Reply, World } from './api-world.ts';

const authorization = 'Bearer good';
const deadlineMs = 20_000;

/** A POST that has begun: its headers and half of its body are sent, `finish` sends the rest. */
class BegunPost {
  readonly reply: Promise<Omit<Reply, 'body'>>;
  readonly #request: ClientRequest;
  readonly #rest: string;

  constructor(world: World, path: string, body: object) {
    const text = JSON.stringify(body);
    const half = Math.floor(text.length / 2);
    this.#rest = text.slice(half);
    const headers = { authorization, 'content-type': 'application/json', 'content-length': String(text.length) };
    const address = { host: '127.0.0.1', port: world.port, ca: world.ca };
    const options: RequestOptions = { ...address, method: 'POST', path, headers, agent: false };
    this.#request = request(options);
    this.reply = new Promise((resolve, reject) => {
      this.#request.on('error', reject);
      this.#request.on('response', (response) => {
        let content = '';
        response.on('data', (chunk) => {
          content += chunk;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text: content }),
        );
      });
    });
    this.#request.write(text.slice(0, half));
  }

  finish(): void {
    this.#request.end(this.#rest);
  }

  abandon(): void {
    this.#request.destroy();
  }
}

/** A TLS connection to the server, for what no HTTP client would do. */
async function dial(world: World): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: world.port, ca: world.ca, allowHalfOpen: true } as object);
  await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
  return socket;
}

/** All that comes until the server ends its side. */
function readToEnd(socket: TLSSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.once('error', reject).once('end', () => resolve(text));
    socket.resume();
  });
}

/** Calls until the answer is as wanted; the deadline is the test's own. */
async function until<T>(call: () => Promise<T>, isWanted: (answer: T) => boolean): Promise<T> {
  for (const end = performance.now() + deadlineMs; ; ) {
    const answer = await call();
    if (isWanted(answer)) return answer;
    assert.ok(performance.now() < end, 'what was waited for did not happen');
  }
}

describe('an API server at its bounds', { timeout: 60_000 }, () => {
  it('refuses a body beyond the limit with 413, whether its length is announced or not', async () => {
    await using world = await World.start({ bodyBytes: 2048 });
    const large = configMap('large', { a: 'x'.repeat(4096) });
    const announced = await world.call('POST', maps, large);
    assert.equal(announced.status, 413);
    assert.equal(announced.body.reason, 'RequestEntityTooLarge');
    const chunked = { authorization, 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
    const streamed = await world.call('POST', maps, large, chunked);
    assert.equal(streamed.status, 413);
    assert.equal(streamed.body.reason, 'RequestEntityTooLarge');
    assert.equal((await world.call('POST', maps, configMap('small'))).status, 201);
  });

  it('refuses writes beyond those in flight with 429 and Retry-After, while reads go on', async () => {
    await using world = await World.start({ mutatingInFlight: 1 });
    const first = new BegunPost(world, maps, configMap('first'));
    let count = 0;
    const post = () => world.call('POST', maps, configMap(`next-${count++}`));
    const refused = await until(post, ({ status }) => status !== 201);
    assert.equal(refused.status, 429);
    assert.equal(refused.body.reason, 'TooManyRequests');
    assert.equal(refused.headers['retry-after'], '1');
    assert.equal(refused.body.details.retryAfterSeconds, 1);
    assert.equal((await world.call('GET', maps)).status, 200);
    first.finish();
    assert.equal((await first.reply).status, 201);
    assert.equal((await post()).status, 201, 'the place of the first is free again');
  });

  it('gives the place of a client that went away to the next', async () => {
    await using world = await World.start({ mutatingInFlight: 1 });
    const first = new BegunPost(world, maps, configMap('first'));
    first.reply.catch(() => undefined);
    let count = 0;
    const post = () => world.call('POST', maps, configMap(`next-${count++}`));
    await until(post, ({ status }) => status === 429);
    first.abandon();
    await until(post, ({ status }) => status === 201);
    assert.equal((await world.call('GET', `${maps}/first`)).status, 404);
  });

  it('answers 504 when a request takes longer than the server or the client allows', async () => {
    await using world = await World.start({ requestTimeoutMs: 200 });
    const slow = new BegunPost(world, maps, configMap('slow'));
    const late = await slow.reply;
    assert.equal(late.status, 504);
    assert.equal(JSON.parse(late.text).reason, 'Timeout');
    slow.abandon();
    const hurried = new BegunPost(world, `${maps}?timeout=50ms`, configMap('hurried'));
    assert.equal((await hurried.reply).status, 504);
    hurried.abandon();
    assert.equal((await world.call('GET', `${maps}/slow`)).status, 404, 'what was not answered was not done');
  });

  it('cuts a watcher off that does not read, and serves the others on', async () => {
    await using world = await World.start({ watchBacklogBytes: 256 * 1024 });
    const client = createClient(world.server.transport(admin));
    const lazy = await dial(world);
    lazy.pause();
    lazy.write(`GET ${maps}?watch=1 HTTP/1.1\r\nhost: localhost\r\nauthorization: ${authorization}\r\n\r\n`);
    const eager = await dial(world);
    const seen = readToEnd(eager);
    eager.write(`GET ${maps}?watch=1 HTTP/1.1\r\nhost: localhost\r\nauthorization: ${authorization}\r\n\r\n`);
    // More than the kernel holds for a socket and the bound together.
    const count = 48;
    const filling = 'x'.repeat(512 * 1024);
    for (let index = 0; index < count; index += 1) {
      const metadata = { name: `bulk-${index}`, namespace: 'default' };
      await client.create(configmaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { filling } });
    }
    const received = readToEnd(lazy);
    lazy.end();
    const text = await received;
    const lines = text.split('"type":"ADDED"').length - 1;
    assert.ok(lines < count, `the watch was ended before all of its ${count} events were sent`);
    assert.match(text, /\r\n0\r\n\r\n$/, 'and in good order');
    await world.server[Symbol.asyncDispose]();
    eager.end();
    assert.equal((await seen).split('"type":"ADDED"').length - 1, count);
  });

  it('answers a client that has closed its own side', async () => {
    await using world = await World.start();
    const socket = await dial(world);
    const text = readToEnd(socket);
    socket.end(
      `GET /api/v1/namespaces/default HTTP/1.1\r\nhost: localhost\r\nauthorization: ${authorization}\r\nconnection: close\r\n\r\n`,
    );
    assert.match(await text, /^HTTP\/1\.1 (?:200|404) /);
  });

  it('ends a connection that is closed in the middle of a request, and takes the next', async () => {
    await using world = await World.start();
    const socket = await dial(world);
    const text = readToEnd(socket);
    socket.end(
      `POST ${maps} HTTP/1.1\r\nhost: localhost\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"kind"`,
    );
    assert.doesNotMatch(await text, /^HTTP\/1\.1 2/);
    assert.equal((await world.call('POST', maps, configMap('next'))).status, 201);
  });

  it('says in one clear error what is wrong with JSON or YAML that can not be read', async () => {
    await using world = await World.start();
    const yaml = { authorization, 'content-type': 'application/yaml' };
    const json = { authorization, 'content-type': 'application/json' };
    const cases = [
      ['{"kind":"ConfigMap",', json, /unexpected end of JSON input/],
      ['{"kind": ConfigMap}', json, /invalid character 'C' looking for beginning of value/],
      ['[]', json, /ConfigMap/],
      ['kind: ConfigMap\n\tmetadata: {}\n', yaml, /yaml: line 2/],
      ['a: [', yaml, /yaml: did not find expected/],
      ['a: "b', yaml, /yaml: found unexpected end of stream/],
    ] as const;
    for (const [body, headers, words] of cases) {
      const reply = await world.call('POST', maps, body, headers);
      assert.equal(reply.status, 400, body);
      assert.equal(reply.body.kind, 'Status', body);
      assert.equal(reply.body.reason, 'BadRequest', body);
      assert.match(reply.body.message, words, body);
    }
  });
});
