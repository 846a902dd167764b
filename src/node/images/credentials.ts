import { isObject } from '../../core/json.ts';
import type { AuthConfig } from '../../engines/containerd/cri-messages.ts';
import type { Secret } from '../../kube/types.gen.ts';
import type { ImageName } from './image-name.ts';

/** The credentials that the secrets (kubernetes.io/dockerconfigjson and dockercfg) hold for an image, best match first. */
export function credentialsFor(image: ImageName, secrets: readonly Secret[]): readonly AuthConfig[] {
  const found: { readonly path: string; readonly auth: AuthConfig }[] = [];
  for (const secret of secrets) {
    for (const [key, entry] of Object.entries(registryEntries(secret))) {
      const target = parseKey(key);
      if (target === null || !matches(target, image)) continue;
      const auth = authOf(entry);
      if (auth !== null) found.push({ path: target.path, auth });
    }
  }
  // Keys that name a longer path are more specific.
  return found.toSorted((a, b) => b.path.length - a.path.length).map(({ auth }) => auth);
}

function registryEntries(secret: Secret): Readonly<Record<string, unknown>> {
  const modern = decodeJson(secret.data?.['.dockerconfigjson']);
  if (isObject(modern) && isObject(modern['auths'])) return modern['auths'];
  const old = decodeJson(secret.data?.['.dockercfg']);
  return isObject(old) ? old : {};
}

/** A secret whose content is no JSON holds no credentials; validation at the API server refuses such ones by their type. */
function decodeJson(base64: string | undefined): unknown {
  if (base64 === undefined) return undefined;
  try {
    return JSON.parse(Buffer.from(base64, 'base64').toString('utf8'));
  } catch {
    return undefined;
  }
}

interface Target {
  readonly host: string;
  readonly path: string;
}

/** `https://index.docker.io/v1/`, `registry.example:5000/team`, `*.example.com`. */
function parseKey(key: string): Target | null {
  const match = /^(?:https?:\/\/)?([^/]+)(\/.*)?$/.exec(key);
  if (match === null) return null;
  const path = (match[2] ?? '').replace(/^\/v[12]\/?$/, '').replace(/\/$/, '');
  const host = match[1] ?? '';
  return { host: host === 'index.docker.io' ? 'docker.io' : host, path };
}

function matches({ host, path }: Target, image: ImageName): boolean {
  const wanted = host.split('.');
  const actual = image.registry.split('.');
  const isHost =
    wanted.length === actual.length && wanted.every((part, index) => globMatches(part, actual[index] ?? ''));
  return isHost && (path === '' || `/${image.repository}`.startsWith(path));
}

function globMatches(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(text);
}

function authOf(entry: unknown): AuthConfig | null {
  if (!isObject(entry)) return null;
  const text = (key: string) => (typeof entry[key] === 'string' ? entry[key] : '');
  const joined = Buffer.from(text('auth'), 'base64').toString('utf8');
  const colon = joined.indexOf(':');
  const username = text('username') || (colon < 0 ? '' : joined.slice(0, colon));
  const password = text('password') || (colon < 0 ? '' : joined.slice(colon + 1));
  const [identityToken, registryToken] = [text('identitytoken'), text('registrytoken')];
  if (username === '' && identityToken === '' && registryToken === '') return null;
  return { username, password, identityToken, registryToken };
}
