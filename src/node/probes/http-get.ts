import type { IncomingMessage, RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIPv6 } from 'node:net';
import { errorCode, toError, WherryError } from '../../core/errors.ts';
import { request as httpRequest } from '../../core/node-http.ts';
import type { Container, HTTPGetAction } from '../../kube/types.gen.ts';
import { resolvePort } from './port.ts';

/** Bytes that are kept of an answer. */
const bodyBytesMax = 10 * 1024;
const redirectsMax = 10;

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** `host:port` with brackets around IPv6 addresses. */
export function hostPort(host: string, port: number): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** The URL that an httpGet action asks. Throws when its port has a name that the container does not know. */
export function urlOf(action: HTTPGetAction, container: Container, podIP: string | undefined): URL {
  const scheme = (action.scheme || 'HTTP').toLowerCase();
  const host = action.host || (podIP ?? '');
  const port = resolvePort(action.port, container);
  const { path = '' } = action;
  return new URL(`${scheme}://${hostPort(host, port)}${path.startsWith('/') ? path : `/${path}`}`);
}

type Headers = Readonly<Record<string, string | string[]>>;

/** Header names are as they were written, since some servers care. */
export function headersOf(action: HTTPGetAction, userAgent: string): Headers {
  const headers: Record<string, string | string[]> = {};
  for (const { name, value } of action.httpHeaders ?? []) {
    if (name.toLowerCase() === 'host') {
      headers[name] = value;
      continue;
    }
    const standing = headers[name];
    headers[name] = Array.isArray(standing) ? [...standing, value] : [value];
  }
  const given = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  if (!given.has('user-agent')) headers['User-Agent'] = [userAgent];
  if (!given.has('accept')) headers.Accept = ['*/*'];
  return headers;
}

export interface HttpGetOptions {
  readonly headers: Headers;
  readonly signal: AbortSignal;
  /** Whether redirects to the same host are followed. */
  readonly followsRedirects: boolean;
}

/**
 * GET without checking certificates. A redirect to another host is not followed: its answer is the result.
 * Throws with the words of Go's HTTP client, which are what users know from Events.
 */
export async function httpGet(url: URL, options: HttpGetOptions): Promise<HttpAnswer> {
  let current = url;
  for (let redirects = 0; ; redirects += 1) {
    const answer = await getOnce(current, options).catch((thrown: unknown) => {
      throw new WherryError('HTTP_GET', `Get "${current.href}": ${explainFailure(thrown, current, options.signal)}`, {
        cause: thrown,
      });
    });
    const next = options.followsRedirects ? redirectOf(answer, current) : undefined;
    if (next === undefined || next.hostname !== url.hostname) return answer;
    if (redirects + 1 >= redirectsMax)
      throw new WherryError('HTTP_GET', `Get "${next.href}": stopped after ${redirectsMax} redirects`);
    current = next;
  }
}

function redirectOf(answer: HttpAnswer & { readonly location?: string }, url: URL): URL | undefined {
  const isRedirect = [301, 302, 303, 307, 308].includes(answer.status);
  return isRedirect && answer.location !== undefined && URL.canParse(answer.location, url)
    ? new URL(answer.location, url)
    : undefined;
}

function getOnce(url: URL, { headers, signal }: HttpGetOptions): Promise<HttpAnswer & { readonly location?: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer & { readonly location?: string }>();
  const options: RequestOptions = { headers, signal, agent: false };
  const answered = (response: IncomingMessage) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const done = () => {
      const { location } = response.headers;
      const body = Buffer.concat(chunks).subarray(0, bodyBytesMax).toString('utf8');
      resolve({ status: response.statusCode ?? 0, body, ...(location === undefined ? {} : { location }) });
    };
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      // The rest does not matter; nobody shall keep a probe busy with an endless body.
      if (size < bodyBytesMax) return;
      done();
      request.destroy();
    });
    response.on('end', done);
    response.on('error', reject);
  };
  const request =
    url.protocol === 'https:'
      ? httpsRequest(url, { ...options, rejectUnauthorized: false, checkServerIdentity: () => undefined }, answered)
      : httpRequest(url, options, answered);
  request.on('error', reject);
  request.end();
  return promise;
}

/** Whether an HTTPS request failed because the server speaks plain HTTP. */
export function isPlainHttp(thrown: unknown): boolean {
  const code = errorCode(toError(thrown).cause) ?? errorCode(thrown);
  return code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG' || code === 'EPROTO';
}

function explainFailure(thrown: unknown, url: URL, signal: AbortSignal): string {
  if (signal.aborted) return 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)';
  if (isPlainHttp(thrown)) return 'http: server gave HTTP response to HTTPS client';
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  return explainConnect(thrown, url.hostname.replace(/^\[|\]$/g, ''), port);
}

const connectErrors: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'i/o timeout',
};

/** Why no connection came about, as Go says it. */
export function explainConnect(thrown: unknown, host: string, port: number): string {
  const known = connectErrors[errorCode(thrown) ?? ''];
  if (known !== undefined) return `dial tcp ${hostPort(host, port)}: ${known}`;
  switch (errorCode(thrown)) {
    case 'ECONNRESET':
      return 'EOF';
    case 'ENOTFOUND':
      return `dial tcp: lookup ${host}: no such host`;
    default:
      return toError(thrown).message;
  }
}
