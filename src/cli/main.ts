import { Command, CommanderError } from 'commander';
import { WherryError } from '../core/errors.ts';
import { addAddon } from './addon.ts';
import { addAgent } from './agent.ts';
import { addBench } from './bench.ts';
import { addCompile } from './compile.ts';
import { addDown } from './down.ts';
import { addImage } from './image.ts';
import { addKubectl } from './kubectl.ts';
import { addLogs } from './logs.ts';
import { addPolicy } from './policy.ts';
import { addReset } from './reset.ts';
import { addServer } from './server.ts';
import { addStatus } from './status.ts';
import { addTest } from './test.ts';
import { addToken } from './token.ts';
import { addTunnel } from './tunnel.ts';
import { addUp } from './up.ts';
import { version } from './version.ts';

const program = new Command('wherry')
  .description('A Kubernetes cluster on this machine, with storage, networking and all that belongs to it.')
  .version(version, '-v, --version')
  .option('--no-install', 'install nothing; say what is missing instead')
  .enablePositionalOptions()
  .showSuggestionAfterError()
  .exitOverride();

for (const add of [
  addUp,
  addDown,
  addStatus,
  addLogs,
  addReset,
  addServer,
  addAgent,
  addToken,
  addKubectl,
  addPolicy,
  addImage,
  addTunnel,
  addAddon,
  addTest,
  addBench,
  addCompile,
]) {
  add(program);
}

try {
  await program.parseAsync();
} catch (error) {
  // What a failed command left open must not keep it alive.
  process.exit(report(error));
}

/** Prints an error as a person reads it and returns the exit status. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  const lines: string[] = [];
  for (let cause: unknown = error; cause instanceof Error && lines.length < 5; cause = cause.cause) {
    if (!lines.some((line) => line.includes(cause instanceof Error ? cause.message : ''))) lines.push(cause.message);
  }
  process.stderr.write(`wherry: ${lines.join('\n  because: ') || String(error)}\n`);
  // An error that nobody gave a code is a defect of ours; its place in the code helps to mend it.
  if (!(error instanceof WherryError) && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  if (error instanceof WherryError && error.hint !== undefined) process.stderr.write(`Try: ${error.hint}\n`);
  return 1;
}
