import { connect } from 'node:net';
import { TransientError } from '../../core/errors.ts';

/** HAProxy reads a command whole into one buffer (tune.bufsize, 16 KiB); what is longer goes in pieces. */
const commandBytesMax = 12 * 1024;
const answerTimeoutMs = 5_000;
const answerBytesMax = 64 * 1024 * 1024;

/**
 * Puts one line of commands, perhaps with a payload behind it, to a socket of HAProxy (management guide 9.3) and resolves with
 * its answer. Throws TransientError when nobody answers.
 */
export function ask(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const socket = connect(socketPath);
    const fail = (cause: unknown) => {
      socket.destroy();
      const what = command.slice(0, 80).split('\n')[0] ?? '';
      reject(new TransientError('HAPROXY_SILENT', `HAProxy does not answer ${JSON.stringify(what)}`, { cause }));
    };
    socket.setTimeout(answerTimeoutMs, () => fail(new Error(`no answer in ${answerTimeoutMs} ms`)));
    socket.once('connect', () => socket.write(`${command}\n`));
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > answerBytesMax) fail(new Error(`more than ${answerBytesMax} bytes`));
    });
    socket.once('error', fail);
    socket.once('end', () => {
      socket.destroy();
      resolve(Buffer.concat(chunks).toString('utf8'));
    });
  });
}

/** Puts many commands, several in one line. */
export async function askAll(socketPath: string, commands: readonly string[]): Promise<string> {
  const answers: string[] = [];
  for (const line of pieces(commands, '; ')) answers.push(await ask(socketPath, line));
  return answers.join('');
}

/** Replaces what a map holds, at once for those that look things up in it. Throws TransientError with HAProxy's words. */
export async function replaceMap(socketPath: string, file: string, text: string): Promise<void> {
  const prepared = await ask(socketPath, `prepare map ${file}`);
  const version = /New version created: (\d+)/.exec(prepared)?.[1];
  if (version === undefined) throw refused(`prepare map ${file}`, prepared);
  for (const piece of pieces(text.trimEnd().split('\n'), '\n'))
    expectSilence('add map', await ask(socketPath, `add map @${version} ${file} <<\n${piece}\n`));
  expectSilence('commit map', await ask(socketPath, `commit map @${version} ${file}`));
}

/** Gives a certificate that is in use another content. Throws TransientError when it is refused. */
export async function replaceCertificate(socketPath: string, file: string, pem: string): Promise<void> {
  // An empty line would be the payload's end.
  const payload = pem.split(/\r?\n/).filter((line) => line.trim() !== '');
  const set = await ask(socketPath, `set ssl cert ${file} <<\n${payload.join('\n')}\n`);
  if (!/transaction/i.test(set)) throw refused('set ssl cert', set);
  const committed = await ask(socketPath, `commit ssl cert ${file}`);
  if (!committed.includes('Success')) throw refused('commit ssl cert', committed);
}

/** The description of the configuration that is in force. */
export async function runningGeneration(socketPath: string): Promise<string> {
  const info = await ask(socketPath, 'show info');
  return /^description: (.*)$/m.exec(info)?.[1] ?? '';
}

/** What a server stands at: its address and port, and whether it takes requests. */
export interface ServerState {
  readonly address: string;
  readonly isReady: boolean;
}

/** The servers of a backend by their names. */
export async function serverStates(socketPath: string, backend: string): Promise<ReadonlyMap<string, ServerState>> {
  const text = await ask(socketPath, `show servers state ${backend}`);
  const lines = text.trim().split('\n').slice(1);
  const names = (lines[0] ?? '').replace(/^# /, '').split(' ');
  const states = new Map<string, ServerState>();
  for (const line of lines.slice(1)) {
    const fields = line.split(' ');
    const field = (name: string) => fields[names.indexOf(name)] ?? '';
    const host = field('srv_addr');
    states.set(field('srv_name'), {
      address: host.includes(':') ? `[${host}]:${field('srv_port')}` : `${host}:${field('srv_port')}`,
      // Bit 0: taken out by a command or the configuration (proto/server, srv_admin_state).
      isReady: (Number(field('srv_admin_state')) & 1) === 0,
    });
  }
  return states;
}

function* pieces(parts: readonly string[], separator: string): Generator<string> {
  let piece = '';
  for (const part of parts) {
    if (piece !== '' && Buffer.byteLength(piece) + Buffer.byteLength(part) > commandBytesMax) {
      yield piece;
      piece = '';
    }
    piece = piece === '' ? part : piece + separator + part;
  }
  if (piece !== '') yield piece;
}

function expectSilence(command: string, answer: string): void {
  if (answer.trim() !== '') throw refused(command, answer);
}

function refused(command: string, answer: string): TransientError {
  return new TransientError('HAPROXY_REFUSED', `HAProxy refuses ${command}: ${answer.trim().slice(0, 500)}`);
}
