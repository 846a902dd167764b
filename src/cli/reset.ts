import type { Command } from 'commander';
import { systemClock } from '../core/clock.ts';
import { WherryError } from '../core/errors.ts';
import { removeUnit, systemdRuns } from '../engines/systemd/systemd.ts';
import { stopCluster } from './down.ts';
import { addDataDir } from './options.ts';
import { requireRoot } from './root.ts';
import { unitName } from './up.ts';

/** `wherry reset --yes`: removes the cluster of a data directory from this machine. */
export function addReset(program: Command): void {
  const command = program.command('reset').description('remove the cluster and all of its data from this machine');
  addDataDir(command)
    .option('--yes', 'really do it')
    .action(async (given: { dataDir: string; yes?: boolean }) => {
      requireRoot('reset');
      if (!given.yes) {
        throw new WherryError('NOT_CONFIRMED', `reset removes the cluster of ${given.dataDir} with all its volumes`, {
          hint: 'sudo ./wherry reset --yes',
        });
      }
      const [{ resetCluster }, { createLog }] = await Promise.all([
        import('../server/reset.ts'),
        import('../core/log.ts'),
      ]);
      const say = (what: string) => process.stdout.write(`removing ${what}\n`);
      if (await stopCluster(given.dataDir, false)) say('the running server');
      if (systemdRuns()) await removeUnit(unitName(given.dataDir));
      await resetCluster(given.dataDir, { clock: systemClock, log: createLog('warn') }, say);
      process.stdout.write('Nothing of the cluster is left.\n');
    });
}
