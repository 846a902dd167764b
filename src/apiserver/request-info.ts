import type { Query } from './query.ts';
import type { RequestInfo } from './request.ts';

const verbOfMethod: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

// Subresources of a namespace; any other word after its name is a resource in it.
const namespaceSubresources = new Set(['status', 'finalize']);

/** A path that names an API group and version but no resource that could be told. Upstream answers 500 with this text. */
export class RequestInfoError extends Error {
  override readonly name = 'RequestInfoError';
}

/**
 * Reads a request's target from its method and path, by the rules of k8s.io/apiserver's RequestInfoFactory:
 * `/api/<version>/...` and `/apis/<group>/<version>/...` are resource requests, all others are not.
 */
export function parseRequestInfo(method: string, path: string, query: Query): RequestInfo {
  const nonResource = (): RequestInfo => ({
    verb: method.toLowerCase(),
    path,
    isResource: false,
    group: '',
    version: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
  });
  const segments = split(path);
  const root = segments[0];
  if ((root !== 'api' && root !== 'apis') || segments.length < 3) return nonResource();
  const group = root === 'api' ? '' : (segments[1] ?? '');
  const version = root === 'api' ? (segments[1] ?? '') : (segments[2] ?? '');
  let rest = segments.slice(root === 'api' ? 2 : 3);
  if (rest.length === 0) return nonResource();

  let verb = verbOfMethod[method] ?? '';
  if (rest[0] === 'watch' || rest[0] === 'proxy') {
    if (rest.length < 2) throw new RequestInfoError(`unable to determine kind and namespace from url, ${path}`);
    verb = rest[0];
    rest = rest.slice(1);
  }

  let namespace = '';
  const inNamespace = rest[0] === 'namespaces' && rest.length > 1;
  if (inNamespace) {
    namespace = rest[1] ?? '';
    if (rest.length > 2 && !namespaceSubresources.has(rest[2] ?? '')) rest = rest.slice(2);
  }
  const [resource = '', name = '', ...more] = rest;
  const subresource = more.join('/');
  return {
    verb: collectionVerb(verb, name, query),
    path,
    isResource: true,
    group,
    version,
    resource,
    subresource,
    namespace,
    name,
  };
}

function collectionVerb(verb: string, name: string, query: Query): string {
  if (name !== '') {
    // One object can be watched through its collection's endpoint only, or by the old /watch/ path.
    return verb;
  }
  if (verb === 'get') return isTrue(query.get('watch')) ? 'watch' : 'list';
  return verb === 'delete' ? 'deletecollection' : verb;
}

/** How upstream reads boolean parameters: present and neither `false` nor `0`. */
export function isTrue(value: string | undefined): boolean {
  return value !== undefined && value !== '0' && value.toLowerCase() !== 'false';
}

function split(path: string): string[] {
  let start = 0;
  let end = path.length;
  while (start < end && path[start] === '/') start += 1;
  while (end > start && path[end - 1] === '/') end -= 1;
  if (start === end) return [];
  const trimmed = path.slice(start, end);
  // As in Go, a slash that was escaped separates segments too.
  return (path.includes('%') ? decodePath(trimmed) : trimmed).split('/');
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
