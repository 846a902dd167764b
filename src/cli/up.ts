import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../core/clock.ts';
import { WherryError } from '../core/errors.ts';
import { startInBackground } from '../engines/process/background.ts';
import { applyUnit, systemdRuns } from '../engines/systemd/systemd.ts';
import { type ControlState, controlStatus, followStart } from '../server/control.ts';
import { defaultDataDir, type ServerOptions } from '../server/options.ts';
import { pathsOf } from '../server/paths.ts';
import { addServerOptions, readServerOptions, serverArguments } from './options.ts';
import { requireRoot } from './root.ts';
import { stepPrinter } from './show.ts';

const startTimeoutMs = 180_000;

/** `wherry up`: the cluster runs in the background when this returns, and its node is Ready. */
export function addUp(program: Command): void {
  const command = program.command('up').description('start the cluster in the background and wait until it is ready');
  addServerOptions(command).action(async (given: Record<string, unknown>) => {
    requireRoot('up');
    const options = await readServerOptions(given);
    const socket = pathsOf(options.dataDir).controlSocket;
    const began = systemClock.monotonic();
    const running = await controlStatus(socket);
    const pid = running === null ? await launch(options, given) : undefined;
    const state = await waitUntilStarted(socket, pathsOf(options.dataDir).logFile, pid);
    if (state.error !== undefined) {
      const hint = state.error.hint === undefined ? {} : { hint: state.error.hint };
      throw new WherryError('START_FAILED', state.error.message, hint);
    }
    const seconds = ((systemClock.monotonic() - began) / 1000).toFixed(1);
    process.stdout.write(
      `${running?.ready ? 'The cluster was running already.' : `The cluster is ready after ${seconds} s.`}\n\n${nextSteps(options)}`,
    );
  });
}

/** Resolves with the server's process id, where it is ours to watch and not systemd's. */
async function launch(options: ServerOptions, given: Record<string, unknown>): Promise<number | undefined> {
  const paths = pathsOf(options.dataDir);
  mkdirSync(paths.dataDir, { recursive: true, mode: 0o700 });
  const launcher = path.join(import.meta.dirname, '../../wherry');
  const args = ['server', ...serverArguments(given), '--log-file', paths.logFile];
  if (systemdRuns()) {
    await applyUnit({
      name: unitName(options.dataDir),
      description: 'Wherry, a Kubernetes cluster',
      command: [launcher, ...args],
      environment: {},
    });
    return undefined;
  }
  return await startInBackground(launcher, args, { logFile: paths.logFile, environment: process.env });
}

/** The default cluster is `wherry`; others carry their data directory in the name. */
export function unitName(dataDir: string): string {
  return dataDir === defaultDataDir ? 'wherry' : `wherry${dataDir.replace(/[^A-Za-z0-9]+/g, '-')}`;
}

async function waitUntilStarted(socket: string, logFile: string, pid: number | undefined): Promise<ControlState> {
  const print = stepPrinter(process.stdout);
  const deadline = systemClock.monotonic() + startTimeoutMs;
  let seen = false;
  while (systemClock.monotonic() < deadline) {
    for await (const line of followStart(socket)) {
      seen = true;
      if ('component' in line) print(line.component);
      else if (line.state.ready || line.state.error !== undefined) return line.state;
    }
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      seen = true;
      break;
    }
    if (seen && !existsSync(socket)) break;
    await systemClock.sleep(20);
  }
  throw new WherryError('START_FAILED', seen ? 'the server ended while it started' : 'the server does not answer', {
    hint: `read the last lines of ${logFile}`,
  });
}

function nextSteps(options: ServerOptions): string {
  const kubeconfig = options.writeKubeconfig;
  return [
    `kubeconfig: ${kubeconfig}`,
    '',
    'Try:',
    `  export KUBECONFIG=${kubeconfig}`,
    '  kubectl get nodes',
    '  kubectl create -f examples/local-path/',
    '',
  ].join('\n');
}
