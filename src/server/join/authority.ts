import path from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { TransientError, WherryError } from '../../core/errors.ts';
import { decodePem } from '../../wire/pem.ts';
import { parseCertificate } from '../../wire/x509.ts';
import { readIfPresent, writeAtomically } from '../pki/files.ts';
import { clockProblem, notAServer, probeServer } from './probe.ts';
import { authorityHashOf, type JoinToken } from './token.ts';

/** How long a server that does not answer is asked before the first start gives up. */
const serverTimeoutMs = 20_000;
const retryMs = 500;

export interface AuthorityOptions {
  readonly server: string;
  /** `<data-dir>/agent`. */
  readonly directory: string;
  readonly token: JoinToken | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** By what this node knows its server. */
export interface ServerAuthority {
  /** PEM. */
  readonly certificate: string;
  /** Whether the token's hash or an earlier start vouches for it, not only the answer of whoever answered. */
  readonly isVerified: boolean;
  /** Whether it was kept from an earlier start. */
  readonly isKept: boolean;
}

/**
 * The authority that signed the server's certificate: kept from an earlier start, or asked of the server and compared
 * with the token's hash before anything else is sent. Throws WherryError: SERVER_UNREACHABLE, NO_TOKEN, WRONG_CLUSTER,
 * OTHER_CLUSTER.
 */
export async function findAuthority(options: AuthorityOptions): Promise<ServerAuthority> {
  const { token, server } = options;
  const wanted = token?.authorityHash;
  const kept = await readIfPresent(fileOf(options));
  if (kept !== undefined) {
    if (wanted === undefined || authorityHashOf(kept) === wanted)
      return { certificate: kept, isVerified: true, isKept: true };
    throw new WherryError('OTHER_CLUSTER', 'this data directory belongs to a node of another cluster than the token', {
      hint: 'give the token of its own cluster, or a new --data-dir, or remove the node with `wherry reset --yes`',
    });
  }
  if (token === undefined) {
    throw new WherryError('NO_TOKEN', '--token: without it this machine can not join', {
      hint: 'copy the line of DATA-DIR/server/token from the server',
    });
  }
  const certificate = await ask(options);
  if (wanted !== undefined && authorityHashOf(certificate) !== wanted) {
    throw new WherryError('WRONG_CLUSTER', `the server at ${server} is not of the cluster that the token is for`, {
      hint: 'compare --server with the machine whose DATA-DIR/server/token you copied',
    });
  }
  return { certificate, isVerified: wanted !== undefined, isKept: false };
}

/** Keeps it for the next start, once this node has joined. */
export async function keepAuthority(directory: string, certificate: string): Promise<void> {
  await writeAtomically(fileOf({ directory }), certificate, 0o600);
}

function fileOf({ directory }: { readonly directory: string }): string {
  return path.join(directory, 'server-ca.crt');
}

/** Nothing of ours is shown here: no certificate, no token. */
async function ask({ server, clock, signal }: AuthorityOptions): Promise<string> {
  const deadline = clock.monotonic() + serverTimeoutMs;
  for (;;) {
    try {
      const probe = await probeServer(server, signal);
      if (probe.status === 200) {
        const certificate = authorityIn(probe.body, server);
        const problem = clockProblem(probe, clock.now());
        if (problem !== undefined) throw problem;
        return certificate;
      }
      // A server that is starting refuses what its roles will allow.
      if (![401, 403, 429, 503].includes(probe.status) || clock.monotonic() > deadline) throw notAServer(server);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransientError) || clock.monotonic() > deadline) throw error;
    }
    await clock.sleep(retryMs, signal);
  }
}

function authorityIn(body: string, server: string): string {
  try {
    const block = decodePem(body).find(({ label }) => label === 'CERTIFICATE');
    if (block !== undefined && parseCertificate(block.der).ca) return body;
  } catch (cause) {
    throw notAServer(server, cause);
  }
  throw notAServer(server);
}
