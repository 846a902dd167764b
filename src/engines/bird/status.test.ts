/** Reads what BIRD 2.0.12 said in a lab, of sessions in every state. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fc } from '../../../tools/property.ts';
import { type BirdSession, parseSessions } from './status.ts';

const recorded = (name: string) => readFileSync(path.join(import.meta.dirname, 'recorded', name), 'utf8');
const line = ({ name, isEstablished, state, error, exported, bfd }: BirdSession) =>
  [name, isEstablished ? 'up' : 'not up', state, error === '' ? '-' : error, exported, `bfd ${bfd}`].join(', ');

test('sessions in every state are read', () => {
  assert.deepEqual(parseSessions(recorded('protocols.txt'), recorded('bfd-sessions.txt')).map(line), [
    'peer_dropped, not up, Connect, -, 0, bfd none',
    'peer_elsewhere, not up, Idle, -, 0, bfd none',
    'peer_nobody, not up, Active, Socket: No route to host, 0, bfd down',
    'peer_other_2d_as, not up, Active, Socket: Connection closed, 0, bfd none',
    'peer_refused, not up, Active, Socket: Connection refused, 0, bfd none',
    'peer_silent, not up, OpenSent, -, 0, bfd up',
    'peer_up, up, Established, -, 2, bfd up',
  ]);
});

test('a session that BFD has ended says so', () => {
  const sessions = parseSessions(recorded('protocols-bfd-down.txt'), recorded('bfd-sessions-down.txt'));
  assert.deepEqual(sessions.map(line), ['peer_up, not up, Active, Error: BFD session down, 0, bfd down']);
});

test('a session that somebody switched off is down', () => {
  assert.deepEqual(parseSessions(recorded('protocols-disabled.txt'), '').map(line), [
    'peer_refused, not up, Down, -, 0, bfd none',
  ]);
});

test('any other text is read without an error', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (protocols, bfd) => {
      assert.ok(Array.isArray(parseSessions(protocols, bfd)));
    }),
  );
});
