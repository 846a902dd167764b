import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { TerminalError, TransientError, type WherryError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { createDaemon, type Daemon } from '../process/daemon.ts';
import { CommandError, run } from '../process/run.ts';
import { type BirdConfig, compileBird } from './config.ts';
import { askBird } from './control.ts';
import { type BirdSession, parseSessions } from './status.ts';

export interface BirdOptions {
  /** Holds the configuration, the control socket, the pid file and the logs. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is to be in force; where the log lies is BIRD's own business here. */
export type BirdWish = Omit<BirdConfig, 'logFile'>;

/**
 * A BIRD of our own. It outlives this process, so that routes stay announced while Wherry itself restarts; the next
 * start goes on with it, and changes reach it without an end of sessions that stay the same.
 */
export interface Bird {
  /**
   * Brings this configuration into force: checked first, then taken over by the running BIRD in one step. With no peers
   * BIRD is not needed and ended. Resolves with what BIRD says of peers that it refuses, by name; the others are in force.
   * A failure leaves the former state in force and says why. Calls follow one another.
   */
  apply(wish: BirdWish): Promise<ReadonlyMap<string, string>>;
  /** How the sessions stand; none where BIRD does not run. */
  observe(): Promise<readonly BirdSession[]>;
  /** Leaves BIRD running. Nothing is applied any more. */
  release(): Promise<void>;
  /** Ends the sessions and BIRD, also one that an earlier process has left. Nothing is applied any more. */
  stop(): Promise<void>;
}

interface Checked {
  readonly wished: string;
  readonly refused: ReadonlyMap<string, string>;
}

const startTimeoutMs = 10_000;
const stopTimeoutMs = 5000;
const checkTimeoutMs = 10_000;
const installHint = 'install BIRD 2 on this node (Debian, Ubuntu: apt-get install bird2)';
const refusedByCommand = 8000;

export function createBird({ folder, clock, log }: BirdOptions): Bird {
  const configPath = join(folder, 'bird.conf');
  const socket = join(folder, 'bird.ctl');
  const logFile = join(folder, 'sessions.log');
  let daemon: Daemon | undefined;
  let standing: Checked | undefined;
  let isClosed = false;
  let last: Promise<unknown> = Promise.resolve();

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return turn;
  }

  const newDaemon = () =>
    createDaemon({
      program: 'bird',
      // -R: neighbours that restart gracefully keep what they know until the new process has told everything.
      args: ['-f', '-R', '-c', configPath, '-s', socket],
      mark: configPath,
      folder,
      hint: installHint,
      prepare: () => rm(socket, { force: true }),
      ready: async () => void (await askBird(socket, 'show status')),
      ...{ startTimeoutMs, stopTimeoutMs, clock, log },
    });

  async function end(): Promise<void> {
    await (daemon ?? newDaemon()).stop();
    daemon = undefined;
    standing = undefined;
    await rm(configPath, { force: true });
  }

  /** What BIRD has against a configuration; undefined: nothing. */
  async function refusalOf(text: string): Promise<string | undefined> {
    const path = `${configPath}.new`;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(path, text, { mode: 0o600 });
    try {
      await run('bird', ['-p', '-c', path], { timeoutMs: checkTimeoutMs });
      return undefined;
    } catch (cause) {
      if (!(cause instanceof CommandError)) throw cause;
      if (cause.code === 'COMMAND_NOT_FOUND') {
        throw new TransientError('PROGRAM_MISSING', 'BGP needs BIRD 2, which is not there', {
          cause,
          hint: installHint,
        });
      }
      if (cause.stderr === '') throw cause;
      return cause.stderr.replaceAll(`${path}:`, 'line ').trim();
    }
  }

  /** What of a configuration BIRD accepts, which then lies beside the one in force. */
  async function checked(wish: BirdWish, wished: string): Promise<Checked> {
    const said = await refusalOf(wished);
    if (said === undefined) return { wished, refused: new Map() };
    // One of them is at fault, and the others need not suffer.
    const refused = new Map<string, string>();
    for (const peer of wish.peers) {
      const own = await refusalOf(compileBird({ ...wish, logFile, peers: [peer] }));
      if (own !== undefined) refused.set(peer.name, `BIRD refuses it: ${own}`);
    }
    const rest = wish.peers.filter(({ name }) => !refused.has(name));
    const accepted = compileBird({ ...wish, logFile, peers: rest });
    const left = refused.size === 0 ? said : await refusalOf(accepted);
    if (left !== undefined) throw new TerminalError('BIRD_CONFIG', `BIRD refuses the configuration: ${left}`);
    return { wished, refused };
  }

  return {
    apply: (wish) =>
      inTurn(async () => {
        if (isClosed) return new Map();
        if (wish.peers.length === 0) {
          await end();
          return new Map();
        }
        const wished = compileBird({ ...wish, logFile });
        if (standing?.wished === wished && daemon !== undefined) return standing.refused;
        const next = await checked(wish, wished);
        await rename(`${configPath}.new`, configPath);
        if (daemon === undefined) {
          const started = newDaemon();
          await started.start().catch(async (error: WherryError) => {
            await started.release();
            throw error;
          });
          daemon = started;
        }
        // Also the first time: it may have been found running with what an earlier process has told it.
        const answer = await askBird(socket, 'configure');
        if (answer.code >= refusedByCommand || /ignored/.test(answer.text)) {
          throw new TransientError('BIRD_CONFIGURE', `BIRD does not take the configuration: ${answer.text}`);
        }
        standing = next;
        return next.refused;
      }),
    async observe() {
      if (daemon === undefined) return [];
      const protocols = await askBird(socket, 'show protocols all');
      const bfd = await askBird(socket, 'show bfd sessions');
      return parseSessions(protocols.text, bfd.code < refusedByCommand ? bfd.text : '');
    },
    async release() {
      isClosed = true;
      await inTurn(async () => {
        await daemon?.release();
      });
    },
    async stop() {
      isClosed = true;
      await inTurn(end);
    },
  };
}
