import { parse } from 'yaml';
import { TerminalError, toError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { type TomlTable, writeToml } from '../../wire/toml.ts';

export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  /** base64 of `username:password`. */
  readonly auth?: string;
  readonly identityToken?: string;
}

interface RegistryTls {
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly caFile?: string;
  readonly insecureSkipVerify?: boolean;
}

/** registries.yaml as k3s reads it, parsed. */
export interface Registries {
  /** Endpoints to ask before the registry itself, by registry host; `*` stands for all others. */
  readonly mirrors: Readonly<Record<string, readonly string[]>>;
  readonly auths: Readonly<Record<string, RegistryAuth>>;
  readonly tls: Readonly<Record<string, RegistryTls>>;
}

export const noRegistries: Registries = { mirrors: {}, auths: {}, tls: {} };

/** Parses registries.yaml. Throws TerminalError that names the key at fault. */
export function parseRegistries(text: string): Registries {
  let document: unknown;
  try {
    document = parse(text);
  } catch (thrown) {
    throw new TerminalError('REGISTRIES_MALFORMED', `registries.yaml is not YAML: ${toError(thrown).message}`, {
      cause: thrown,
      hint: 'correct the file, or remove it to pull without mirrors',
    });
  }
  if (document === null || document === undefined) return noRegistries;
  const root = object(document, 'the document', ['mirrors', 'configs', 'auths']);
  const mirrors: Record<string, readonly string[]> = {};
  for (const [host, value] of Object.entries(object(root['mirrors'] ?? {}, 'mirrors'))) {
    const mirror = object(value ?? {}, `mirrors.${host}`, ['endpoint', 'rewrite']);
    if (mirror['rewrite'] !== undefined && Object.keys(object(mirror['rewrite'], `mirrors.${host}.rewrite`)).length > 0)
      fail(`mirrors.${host}.rewrite`, 'is a feature of the containerd inside k3s; the one used here has none');
    mirrors[host] = strings(mirror['endpoint'] ?? [], `mirrors.${host}.endpoint`).map((endpoint) => {
      const url = /^https?:\/\//.test(endpoint) ? endpoint : `https://${endpoint}`;
      if (!URL.canParse(url)) fail(`mirrors.${host}.endpoint`, `${JSON.stringify(endpoint)} is not a URL`);
      return url.replace(/\/+$/, '');
    });
  }
  const auths: Record<string, RegistryAuth> = {};
  const tls: Record<string, RegistryTls> = {};
  for (const [host, value] of Object.entries(object(root['configs'] ?? {}, 'configs'))) {
    const config = object(value ?? {}, `configs.${host}`, ['auth', 'tls']);
    if (config['auth'] !== undefined) auths[host] = parseAuth(config['auth'], `configs.${host}.auth`);
    if (config['tls'] !== undefined) tls[host] = parseTls(config['tls'], `configs.${host}.tls`);
  }
  return { mirrors, auths, tls };
}

/** hosts.toml by folder below containerd's registry config_path (docs of containerd: hosts.md). */
export function compileHosts(registries: Registries): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const host of new Set([...Object.keys(registries.mirrors), ...Object.keys(registries.tls)])) {
    const server = host === '*' ? undefined : serverOf(host);
    const endpoints = [...(registries.mirrors[host] ?? [])];
    // TLS settings of the registry itself need an entry too: they can't stand beside `server`.
    if (server !== undefined && registries.tls[host] !== undefined && !endpoints.includes(server))
      endpoints.push(server);
    const hosts: Record<string, TomlTable> = {};
    for (const endpoint of endpoints) hosts[hostUrl(endpoint)] = hostEntry(endpoint, registries.tls);
    const table: TomlTable = { ...(server === undefined ? {} : { server }), host: hosts };
    files.set(host === '*' ? '_default' : host, writeToml(table));
  }
  return files;
}

function serverOf(host: string): string {
  return host === 'docker.io' ? 'https://registry-1.docker.io' : `https://${host}`;
}

function hostUrl(endpoint: string): string {
  const url = new URL(endpoint);
  return url.pathname === '/' ? url.origin : `${url.origin}${url.pathname}`;
}

function hostEntry(endpoint: string, tlsByHost: Registries['tls']): TomlTable {
  const url = new URL(endpoint);
  const tls = tlsByHost[url.host];
  const client = tls?.certFile === undefined ? undefined : [[tls.certFile, tls.keyFile ?? '']];
  return {
    capabilities: ['pull', 'resolve'],
    ...(url.pathname === '/' ? {} : { override_path: true }),
    ...(tls?.caFile === undefined ? {} : { ca: tls.caFile }),
    ...(client === undefined ? {} : { client }),
    ...(tls?.insecureSkipVerify ? { skip_verify: true } : {}),
  };
}

function parseAuth(value: unknown, path: string): RegistryAuth {
  const auth = object(value, path, ['username', 'password', 'auth', 'identity_token', 'identitytoken']);
  const read = (key: string) => optionalString(auth[key], `${path}.${key}`);
  const [username, password, token, identity] = [
    read('username'),
    read('password'),
    read('auth'),
    read('identity_token') ?? read('identitytoken'),
  ];
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(token === undefined ? {} : { auth: token }),
    ...(identity === undefined ? {} : { identityToken: identity }),
  };
}

function parseTls(value: unknown, path: string): RegistryTls {
  const tls = object(value, path, ['cert_file', 'key_file', 'ca_file', 'insecure_skip_verify']);
  const read = (key: string) => optionalString(tls[key], `${path}.${key}`);
  const [certFile, keyFile, caFile] = [read('cert_file'), read('key_file'), read('ca_file')];
  const insecure = tls['insecure_skip_verify'];
  if (insecure !== undefined && typeof insecure !== 'boolean')
    fail(`${path}.insecure_skip_verify`, 'must be true or false');
  return {
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
    ...(caFile === undefined ? {} : { caFile }),
    ...(insecure === true ? { insecureSkipVerify: true } : {}),
  };
}

function object(value: unknown, path: string, keys?: readonly string[]): Record<string, unknown> {
  if (!isObject(value)) return fail(path, 'must be a map');
  const unknown = keys === undefined ? undefined : Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined) fail(path, `has the unknown key ${JSON.stringify(unknown)}`);
  return value;
}

function strings(value: unknown, path: string): readonly string[] {
  const items: unknown[] = Array.isArray(value) ? value : [value];
  return items.map((item) => (typeof item === 'string' ? item : fail(path, 'must be a list of strings')));
}

function optionalString(value: unknown, path: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : fail(path, 'must be a string');
}

function fail(path: string, what: string): never {
  throw new TerminalError('REGISTRIES_MALFORMED', `registries.yaml: ${path} ${what}`, { hint: 'correct the file' });
}
