import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { errorCode, TerminalError, TransientError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { createDaemon } from '../process/daemon.ts';
import { CommandError, run } from '../process/run.ts';
import { type BirdConfig, compileBird } from './config.ts';
import { type BirdSession, parseProtocols } from './status.ts';

export interface BirdOptions {
  /** Holds the configuration, the control socket, the pid file and the log. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * A BIRD of our own. It outlives this process, so that routes stay announced while Wherry itself restarts; the next
 * start goes on with it, and changes reach it without an end of sessions that stay the same.
 */
export interface Bird {
  /**
   * Brings this configuration into force: checked first, then taken over by the running BIRD in one step. With no peers
   * BIRD is not needed and ended. A failure leaves the former state in force and says why.
   */
  apply(config: BirdConfig): Promise<void>;
  /** How the sessions stand; none where BIRD does not run. */
  observe(): Promise<readonly BirdSession[]>;
  /** Leaves BIRD running. */
  release(): Promise<void>;
  /** Ends the sessions and BIRD. */
  stop(): Promise<void>;
}

const startTimeoutMs = 10_000;
const stopTimeoutMs = 5000;
const commandTimeoutMs = 5000;

export function createBird({ folder, clock, log }: BirdOptions): Bird {
  const configPath = join(folder, 'bird.conf');
  const socket = join(folder, 'bird.ctl');
  const newDaemon = () =>
    createDaemon({
      program: 'bird',
      args: ['-f', '-c', configPath, '-s', socket],
      mark: configPath,
      folder,
      hint: 'install BIRD 2 (Debian, Ubuntu: apt-get install bird2)',
      prepare: () => rm(socket, { force: true }),
      ready: async () => void (await birdc('show', 'status')),
      ...{ startTimeoutMs, stopTimeoutMs, clock, log },
    });
  let daemon: ReturnType<typeof newDaemon> | undefined;
  let applied: string | undefined;

  async function birdc(...args: readonly string[]): Promise<string> {
    const { stdout } = await run('birdc', ['-s', socket, ...args], { timeoutMs: commandTimeoutMs });
    return stdout;
  }

  async function check(text: string): Promise<void> {
    const path = `${configPath}.new`;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(path, text, { mode: 0o600 });
    try {
      await run('bird', ['-p', '-c', path], { timeoutMs: commandTimeoutMs });
    } catch (cause) {
      const isMissing = cause instanceof CommandError && cause.code === 'COMMAND_NOT_FOUND';
      const said = cause instanceof CommandError ? cause.stderr.replaceAll(`${path}:`, 'line ').trim() : '';
      throw new TerminalError(
        isMissing ? 'PROGRAM_MISSING' : 'BIRD_CONFIG',
        isMissing ? 'BGP needs BIRD 2, which is not there' : `BIRD refuses the configuration: ${said}`,
        { cause, ...(isMissing ? { hint: 'install BIRD 2 (Debian, Ubuntu: apt-get install bird2)' } : {}) },
      );
    }
  }

  return {
    async apply(config) {
      if (config.peers.length === 0) {
        daemon ??= newDaemon();
        await daemon.stop();
        daemon = undefined;
        applied = undefined;
        await rm(configPath, { force: true });
        return;
      }
      const text = compileBird(config);
      if (text === applied && daemon !== undefined) return;
      await check(text);
      const former = await readIfThere(configPath);
      await rename(`${configPath}.new`, configPath);
      if (daemon === undefined) {
        const started = newDaemon();
        await started.start();
        daemon = started;
        // It may have been found running, with what an earlier process has told it.
        if (former === text) {
          applied = text;
          return;
        }
      }
      const said = await birdc('configure');
      if (!/^(?:Reconfigured|Reconfiguration in progress)/m.test(said)) {
        throw new TransientError('BIRD_CONFIGURE', `BIRD does not take the configuration: ${said.trim()}`);
      }
      applied = text;
    },
    async observe() {
      return daemon === undefined ? [] : parseProtocols(await birdc('show', 'protocols', 'all'));
    },
    async release() {
      await daemon?.release();
    },
    async stop() {
      await (daemon ?? newDaemon()).stop();
      daemon = undefined;
    },
  };
}

async function readIfThere(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
}
