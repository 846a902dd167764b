import { readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { TerminalError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { ClientCertificate, HttpsTransportOptions } from './https-transport.ts';

/** Where a pod finds what the cluster gives it. */
export const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Token files are read again after this time: the node agent refreshes them. */
const tokenFileMaxAgeMs = 60_000;

/** Reads a kubeconfig file (Kubernetes' clientcmd v1) and resolves one context of it, the current one when absent. */
export function loadKubeconfig(path: string, context?: string): HttpsTransportOptions {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new TerminalError('KUBECONFIG_UNREADABLE', `the kubeconfig ${path} can't be read`, { cause });
  }
  return parseKubeconfig(text, { directory: dirname(resolve(path)), ...(context === undefined ? {} : { context }) });
}

/** The same for text; relative paths in it are relative to `directory`. */
export function parseKubeconfig(
  text: string,
  options: { readonly directory: string; readonly context?: string },
): HttpsTransportOptions {
  const config = parseDocument(text);
  const contextName = options.context ?? stringOf(config, 'current-context');
  if (!contextName) throw bad('the kubeconfig has no current-context', 'name a context that it has');
  const context = entryOf(config, 'contexts', contextName, 'context');
  const cluster = entryOf(config, 'clusters', stringOf(context, 'cluster') ?? '', 'cluster');
  const userName = stringOf(context, 'user');
  const user = userName ? entryOf(config, 'users', userName, 'user') : {};
  const server = stringOf(cluster, 'server');
  if (!server) throw bad(`the cluster of context "${contextName}" has no server`, 'add its URL as `server`');

  const ca = material(cluster, 'certificate-authority', options.directory);
  const certificate = certificateOf(user, options.directory);
  const token = tokenOf(user, options.directory);
  const tlsServerName = stringOf(cluster, 'tls-server-name');
  return {
    server,
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { certificate: () => certificate }),
    ...(token === undefined ? {} : { token }),
    ...(tlsServerName === undefined ? {} : { tlsServerName }),
    ...(cluster['insecure-skip-tls-verify'] === true ? { insecureSkipTlsVerify: true } : {}),
  };
}

/** What a pod uses: `host` and `port` are the values of KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT. */
export function inClusterOptions(
  host: string,
  port: string,
  directory = serviceAccountDirectory,
): HttpsTransportOptions {
  const authority = host.includes(':') ? `[${host}]` : host;
  return {
    server: `https://${authority}:${port}`,
    ca: readMaterial(join(directory, 'ca.crt')),
    token: fileToken(join(directory, 'token')),
  };
}

function parseDocument(text: string): Record<string, unknown> {
  let config: unknown;
  try {
    config = parse(text);
  } catch (cause) {
    throw new TerminalError('BAD_KUBECONFIG', 'the kubeconfig is not YAML', { cause });
  }
  if (!isObject(config)) throw bad('the kubeconfig is not a mapping', 'give a file of kind Config');
  return config;
}

function certificateOf(user: Record<string, unknown>, directory: string): ClientCertificate | undefined {
  const cert = material(user, 'client-certificate', directory);
  const key = material(user, 'client-key', directory);
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw bad('the kubeconfig has only one of client certificate and client key', 'give both or none');
  }
  return { cert, key };
}

function tokenOf(user: Record<string, unknown>, directory: string): (() => string) | undefined {
  if (user['exec'] !== undefined || user['auth-provider'] !== undefined) {
    throw bad('the kubeconfig gets its credentials from a plugin', 'use a certificate, a token or a tokenFile');
  }
  const file = stringOf(user, 'tokenFile');
  if (file !== undefined) return fileToken(resolve(directory, file));
  const token = stringOf(user, 'token');
  return token === undefined ? undefined : () => token;
}

/** A token in a file, read again when it may have been replaced. */
function fileToken(path: string): () => string {
  let token = '';
  let readAtMs = Number.NEGATIVE_INFINITY;
  let modifiedMs = 0;
  return () => {
    const now = performance.now();
    if (now - readAtMs < tokenFileMaxAgeMs) return token;
    const { mtimeMs } = statOf(path);
    if (mtimeMs !== modifiedMs || token === '') token = readMaterial(path).trim();
    modifiedMs = mtimeMs;
    readAtMs = now;
    return token;
  };
}

function statOf(path: string): { readonly mtimeMs: number } {
  try {
    return statSync(path);
  } catch (cause) {
    throw new TerminalError('CREDENTIALS_UNREADABLE', `${path} can't be read`, { cause });
  }
}

/** PEM that stands in the file itself (`NAME-data`, base64) or in a file that it names. */
function material(from: Record<string, unknown>, name: string, directory: string): string | undefined {
  const data = stringOf(from, `${name}-data`);
  if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
  const file = stringOf(from, name);
  return file === undefined ? undefined : readMaterial(resolve(directory, file));
}

function readMaterial(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new TerminalError('CREDENTIALS_UNREADABLE', `${path} can't be read`, { cause });
  }
}

function entryOf(config: Record<string, unknown>, list: string, name: string, member: string): Record<string, unknown> {
  const entries: readonly unknown[] = Array.isArray(config[list]) ? config[list] : [];
  const entry = entries.find((candidate) => isObject(candidate) && candidate['name'] === name);
  const found = isObject(entry) ? entry[member] : undefined;
  if (!isObject(found)) throw bad(`the kubeconfig has no ${member} "${name}"`, `add it under ${list}`);
  return found;
}

function stringOf(from: Record<string, unknown>, name: string): string | undefined {
  const value = from[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function bad(message: string, hint: string): TerminalError {
  return new TerminalError('BAD_KUBECONFIG', message, { hint });
}
