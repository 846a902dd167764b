import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../core/clock.ts';
import { WherryError } from '../core/errors.ts';
import { startInBackground } from '../engines/process/background.ts';
import { applyUnit, systemdRuns } from '../engines/systemd/systemd.ts';
import type { AgentOptions } from '../server/agent-options.ts';
import { type ControlState, controlStatus, followStart } from '../server/control.ts';
import { defaultDataDir, type ServerOptions } from '../server/options.ts';
import { pathsOf } from '../server/paths.ts';
import { writeAtomically } from '../server/pki/files.ts';
import { addUpOptions, isJoining, readAgentOptions, readServerOptions, serverArguments } from './options.ts';
import { requireRoot } from './root.ts';
import { stepPrinter } from './show.ts';

const startTimeoutMs = 180_000;

/** What is to run in the background, and what is said once it does. */
interface Start {
  readonly dataDir: string;
  readonly description: string;
  readonly command: 'server' | 'agent';
  /** Makes the command's arguments; called when nothing runs yet. */
  arguments(): Promise<readonly string[]>;
  /** `The cluster`, `The node`. */
  readonly subject: string;
  readonly nextSteps: string;
}

/** `wherry up`: the cluster, or with --server this machine's node, runs in the background when this returns, and is Ready. */
export function addUp(program: Command): void {
  const command = program
    .command('up')
    .description('start the cluster in the background, or join one with --server, and wait until it is ready');
  addUpOptions(command).action(async (given: Record<string, unknown>) => {
    requireRoot('up');
    const start = (await isJoining(given))
      ? startOfAgent(await readAgentOptions(given), given)
      : startOfServer(await readServerOptions(given), given);
    const { controlSocket, logFile } = pathsOf(start.dataDir);
    const began = systemClock.monotonic();
    const running = await controlStatus(controlSocket);
    const pid = running === null ? await launch(start) : undefined;
    const state = await waitUntilStarted(controlSocket, logFile, pid);
    if (state.error !== undefined) {
      const hint = state.error.hint === undefined ? {} : { hint: state.error.hint };
      throw new WherryError('START_FAILED', state.error.message, hint);
    }
    const seconds = ((systemClock.monotonic() - began) / 1000).toFixed(1);
    const how = running?.ready ? 'was running already' : `is ready after ${seconds} s`;
    process.stdout.write(`${start.subject} ${how}.\n\n${start.nextSteps}`);
  });
}

function startOfServer(options: ServerOptions, given: Record<string, unknown>): Start {
  return {
    dataDir: options.dataDir,
    description: 'Wherry, a Kubernetes cluster',
    command: 'server',
    arguments: async () => serverArguments(given),
    subject: 'The cluster',
    nextSteps: nextSteps(options),
  };
}

function startOfAgent(options: AgentOptions, given: Record<string, unknown>): Start {
  return {
    dataDir: options.dataDir,
    description: 'Wherry, a node of a Kubernetes cluster',
    command: 'agent',
    async arguments() {
      const { token, ...rest } = given;
      if (typeof token !== 'string') return serverArguments(rest);
      // Other users of this machine see the arguments of its processes.
      const file = path.join(pathsOf(options.dataDir).agent, 'token');
      await writeAtomically(file, `${token}\n`, 0o600);
      return [...serverArguments(rest), '--token-file', file];
    },
    subject: 'The node',
    nextSteps: 'Try on the server:\n  kubectl get nodes\n',
  };
}

/** Resolves with the process's id, where it is ours to watch and not systemd's. */
async function launch(start: Start): Promise<number | undefined> {
  const paths = pathsOf(start.dataDir);
  mkdirSync(paths.dataDir, { recursive: true, mode: 0o700 });
  const launcher = path.join(import.meta.dirname, '../../wherry');
  const args = [start.command, ...(await start.arguments()), '--log-file', paths.logFile];
  if (systemdRuns()) {
    await applyUnit({
      name: unitName(start.dataDir),
      description: start.description,
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
  throw new WherryError('START_FAILED', seen ? 'it ended while it started' : 'it does not answer', {
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
