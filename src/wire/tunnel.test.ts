import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../../tools/property.ts';
import { encodeProxyHeader } from './proxy-protocol.ts';
import { BlockParser, encodeBlock, endOfBlocks, resetOfBlocks } from './tunnel-blocks.ts';
import {
  encodeFailed,
  encodeFrame,
  encodeOpen,
  FrameReader,
  frameType,
  type OpenNotice,
  parseFailed,
  parseOpen,
  TunnelProtocolError,
} from './tunnel-frames.ts';
import { parseClientMessage, parseServerMessage, routesMax } from './tunnel-messages.ts';

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((array) => Buffer.from(array));

/** The same bytes in pieces of any size. */
function pieces(whole: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return at.slice(1).map((end, i) => whole.subarray(at[i] ?? 0, end));
}

test('frames arrive as they were sent, however they are cut', () => {
  const frame = fc.oneof(
    bytes(2000).map((payload) => ({ type: frameType.datagram, payload })),
    bytes(2000).map((payload) => ({ type: frameType.open, payload })),
    fc.constant({ type: frameType.opened, payload: Buffer.alloc(0) }),
  );
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 8 }),
      bytes(50),
      fc.array(fc.nat(), { maxLength: 8 }),
      (frames, rest, cuts) => {
        const reader = new FrameReader();
        const got: unknown[] = [];
        for (const piece of pieces(
          Buffer.concat(frames.map(({ type, payload }) => encodeFrame(type, payload))),
          cuts,
        )) {
          reader.push(piece);
          for (let next = reader.next(); next !== undefined; next = reader.next()) got.push(next);
        }
        assert.deepEqual(got, frames);
        reader.push(rest);
        assert.deepEqual(reader.rest(), rest);
      },
    ),
  );
});

test('any bytes are frames, wait for more, or are refused; nothing else happens', () => {
  fc.assert(
    fc.property(bytes(300), (noise) => {
      const reader = new FrameReader();
      reader.push(noise);
      try {
        for (let next = reader.next(); next !== undefined; next = reader.next()) {
          if (next.type === frameType.open) parseOpen(next.payload);
          if (next.type === frameType.failed) parseFailed(next.payload);
        }
      } catch (error) {
        assert.ok(error instanceof TunnelProtocolError);
      }
    }),
  );
  const reader = new FrameReader();
  reader.push(Buffer.from([frameType.open, 0xff, 0xff]));
  assert.throws(() => reader.next(), /announces 65535 bytes/);
});

test('notices say what they were made of', () => {
  const notice: OpenNotice = {
    route: 'tcp/80',
    kind: 'tcp',
    source: { address: '192.0.2.1', port: 5 },
    destination: { address: '2001:db8::1', port: 80 },
  };
  const reader = new FrameReader();
  reader.push(Buffer.concat([encodeOpen(notice), encodeFailed({ code: 'X', message: 'y' })]));
  assert.deepEqual(parseOpen(reader.next()?.payload ?? Buffer.alloc(0)), notice);
  assert.deepEqual(parseFailed(reader.next()?.payload ?? Buffer.alloc(0)), { code: 'X', message: 'y' });
  for (const wrong of [
    '{}',
    '[]',
    'x',
    '{"route":"a","kind":"ftp"}',
    JSON.stringify({ ...notice, source: { address: 'a', port: 1 } }),
  ])
    assert.throws(() => parseOpen(Buffer.from(wrong)), TunnelProtocolError);
});

class Collected {
  text = '';
  bytes = (chunk: Buffer) => {
    this.text += chunk.toString('latin1');
  };
  end = () => {
    this.text += '|end';
  };
  reset = () => {
    this.text += '|reset';
  };
}

test('blocks arrive as they were sent, however they are cut, with their end', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 }), { maxLength: 8 }),
      fc.boolean(),
      fc.array(fc.nat(), { maxLength: 12 }),
      (blocks, isReset, cuts) => {
        const sent = blocks.map(encodeBlock);
        const sink = new Collected();
        const parser = new BlockParser(sink);
        for (const piece of pieces(Buffer.concat([...sent, isReset ? resetOfBlocks : endOfBlocks]), cuts))
          parser.push(piece);
        const text = Buffer.concat(blocks.map((block) => Buffer.from(block))).toString('latin1');
        assert.equal(sink.text, `${text}${isReset ? '|reset' : '|end'}`);
        assert.throws(() => parser.push(Buffer.from('x')), TunnelProtocolError);
      },
    ),
  );
  assert.throws(
    () => new BlockParser(new Collected()).push(Buffer.from([0x7f, 0xff, 0xff, 0xff])),
    TunnelProtocolError,
  );
});

test('messages are understood or refused, whatever they are', () => {
  const parsers = [parseServerMessage, parseClientMessage];
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      for (const parse of parsers) assert.throws(() => parse(text), TunnelProtocolError);
    }),
  );
  assert.deepEqual(parseServerMessage('{"type":"need","count":1000000}'), { type: 'need', count: 256 });
  const declare = (routes: unknown) => JSON.stringify({ type: 'declare', routes });
  assert.deepEqual(parseClientMessage(declare([{ id: 'a', kind: 'udp', port: 53, more: 1 }])), {
    type: 'declare',
    routes: [{ id: 'a', kind: 'udp', port: 53 }],
  });
  assert.throws(() => parseClientMessage(declare([{ id: 'a', kind: 'tcp', port: 0 }])), /there is no port 0/);
  assert.throws(() => parseClientMessage(declare([{ id: 'a', kind: 'sctp', port: 1 }])), /of no known kind/);
  const twice = [
    { id: 'a', kind: 'tcp', port: 1 },
    { id: 'a', kind: 'tcp', port: 2 },
  ];
  assert.throws(() => parseClientMessage(declare(twice)), /two routes have one name/);
  const many = Array.from({ length: routesMax + 1 }, (_, i) => ({ id: `${i}`, kind: 'tcp', port: 1 }));
  assert.throws(() => parseClientMessage(declare(many)), /more than 2000 routes/);
});

test('a PROXY header is what the specification shows', () => {
  const v4 = encodeProxyHeader('tcp', { address: '192.0.2.1', port: 0x1234 }, { address: '192.0.2.2', port: 443 });
  assert.equal(v4.toString('hex'), '0d0a0d0a000d0a515549540a2111000cc0000201c0000202123401bb');
  const mixed = encodeProxyHeader('udp', { address: '2001:db8::1', port: 1 }, { address: '192.0.2.2', port: 2 });
  assert.equal(
    mixed.subarray(12).toString('hex'),
    '2122002420010db800000000000000000000000100000000000000000000ffffc000020200010002',
  );
});
