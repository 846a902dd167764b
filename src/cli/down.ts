import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { systemClock } from '../core/clock.ts';
import { WherryError } from '../core/errors.ts';
import { stopUnit, systemdRuns } from '../engines/systemd/systemd.ts';
import { controlStop } from '../server/control.ts';
import { pathsOf } from '../server/paths.ts';
import { addDataDir } from './options.ts';
import { requireRoot } from './root.ts';
import { unitName } from './up.ts';

const stopTimeoutMs = 120_000;

/** `wherry down`: stops the cluster of a data directory; its data stays. */
export function addDown(program: Command): void {
  const command = program.command('down').description('stop the cluster; its data stays');
  addDataDir(command)
    .option('--keep-pods', 'leave the containers running')
    .action(async (given: { dataDir: string; keepPods?: boolean }) => {
      requireRoot('down');
      const stopped = await stopCluster(given.dataDir, given.keepPods ?? false);
      process.stdout.write(stopped ? 'The cluster is stopped.\n' : 'The cluster was not running.\n');
    });
}

/** Stops the server and waits until it is gone; false when none ran. */
export async function stopCluster(dataDir: string, keepPods: boolean): Promise<boolean> {
  const socket = pathsOf(dataDir).controlSocket;
  const answered = await controlStop(socket, keepPods);
  const deadline = systemClock.monotonic() + stopTimeoutMs;
  while (answered && existsSync(socket)) {
    if (systemClock.monotonic() > deadline) {
      throw new WherryError('STOP_TIMEOUT', `the server did not end within ${stopTimeoutMs / 1000} s`, {
        hint: `read ${pathsOf(dataDir).logFile}`,
      });
    }
    await systemClock.sleep(20);
  }
  // The unit would start the server again.
  if (systemdRuns()) await stopUnit(unitName(dataDir));
  return answered;
}
