import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { programPath } from './run.ts';

/** A program that runs until it is ended, and tells something line by line. */
export interface FollowOptions {
  onLine(line: string): void;
  /** It ended by itself, or could not be started; never after the disposal. */
  onEnd(why: string): void;
}

/** Bytes kept of what the program says on standard error. */
const complaintBytesMax = 2000;

/** Starts a program and hands on its lines. Disposing kills it. */
export function follow(command: string, args: readonly string[], options: FollowOptions): Disposable {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: programPath, LC_ALL: 'C' } });
  let complaint = '';
  let isOver = false;
  const end = (why: string) => {
    if (isOver) return;
    isOver = true;
    options.onEnd(why);
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (!isOver) options.onLine(line);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-complaintBytesMax);
  });
  child.once('error', (cause) => end(`${command} can't be started: ${cause.message}`));
  child.once('close', (status) => end(`${command} ended with status ${status}: ${complaint.trim()}`));
  return {
    [Symbol.dispose]() {
      isOver = true;
      child.kill('SIGKILL');
    },
  };
}
