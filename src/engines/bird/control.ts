import { connect } from 'node:net';
import { describeError, TransientError } from '../../core/errors.ts';

/** What BIRD may answer, bytes: some kilobytes for each session. */
const answerBytesMax = 16 * 1024 * 1024;
const answerTimeoutMs = 5000;

/** What BIRD said to a command, without the codes in front of lines. */
export interface BirdAnswer {
  /** Of the last line: 8000 and more are failures at run time, 9000 and more of the command's syntax. */
  readonly code: number;
  readonly text: string;
}

/**
 * Asks BIRD one thing over its control socket (programmer's documentation, "Command line interface"): lines bear a
 * four-digit code, which a `-` follows when more lines come and a space on the last one; a line with a space at its start
 * has the code of the line before. Throws TransientError when nobody answers.
 */
export async function askBird(socketPath: string, command: string): Promise<BirdAnswer> {
  const socket = connect(socketPath);
  socket.setEncoding('utf8');
  socket.setTimeout(answerTimeoutMs, () => socket.destroy(new Error(`no answer within ${answerTimeoutMs} ms`)));
  let text = '';
  try {
    // BIRD greets before it reads.
    let isGreeted = false;
    for await (const chunk of socket as AsyncIterable<string>) {
      text += chunk;
      if (text.length > answerBytesMax) throw new Error(`the answer is longer than ${answerBytesMax} bytes`);
      let answer = completeAnswer(text);
      if (answer !== undefined && !isGreeted) {
        isGreeted = true;
        text = text.slice(answer.length);
        socket.write(`${command}\n`);
        answer = completeAnswer(text);
      }
      if (answer !== undefined && isGreeted) return parseAnswer(answer);
    }
    throw new Error('the connection was closed');
  } catch (cause) {
    throw new TransientError('BIRD_CONTROL', `BIRD does not answer to "${command}": ${describeError(cause)}`, {
      cause,
    });
  } finally {
    socket.destroy();
  }
}

/** The lines up to the one that ends an answer, with their ends; undefined while it has not come. */
function completeAnswer(text: string): string | undefined {
  const end = /^\d{4} .*\n/m.exec(text);
  return end === null ? undefined : text.slice(0, end.index + end[0].length);
}

/** Reads a complete answer. */
export function parseAnswer(answer: string): BirdAnswer {
  const lines = answer.split('\n').slice(0, -1);
  const code = Number(lines.at(-1)?.slice(0, 4) ?? 0);
  const text = lines.map((line) => (/^\d{4}[- ]/.test(line) ? line.slice(5) : line.slice(1)));
  return { code, text: text.join('\n').trimEnd() };
}
