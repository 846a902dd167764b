import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { constants, createDeflate } from 'node:zlib';
import { fc } from '../../tools/property.ts';
import { encodeSpdyFrame, SpdyDecoder, SpdyError, type SpdyFrame } from './spdy.ts';
import { headerDictionary, SpdyHeaderReader, SpdyHeaderWriter } from './spdy-headers.ts';
import { SpdySession, type SpdyStream } from './spdy-session.ts';

const id = fc.integer({ min: 1, max: 0x7f_ff_ff_ff });
const word = fc.integer({ min: 0, max: 0xff_ff_ff_ff });
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
/** Plain objects, as the decoder makes them. */
const record: typeof fc.record = ((model: object) => fc.record(model as never, { noNullPrototype: true })) as never;

const frame: fc.Arbitrary<SpdyFrame> = fc.oneof(
  record({
    type: fc.constant('syn-stream' as const),
    streamId: id,
    associatedId: fc.integer({ min: 0, max: 0x7f_ff_ff_ff }),
    priority: fc.integer({ min: 0, max: 7 }),
    fin: fc.boolean(),
    unidirectional: fc.boolean(),
    block: bytes,
  }),
  record({
    type: fc.constantFrom('syn-reply' as const, 'headers' as const),
    streamId: id,
    fin: fc.boolean(),
    block: bytes,
  }),
  record({ type: fc.constant('rst-stream' as const), streamId: id, status: word }),
  record({ type: fc.constant('ping' as const), id: word }),
  record({ type: fc.constant('goaway' as const), lastStreamId: id, status: word }),
  record({ type: fc.constant('window-update' as const), streamId: id, delta: id }),
  record({
    type: fc.constant('settings' as const),
    settings: fc.array(
      record({ flags: fc.integer({ min: 0, max: 255 }), id: fc.integer({ min: 0, max: 0xff_ff_ff }), value: word }),
      { maxLength: 5 },
    ),
  }),
  record({ type: fc.constant('data' as const), streamId: id, fin: fc.boolean(), data: bytes }),
);

/** Pieces of one data frame put together again. */
function whole(frames: readonly SpdyFrame[], sizes: readonly number[]): readonly SpdyFrame[] {
  const joined: SpdyFrame[] = [];
  let open: Buffer[] = [];
  let count = 0;
  for (const one of frames) {
    if (one.type !== 'data') {
      joined.push(one);
      continue;
    }
    open.push(one.data);
    const data = Buffer.concat(open);
    if (data.length < (sizes[count] ?? 0)) continue;
    joined.push({ ...one, data });
    open = [];
    count += 1;
  }
  return joined;
}

test('frames come back as they were written, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 50 })),
      (frames, cuts) => {
        const all = Buffer.concat(frames.map(encodeSpdyFrame));
        const decoder = new SpdyDecoder();
        const found: SpdyFrame[] = [];
        for (let at = 0; at < all.length; ) {
          const size = cuts.next().value ?? 1;
          found.push(...decoder.push(all.subarray(at, at + size)));
          at += size;
        }
        const sizes = frames.flatMap((one) => (one.type === 'data' ? [one.data.length] : []));
        assert.deepEqual(whole(found, sizes), frames);
      },
    ),
  );
});

test('any bytes are either frames or a SpdyError', () => {
  const nearlyFrames = fc.tuple(frame, fc.nat(), fc.nat(255)).map(([one, at, value]) => {
    const encoded = encodeSpdyFrame(one);
    encoded[at % encoded.length] = value;
    return encoded;
  });
  fc.assert(
    fc.property(fc.array(fc.oneof(bytes, nearlyFrames), { maxLength: 5 }), (chunks) => {
      const decoder = new SpdyDecoder();
      try {
        for (const chunk of chunks) decoder.push(chunk);
      } catch (thrown) {
        assert.ok(thrown instanceof SpdyError, String(thrown));
      }
    }),
  );
});

test('the dictionary is that of SPDY/3', () => {
  assert.equal(headerDictionary.length, 1423);
  let [a, b] = [1, 0];
  for (const byte of headerDictionary) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  // Its Adler-32 is in the zlib stream of every peer.
  assert.equal(b * 65_536 + a, 0xe3c6a7c2);
});

test('header blocks are read as one zlib stream, with the dictionary or without', async () => {
  const headers = { streamtype: ['stdout'], port: ['80'], several: ['a', 'b'] };
  using reader = new SpdyHeaderReader();
  const writer = new SpdyHeaderWriter();
  for (let count = 0; count < 3; count += 1) assert.deepEqual(await reader.decode(writer.encode(headers)), headers);
  // As Go's implementation writes them.
  using other = new SpdyHeaderReader();
  const deflate = createDeflate({ dictionary: headerDictionary, flush: constants.Z_SYNC_FLUSH });
  const plain = new SpdyHeaderWriter().encode(headers).subarray(7, -5);
  for (let count = 0; count < 3; count += 1) {
    const { promise, resolve } = Promise.withResolvers<void>();
    deflate.write(plain, () => resolve());
    await promise;
    assert.deepEqual(await other.decode(deflate.read() as Buffer), headers);
  }
  deflate.destroy();
});

test('header blocks that are damaged or blow up are a SpdyError, never a hang', async () => {
  await fc.assert(
    fc.asyncProperty(bytes, fc.nat(), async (block, at) => {
      using reader = new SpdyHeaderReader();
      const good = new SpdyHeaderWriter().encode({ a: ['b'] });
      good[at % good.length] = block[0] ?? 0;
      for (const one of [good, block])
        await reader.decode(one).catch((thrown: unknown) => assert.ok(thrown instanceof SpdyError, String(thrown)));
    }),
    { numRuns: 50 },
  );
  using reader = new SpdyHeaderReader();
  const deflate = createDeflate({ dictionary: headerDictionary, flush: constants.Z_SYNC_FLUSH });
  deflate.end(Buffer.alloc(10 << 20));
  await assert.rejects(reader.decode(await buffer(deflate)), SpdyError);
});

function sessions(onStream: (stream: SpdyStream) => boolean) {
  const [left, right] = duplexPair();
  const client = new SpdySession(left, { role: 'client' });
  const server = new SpdySession(right, { role: 'server', onStream });
  return { client, server, left, right };
}

test('streams of one session carry bytes both ways and close each half by itself', async () => {
  const { client, server } = sessions((stream) => {
    stream.pipe(stream);
    return true;
  });
  const data = Buffer.alloc(1 << 20, 'x');
  const streams = [client.createStream({ streamtype: ['a'] }), client.createStream({ streamtype: ['b'] })];
  for (const stream of streams) stream.end(data);
  await Promise.all(streams.map(({ reply }) => reply));
  for (const echoed of await Promise.all(streams.map((stream) => buffer(stream)))) assert.ok(echoed.equals(data));
  client.close();
  await Promise.all([client.ended, server.ended]);
});

test('a reader that does not read holds the writer up', async () => {
  const { promise, resolve } = Promise.withResolvers<SpdyStream>();
  const { client, left } = sessions((stream) => {
    resolve(stream);
    return true;
  });
  const stream = client.createStream({});
  const data = Buffer.alloc(64 * 1024);
  let isRoom = true;
  let written = 0;
  // Writes as a well-behaved source does: only while there is room, and again after each drain.
  const fill = () => {
    while (written < 1000 && stream.write(data)) written += 1;
    isRoom = written >= 1000;
  };
  stream.on('drain', fill);
  fill();
  const received = await promise;
  await new Promise((settled) => setImmediate(settled));
  assert.equal(isRoom, false);
  assert.ok(left.writableLength + stream.writableLength + received.readableLength < 1 << 20);
  stream.end();
  stream.off('drain', fill);
  assert.ok((await buffer(received)).length >= data.length);
  client[Symbol.dispose]();
});

test('a stream that the peer refuses or whose connection breaks ends with an error', async () => {
  const { client } = sessions(() => false);
  const refused = client.createStream({});
  await assert.rejects(buffer(refused), SpdyError);
  const other = sessions(() => true);
  const cut = other.client.createStream({});
  other.right.destroy();
  other.left.destroy();
  await assert.rejects(buffer(cut), SpdyError);
  await other.client.ended;
});
