import type { Command } from 'commander';
import { controlStatus } from '../server/control.ts';
import { pathsOf } from '../server/paths.ts';
import { addDataDir } from './options.ts';
import { requireRoot } from './root.ts';
import { componentLine } from './show.ts';

/** `wherry status`: what runs, what does not, and why. Ends with status 1 unless the cluster is ready. */
export function addStatus(program: Command): void {
  const command = program.command('status').description('say what runs and what does not, and why');
  addDataDir(command).action(async (given: { dataDir: string }) => {
    requireRoot('status');
    const state = await controlStatus(pathsOf(given.dataDir).controlSocket);
    if (state === null) {
      process.stdout.write(`The cluster of ${given.dataDir} is not running.\nTry: sudo ./wherry up\n`);
      process.exitCode = 1;
      return;
    }
    const subject = state.role === 'agent' ? 'The node' : 'The cluster';
    const broken = state.components.filter((c) => c.state === 'failed');
    const summary =
      state.ready && broken.length === 0
        ? `${subject} is running.`
        : state.ready
          ? `${subject} is running, but not all of it.`
          : `${subject} is not ready.`;
    process.stdout.write(`${summary} (wherry ${state.version}, process ${state.pid})\n`);
    for (const component of state.components) process.stdout.write(`${componentLine(component)}\n`);
    if (state.error !== undefined)
      process.stdout.write(
        `${state.error.message}\n${state.error.hint === undefined ? '' : `Try: ${state.error.hint}\n`}`,
      );
    process.exitCode = state.ready && broken.length === 0 ? 0 : 1;
  });
}
