import { accessSync, constants, existsSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { WherryError } from '../core/errors.ts';
import { runInForeground } from '../engines/process/background.ts';
import { readServerOptions } from './options.ts';

/** `wherry kubectl ...`: the kubectl on PATH, pointed at this cluster. */
export function addKubectl(program: Command): void {
  program
    .command('kubectl')
    .description('run the kubectl on PATH against this cluster')
    .argument('[arguments...]', "kubectl's own arguments")
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: readonly string[]) => {
      const kubectl = findProgram('kubectl', process.env['PATH'] ?? '');
      if (kubectl === undefined) {
        throw new WherryError('NO_KUBECTL', 'there is no kubectl on PATH', {
          hint: 'install one: apt-get install kubernetes-client (Debian), snap install kubectl --classic (Ubuntu), or https://kubernetes.io/docs/tasks/tools/',
        });
      }
      const { writeKubeconfig } = await readServerOptions({});
      const kubeconfig = process.env['KUBECONFIG'] ?? writeKubeconfig;
      if (!existsSync(kubeconfig)) {
        throw new WherryError('NO_KUBECONFIG', `${kubeconfig} does not exist`, {
          hint: 'start the cluster with `sudo ./wherry up`',
        });
      }
      process.exitCode = await runInForeground(kubectl, args, { ...process.env, KUBECONFIG: kubeconfig });
    });
}

function findProgram(name: string, searchPath: string): string | undefined {
  return searchPath
    .split(':')
    .filter((folder) => folder !== '')
    .map((folder) => path.join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
