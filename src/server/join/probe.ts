import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { describeError, errorCode, TransientError, WherryError } from '../../core/errors.ts';
import { humanDuration } from '../../kube/kinds/name-and-age.ts';
import { parseCertificate } from '../../wire/x509.ts';

/** A server that says nothing for so long does not answer. */
const probeTimeoutMs = 5_000;
const bodyBytesMax = 64 * 1024;
/** A clock may be off by so much; then times in logs, Events and leases mislead, and certificates end before their time. */
export const clockSkewMaxMs = 300_000;

/** What a server shows to somebody who knows nothing of it. */
export interface Probe {
  readonly status: number;
  readonly body: string;
  /** What its Date header says, milliseconds since the epoch. */
  readonly serverMs: number | undefined;
  /** Milliseconds since the epoch, of the certificate that it showed. */
  readonly certificate: { readonly notBefore: number; readonly notAfter: number };
}

/**
 * Asks a server for its authority (GET /cacerts) and shows nothing of ours: no certificate, no token. Throws TransientError
 * SERVER_UNREACHABLE in plain words, WherryError NOT_A_SERVER for what speaks something else.
 */
export async function probeServer(server: string, signal: AbortSignal): Promise<Probe> {
  const url = new URL('/cacerts', server);
  const timeout = AbortSignal.timeout(probeTimeoutMs);
  let isResolved = isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0;
  const onResolved = () => {
    isResolved = true;
  };
  try {
    return await ask(url, AbortSignal.any([signal, timeout]), onResolved);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof WherryError) throw error;
    if (timeout.aborted) throw unreachable(server, whyUnreachable(isResolved ? 'ETIMEDOUT' : 'EAI_AGAIN', url));
    throw explain(server, url, error);
  }
}

function ask(url: URL, signal: AbortSignal, onResolved: () => void): Promise<Probe> {
  return new Promise((resolve, reject) => {
    const options = { rejectUnauthorized: false, agent: false as const, signal, headers: { accept: 'text/plain' } };
    const outgoing = httpsRequest(url, options, (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const { socket } = answer;
      // Gone from the socket once the answer is over.
      const der = (socket as TLSSocket).getPeerCertificate().raw;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.byteLength;
        if (bytes > bodyBytesMax) outgoing.destroy(notAServer(url.origin));
        else chunks.push(chunk);
      });
      answer.once('error', reject);
      answer.once('end', () => {
        const date = Date.parse(answer.headers.date ?? '');
        const { notBefore, notAfter } = parseCertificate(der);
        resolve({
          status: answer.statusCode ?? 0,
          body: Buffer.concat(chunks).toString('utf8'),
          serverMs: Number.isNaN(date) ? undefined : date,
          certificate: { notBefore, notAfter },
        });
      });
    });
    outgoing.once('socket', (socket) => socket.once('lookup', (error) => (error === null ? onResolved() : undefined)));
    outgoing.once('error', reject);
    outgoing.end();
  });
}

function explain(server: string, url: URL, error: unknown): WherryError {
  const code = errorCode(error) ?? '';
  const why = whyUnreachable(code, url);
  if (why !== undefined) return unreachable(server, why);
  // Whoever answers, but not with TLS or HTTP, is no server of ours.
  if (code === 'EPROTO' || code.startsWith('ERR_SSL') || code.startsWith('HPE_')) return notAServer(server, error);
  return unreachable(server, describeError(error));
}

/** The plain words for a failed connection; undefined for other failures. Pure. */
export function whyUnreachable(code: string, { hostname, port }: Pick<URL, 'hostname' | 'port'>): string | undefined {
  const where = `port ${port === '' ? 443 : port} of ${hostname}`;
  switch (code) {
    case 'ECONNREFUSED':
      return `connection refused: no program listens on ${where}`;
    case 'ETIMEDOUT':
      return `no answer from ${where} within ${probeTimeoutMs / 1000} s: the machine is off, or a firewall drops the packets`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_NODATA':
      return `the name ${hostname} is not known to this machine's name servers, or they don't answer (${code})`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `there is no route to ${hostname} (${code})`;
    case 'ECONNRESET':
      return `the connection to ${where} was broken off`;
    default:
      return undefined;
  }
}

function unreachable(server: string, why: string | undefined): TransientError {
  return new TransientError('SERVER_UNREACHABLE', `the API server at ${server} can't be reached: ${why}`, {
    hint: `see on the server whether it runs (wherry status), and from here whether ${server}/cacerts answers`,
  });
}

/** What answers is something else. */
export function notAServer(server: string, cause?: unknown): WherryError {
  return new WherryError('NOT_A_SERVER', `what answers at ${server} is no Wherry server`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'give --server the URL of the Kubernetes API, https://HOST:6443',
  });
}

/** The error when this machine's clock or the server's is off; undefined when they agree well enough. Pure. */
export function clockProblem({ serverMs, certificate }: Probe, nowMs: number): WherryError | undefined {
  const skewMs = serverMs === undefined ? 0 : nowMs - serverMs;
  if (Math.abs(skewMs) > clockSkewMaxMs) {
    const how = `${humanDuration(Math.abs(skewMs))} ${skewMs > 0 ? 'ahead of' : 'behind'} the server's`;
    return new WherryError('CLOCK_SKEW', `this machine's clock is ${how} (here it is ${iso(nowMs)})`, {
      hint: 'set the clock that is wrong, e.g. with `timedatectl set-ntp true`, and join again',
    });
  }
  const { notBefore, notAfter } = certificate;
  if (nowMs >= notBefore && nowMs <= notAfter) return undefined;
  const [when, how] =
    nowMs < notBefore
      ? [`is valid from ${iso(notBefore)} on`, `${humanDuration(notBefore - nowMs)} from now`]
      : [`has ended at ${iso(notAfter)}`, `${humanDuration(nowMs - notAfter)} ago`];
  return new WherryError('CERTIFICATE_TIME', `the server's certificate ${when}, ${how}`, {
    hint: 'set the clocks of both machines, and restart the server, which renews its certificate',
  });
}

function iso(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
