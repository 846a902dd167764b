import { createReadStream, existsSync, statSync, watch } from 'node:fs';
import type { Command } from 'commander';
import { WherryError } from '../core/errors.ts';
import { pathsOf } from '../server/paths.ts';
import { addDataDir } from './options.ts';

/** `wherry logs`: the server's log, one JSON object a line. */
export function addLogs(program: Command): void {
  const command = program.command('logs').description("print the server's log");
  addDataDir(command)
    .option('-f, --follow', 'go on as lines come')
    .action(async (given: { dataDir: string; follow?: boolean }) => {
      const file = pathsOf(given.dataDir).logFile;
      if (!existsSync(file))
        throw new WherryError('NO_LOG', `${file} does not exist`, {
          hint: 'start the cluster with `sudo ./wherry up`',
        });
      let position = await copyFrom(file, 0);
      if (!given.follow) return;
      for await (const _ of changes(file)) position = await copyFrom(file, position);
    });
}

async function copyFrom(file: string, start: number): Promise<number> {
  const { size } = statSync(file);
  // A log that was cut begins anew.
  const from = size < start ? 0 : start;
  if (size === from) return size;
  for await (const chunk of createReadStream(file, { start: from, end: size - 1 })) process.stdout.write(chunk);
  return size;
}

async function* changes(file: string): AsyncIterable<void> {
  let wake: () => void = () => {};
  let changed = true;
  const watcher = watch(file, () => {
    changed = true;
    wake();
  });
  try {
    while (true) {
      if (!changed)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      changed = false;
      yield;
    }
  } finally {
    watcher.close();
  }
}
