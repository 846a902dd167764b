import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { askBird, parseAnswer } from './control.ts';

/** Somebody who speaks on a control socket: greets, and answers what comes. */
async function withSpeaker<T>(speak: (socket: Socket) => void, use: (socketPath: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bird-control-'));
  const socketPath = path.join(folder, 'ctl');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    speak(socket);
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  try {
    return await use(socketPath);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  }
}

test('an answer of several lines is read, wherever it is cut', async () => {
  const answer = '0001 BIRD 2.0.12 ready.\n';
  const lines = '2002-Name       Proto\n1002-peer_a     BGP\n1006-  BGP state:  Active\n   more of it\n0000 \n';
  const said = await withSpeaker(
    (socket) => {
      socket.write(answer.slice(0, 7));
      setImmediate(() => socket.write(answer.slice(7)));
      socket.once('data', (asked) => {
        assert.equal(String(asked), 'show protocols\n');
        for (const part of lines.match(/[\s\S]{1,5}/g) ?? []) socket.write(part);
      });
    },
    (socketPath) => askBird(socketPath, 'show protocols'),
  );
  assert.deepEqual(said, { code: 0, text: 'Name       Proto\npeer_a     BGP\n  BGP state:  Active\n  more of it' });
});

test('a refusal has its code', () => {
  assert.deepEqual(parseAnswer('0002-Reading configuration from /x\n8002 /x:1:1 syntax error\n'), {
    code: 8002,
    text: 'Reading configuration from /x\n/x:1:1 syntax error',
  });
});

test('a speaker that goes away in the middle, or is not there, is an error with the command in it', async () => {
  const asked = withSpeaker(
    (socket) => socket.end('0001 BIRD 2.0.12 ready.\n'),
    (socketPath) => askBird(socketPath, 'show status'),
  );
  await assert.rejects(asked, /BIRD does not answer to "show status": the connection was closed/);
  await assert.rejects(askBird('/nonexistent/ctl', 'show status'), /ENOENT/);
});
