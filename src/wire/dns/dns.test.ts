import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, decode, encode } from 'dns-packet';
import { fc } from '../../../tools/property.ts';
import { answerRecords, answersQuestion, readAnswer } from './answer.ts';
import { types } from './constants.ts';
import { isWithin, MalformedMessage, nameBytes, nameText, parseName, readName } from './name.ts';
import { parseQuery } from './query.ts';
import { MessageWriter, type ResourceRecord } from './writer.ts';

const label = fc.stringMatching(/^[a-z0-9_-]{1,12}$/);
const name = fc.array(label, { minLength: 1, maxLength: 6 });

function query(labels: readonly string[], type = 'A', additionals: Answer[] = []): Buffer {
  return encode({
    type: 'query',
    id: 77,
    flags: 0x0100,
    questions: [{ name: labels.join('.'), type: type as 'A', class: 'IN' }],
    additionals,
  });
}

test('questions are read as another codec wrote them, whatever their case', () => {
  fc.assert(
    fc.property(
      name,
      fc.constantFrom('A', 'AAAA', 'SRV', 'PTR', 'TXT', 'HTTPS'),
      fc.integer({ min: 1, max: 65_535 }),
      (labels, type, size) => {
        const opt: Answer = {
          type: 'OPT',
          name: '.',
          udpPayloadSize: size,
          flags: 0x8000,
          options: [],
        } as unknown as Answer;
        const message = query(
          labels.map((l) => l.toUpperCase()),
          type,
          [opt],
        );
        const parsed = parseQuery(message);
        assert.equal(parsed.kind, 'query');
        if (parsed.kind !== 'query') return;
        assert.deepEqual(parsed.query.labels, labels);
        assert.equal(parsed.query.id, 77);
        assert.deepEqual(parsed.query.edns, { udpBytes: Math.max(512, size), version: 0, dnssecOk: true });
      },
    ),
  );
});

test('no message is too strange to be read: it is a question, malformed, or to be left alone', () => {
  const kinds = new Set<string>();
  const change = fc.tuple(fc.nat(80), fc.nat(255));
  fc.assert(
    fc.property(name, fc.array(change, { maxLength: 6 }), fc.nat(80), (labels, changes, length) => {
      const message = Buffer.from(query(labels));
      for (const [at, byte] of changes) if (at < message.length) message[at] = byte;
      kinds.add(parseQuery(message.subarray(0, Math.max(0, message.length - (length % 20)))).kind);
    }),
    { numRuns: 2000 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => void parseQuery(Buffer.from(bytes))));
  assert.deepEqual([...kinds].sort(), ['ignore', 'malformed', 'opcode', 'query']);
});

test('answers are no questions, two questions and pointers in questions are malformed', () => {
  const message = query(['a', 'b']);
  const changed = (offset: number, value: number) => {
    const copy = Buffer.from(message);
    copy[offset] = value;
    return parseQuery(copy).kind;
  };
  assert.equal(changed(2, 0x80), 'ignore');
  assert.equal(changed(5, 2), 'malformed');
  assert.equal(changed(5, 0), 'malformed');
  assert.equal(changed(12, 0xc0), 'malformed');
  assert.equal(changed(11, 1), 'malformed');
  assert.equal(changed(2, 0x28), 'opcode');
});

const bytesOf = (text: string) => Uint8Array.from(text.split('.').map(Number));
const record = fc.oneof(
  fc
    .record({ name, address: fc.ipV4() })
    .map(({ name: labels, address }): [ResourceRecord, unknown] => [
      { name: labels, type: types.A, ttl: 5, data: { kind: 'bytes', bytes: bytesOf(address) } },
      address,
    ]),
  fc
    .record({ name, target: name })
    .map(({ name: labels, target }): [ResourceRecord, unknown] => [
      { name: labels, type: types.CNAME, ttl: 5, data: { kind: 'name', target } },
      target.join('.'),
    ]),
  fc
    .record({ name, target: name, port: fc.nat(65_535) })
    .map(({ name: labels, target, port }): [ResourceRecord, unknown] => [
      { name: labels, type: types.SRV, ttl: 5, data: { kind: 'srv', priority: 0, weight: 7, port, target } },
      { priority: 0, weight: 7, port, target: target.join('.') },
    ]),
);

test('what is written with compressed names, another codec reads; what does not fit is left out whole', () => {
  fc.assert(
    fc.property(
      name,
      fc.array(record, { maxLength: 40 }),
      fc.integer({ min: 200, max: 2000 }),
      (labels, records, limit) => {
        const message = query(labels);
        const parsed = parseQuery(message);
        if (parsed.kind !== 'query') return;
        const writer = new MessageWriter(4096);
        writer.start(message, parsed.query.questionEnd, labels, limit);
        writer.header(77, 0x8180);
        const written = records.filter(([one]) => writer.record(6, one));
        assert.ok(writer.length <= limit);
        const read = decode(Buffer.from(writer.bytes));
        assert.deepEqual(
          read.answers?.map((a) => [a.name, 'data' in a ? a.data : undefined]),
          written.map(([one, data]) => [one.name.join('.'), data]),
        );
      },
    ),
  );
});

test("another server's answer is indexed: when it ends, where its TTLs stand, and its names are spelled out", () => {
  const answer = encode({
    type: 'response',
    id: 5,
    flags: 0x8180,
    questions: [{ type: 'A', name: 'www.example.com', class: 'IN' }],
    answers: [
      { type: 'CNAME', name: 'www.example.com', ttl: 300, data: 'web.example.com' },
      { type: 'A', name: 'web.example.com', ttl: 60, data: '192.0.2.1' },
      { type: 'A', name: 'web.example.com', ttl: 90, data: '192.0.2.2' },
    ],
    additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [] } as unknown as Answer],
  });
  const whole = readAnswer(answer);
  assert.equal(whole.keepSeconds, 60);
  assert.equal(whole.isNegative, false);
  assert.deepEqual(
    whole.ttlOffsets.map((offset) => whole.bytes.readUInt32BE(offset)),
    [300, 60, 90],
  );
  assert.equal(whole.bytes.readUInt16BE(10), 0);
  assert.equal(whole.addressOffsets.length, 2);
  const [alias] = answerRecords(whole);
  assert.deepEqual(alias?.data.kind === 'bytes' ? readName(Buffer.from(alias.data.bytes), 0).labels : [], [
    'web',
    'example',
    'com',
  ]);
});

test('a negative answer is kept as long as its SOA says, a failure not at all', () => {
  const answer = (flags: number, authorities: Answer[]) =>
    readAnswer(
      encode({
        type: 'response',
        id: 5,
        flags,
        questions: [{ type: 'A', name: 'a.example', class: 'IN' }],
        authorities,
      }),
    );
  const soa = (ttl: number, minimum: number): Answer => ({
    type: 'SOA',
    name: 'example',
    ttl,
    data: { mname: 'ns.example', rname: 'h.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
  });
  assert.equal(answer(0x8183, [soa(20, 900)]).keepSeconds, 20);
  assert.equal(answer(0x8183, [soa(900, 10)]).keepSeconds, 10);
  assert.equal(answer(0x8180, [soa(900, 10)]).isNegative, true);
  assert.equal(answer(0x8183, []).keepSeconds, 0);
  assert.equal(answer(0x8182, [soa(900, 10)]).keepSeconds, 0);
  assert.equal(answer(0x8383, [soa(900, 10)]).keepSeconds, 0);
});

test('any bytes from another server are read or called malformed', () => {
  const start = encode({
    type: 'response',
    id: 5,
    flags: 0x8180,
    questions: [{ type: 'MX', name: 'a.example', class: 'IN' }],
    answers: [
      { type: 'MX', name: 'a.example', ttl: 5, data: { preference: 1, exchange: 'mail.a.example' } },
      { type: 'CNAME', name: 'b.a.example', ttl: 5, data: 'c.example' },
    ],
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 8 }), fc.nat(40), (changes, cut) => {
      const message = Buffer.from(start.subarray(0, start.length - cut));
      for (const [at, byte] of changes) if (at < message.length) message[at] = byte;
      try {
        answerRecords(readAnswer(message));
      } catch (error) {
        assert.ok(error instanceof MalformedMessage, String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

test('an answer fits its question by id, name in any case, type and class', () => {
  const question = query(['WWW', 'example']);
  const end = question.length;
  const answer = (change: (copy: Buffer) => void) => {
    const copy = Buffer.from(question);
    copy[2] = 0x81;
    change(copy);
    return answersQuestion(copy, question, end);
  };
  assert.equal(
    answer(() => {}),
    true,
  );
  assert.equal(
    answer((a) => a.write('www', 13)),
    true,
  );
  assert.equal(
    answer((a) => a.write('wwx', 13)),
    false,
  );
  assert.equal(
    answer((a) => a.writeUInt16BE(78, 0)),
    false,
  );
  assert.equal(
    answer((a) => a.writeUInt16BE(28, end - 4)),
    false,
  );
  assert.equal(
    answer((a) => a.writeUInt16BE(0x0100, 2)),
    false,
  );
});

test('names go from text to bytes and back', () => {
  fc.assert(fc.property(name, (labels) => assert.deepEqual(readName(nameBytes(labels), 0).labels, labels)));
  assert.deepEqual(parseName('www.example.com.'), ['www', 'example', 'com']);
  assert.deepEqual(parseName('.'), []);
  for (const bad of ['', 'a..b', '.a', `${'a'.repeat(64)}.com`, 'a b', 'é.com', `${'a.'.repeat(127)}aa`])
    assert.equal(parseName(bad), null, bad);
  assert.equal(nameText(['a.b', 'c\n']), 'a\\.b.c\\010.');
  assert.equal(isWithin(['a', 'b'], ['b']), true);
  assert.equal(isWithin(['ab'], ['b']), false);
});
