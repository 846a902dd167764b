import type { Clock } from '../../core/clock.ts';
import { describeError, errorCode, TransientError, WherryError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { isReason } from '../../kube/status-error.ts';
import { clockProblem, probeServer } from './probe.ts';
import { refusalOf } from './refusal.ts';

export interface ReachOptions {
  /** URL. */
  readonly server: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Told, in a sentence, what is waited for, whenever that changes. */
  onWaiting(why: string): void;
}

/** A server that is just starting may refuse for so long what it will allow. */
const startTimeoutMs = 5_000;
const retryMs = 1_000;

/** Runs what a joining machine asks of its server, at its first start: errors are told soon. */
export async function whileJoining<T>({ server, clock, signal }: ReachOptions, run: () => Promise<T>): Promise<T> {
  const deadline = clock.monotonic() + startTimeoutMs;
  for (;;) {
    try {
      return await run();
    } catch (error) {
      signal.throwIfAborted();
      const told = refusalOf(error);
      if (told !== undefined) throw told;
      if (isApart(error)) throw await explainApart(server, error, clock, signal);
      if (
        !isReason(error, 'Unauthorized', 'Forbidden', 'NotFound', 'ServiceUnavailable') ||
        clock.monotonic() > deadline
      )
        throw error;
      await clock.sleep(retryMs, signal);
    }
  }
}

/** The same for a machine that has joined: it outlives its server's absence, and says what it waits for. */
export async function onceReachable<T>(options: ReachOptions, run: () => Promise<T>): Promise<T> {
  const { server, clock, log, signal, onWaiting } = options;
  let said = '';
  for (;;) {
    try {
      return await run();
    } catch (error) {
      signal.throwIfAborted();
      const told = refusalOf(error);
      if (told !== undefined) throw told;
      if (isReason(error, 'Unauthorized')) {
        throw new WherryError('NODE_UNKNOWN', `the server at ${server} does not know this node's certificate`, {
          cause: error,
          hint: 'remove the node with `wherry reset --yes`, then join again with --token',
        });
      }
      // While a server starts, the roles and settings of nodes may not be there yet.
      if (!(error instanceof TransientError) && !isReason(error, 'Forbidden', 'NotFound', 'ServiceUnavailable'))
        throw error;
      const why = describeError(isApart(error) ? await explainApart(server, error, clock, signal) : error);
      if (why !== said) {
        log.warn('waiting for the server', { why });
        onWaiting(`waiting for the server: ${why}`);
      }
      said = why;
      await clock.sleep(retryMs, signal);
    }
  }
}

function isApart(error: unknown): boolean {
  return error instanceof TransientError && error.code.startsWith('API_');
}

/** In one line why the server can't be spoken with, and what may help. */
async function explainApart(server: string, cause: unknown, clock: Clock, signal: AbortSignal): Promise<WherryError> {
  if (hasCode(cause, 'ERR_TLS_CERT_ALTNAME_INVALID')) {
    const { hostname } = new URL(server);
    return new WherryError('SERVER_NAME', `the server's certificate is not valid for ${hostname}`, {
      cause,
      hint: `start the server with --tls-san ${hostname}, or give --server an address that it knows`,
    });
  }
  try {
    const problem = clockProblem(await probeServer(server, signal), clock.now());
    if (problem !== undefined) return problem;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof WherryError) return error;
    throw error;
  }
  if (hasCode(cause, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'CERT_SIGNATURE_FAILURE', 'SELF_SIGNED_CERT_IN_CHAIN')) {
    return new WherryError('WRONG_CLUSTER', `the server at ${server} is not of this node's cluster`, {
      cause,
      hint: 'compare --server with the machine that this node joined; a cluster that was made anew has a new token',
    });
  }
  return new WherryError('SERVER_UNREACHABLE', describeError(cause), {
    cause,
    hint: `see on the server whether it runs (wherry status), and from here whether ${server}/cacerts answers`,
  });
}

function hasCode(thrown: unknown, ...codes: readonly string[]): boolean {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (codes.includes(errorCode(error) ?? '')) return true;
  }
  return false;
}
