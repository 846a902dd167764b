import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { CommandError } from './run.ts';

/** Starts a program in a session of its own, with its output appended to `logFile`; it outlives the caller. Resolves with its pid. */
export async function startInBackground(
  command: string,
  args: readonly string[],
  options: { readonly logFile: string; readonly environment: Readonly<Record<string, string | undefined>> },
): Promise<number> {
  const log = openSync(options.logFile, 'a', 0o640);
  try {
    const child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...options.environment },
      cwd: '/',
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (cause) =>
        reject(new CommandError('COMMAND_FAILED', `${command}: can't be started`, { command, args, cause })),
      );
    });
    child.unref();
    return child.pid ?? 0;
  } finally {
    closeSync(log);
  }
}

/**
 * Runs a program on the caller's own terminal and resolves with its exit status (128 + number when a signal ended it).
 * Signals from the terminal reach the program itself, so the caller only waits.
 */
export function runInForeground(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', env: { ...environment } });
    const wait = () => {};
    process.on('SIGINT', wait);
    child.once('error', (cause) => {
      process.off('SIGINT', wait);
      reject(new CommandError('COMMAND_NOT_FOUND', `${command}: can't be started`, { command, args, cause }));
    });
    child.once('close', (exitCode, signal) => {
      process.off('SIGINT', wait);
      resolve(exitCode ?? (signal === 'SIGINT' ? 130 : 137));
    });
  });
}
