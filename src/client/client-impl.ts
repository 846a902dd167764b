import { assert } from '../core/assert.ts';
import { isObject } from '../core/json.ts';
import type { KubeList, KubeObject, Status } from '../kube/object.ts';
import { apiVersionOf, type ObjectKey, type Resource } from '../kube/resource.ts';
import { StatusError } from '../kube/status-error.ts';
import type { Client, DeleteOptions, ListOptions, Patch, WatchEvent, WatchOptions, WriteOptions } from './client.ts';
import { collectionPath, objectPath } from './paths.ts';
import type { ApiRequest, Transport } from './transport.ts';

/** Annotation of the bookmark that ends the initial events of a streaming list (KEP-3157). */
const initialEventsEndAnnotation = 'k8s.io/initial-events-end';

const patchTypes = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  // JSON is YAML, so the body of an apply needs no encoder of its own.
  apply: 'application/apply-patch+yaml',
} as const;

/** A client over any transport. It holds no state, so one may be made for each caller. */
export function createClient(transport: Transport): Client {
  const call = (request: ApiRequest) => transport.call(request);

  return {
    async get<T extends KubeObject>(resource: Resource<T>, key: ObjectKey, options = {}) {
      return asObject(resource, await call({ method: 'GET', path: objectPath(resource, key), ...signalOf(options) }));
    },
    async list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}) {
      const path = collectionPath(resource, options.namespace);
      return asList(resource, await call({ method: 'GET', path, query: listQuery(options), ...signalOf(options) }));
    },
    watch: <T extends KubeObject>(resource: Resource<T>, options: WatchOptions) => watch(transport, resource, options),
    async create<T extends KubeObject>(resource: Resource<T>, object: T, options: WriteOptions = {}) {
      const path = collectionPath(resource, object.metadata.namespace);
      return asObject(resource, await call({ method: 'POST', path, ...writeOf(options), body: object }));
    },
    async update<T extends KubeObject>(resource: Resource<T>, object: T, options: WriteOptions = {}) {
      const path = objectPath(resource, keyOfObject(object), options.subresource);
      return asObject(resource, await call({ method: 'PUT', path, ...writeOf(options), body: object }));
    },
    async patch<T extends KubeObject>(resource: Resource<T>, key: ObjectKey, patch: Patch, options: WriteOptions = {}) {
      const path = objectPath(resource, key, options.subresource);
      const body = patch.type === 'json' ? patch.operations : patch.body;
      const contentType = patchTypes[patch.type];
      return asObject(resource, await call({ method: 'PATCH', path, ...writeOf(options), contentType, body }));
    },
    delete: (resource, key, options = {}) =>
      call({ method: 'DELETE', path: objectPath(resource, key), ...deleteOf(options) }),
    deleteCollection: (resource, options) =>
      call({
        method: 'DELETE',
        path: collectionPath(resource, options.namespace),
        query: listQuery(options),
        ...deleteOf(options),
      }),
    createSubresource: (resource, key, subresource, body, options = {}) =>
      call({ method: 'POST', path: objectPath(resource, key, subresource), ...writeOf(options), body }),
    raw: (path, options = {}) => call({ ...splitQuery(path), method: 'GET', ...signalOf(options) }),
  };
}

async function* watch<T extends KubeObject>(
  transport: Transport,
  resource: Resource<T>,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  const query: Record<string, string> = { ...selectorQuery(options), watch: 'true', allowWatchBookmarks: 'true' };
  if (options.resourceVersion !== undefined) query['resourceVersion'] = options.resourceVersion;
  if (options.timeoutSeconds !== undefined) query['timeoutSeconds'] = String(options.timeoutSeconds);
  if (options.sendInitialEvents !== undefined) {
    query['sendInitialEvents'] = String(options.sendInitialEvents);
    query['resourceVersionMatch'] = 'NotOlderThan';
  }
  const path = collectionPath(resource, options.namespace);
  for await (const raw of transport.stream({ method: 'GET', path, query, ...signalOf(options) })) {
    yield asWatchEvent(resource, raw);
  }
}

function asWatchEvent<T extends KubeObject>(resource: Resource<T>, raw: unknown): WatchEvent<T> {
  assert(isObject(raw) && typeof raw['type'] === 'string', 'a watch event has a type');
  const { type, object } = raw;
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type, object: asObject(resource, object) };
    case 'BOOKMARK': {
      const { metadata } = asObject(resource, object);
      const initialEventsEnd = metadata.annotations?.[initialEventsEndAnnotation] === 'true';
      return { type, resourceVersion: metadata.resourceVersion ?? '', initialEventsEnd };
    }
    default:
      throw new StatusError(asStatus(object));
  }
}

function asStatus(body: unknown): Status {
  if (isObject(body) && body['kind'] === 'Status') return body as unknown as Status;
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'unknown watch error',
    code: 500,
  };
}

/** The server is trusted to answer with the kind that was asked for; only what Go's encoder leaves out of list items is added. */
function asObject<T extends KubeObject>(resource: Resource<T>, body: unknown): T {
  assert(isObject(body), `the answer for a ${resource.kind} is an object`);
  if (body['kind'] !== undefined) return body as unknown as T;
  return { apiVersion: apiVersionOf(resource), kind: resource.kind, ...body } as unknown as T;
}

function asList<T extends KubeObject>(resource: Resource<T>, body: unknown): KubeList<T> {
  assert(isObject(body), `the answer for a ${resource.listKind} is an object`);
  const items: readonly unknown[] = Array.isArray(body['items']) ? body['items'] : [];
  return {
    apiVersion: apiVersionOf(resource),
    kind: resource.listKind,
    metadata: isObject(body['metadata']) ? body['metadata'] : {},
    items: items.map((item) => asObject(resource, item)),
  };
}

function keyOfObject(object: KubeObject): ObjectKey {
  const { name, namespace } = object.metadata;
  assert(name !== undefined && name !== '', 'an object that is updated has a name');
  return namespace === undefined ? { name } : { name, namespace };
}

function signalOf(options: { readonly signal?: AbortSignal }): { readonly signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal };
}

function selectorQuery(options: { readonly labelSelector?: string; readonly fieldSelector?: string }) {
  const query: Record<string, string> = {};
  if (options.labelSelector) query['labelSelector'] = options.labelSelector;
  if (options.fieldSelector) query['fieldSelector'] = options.fieldSelector;
  return query;
}

function listQuery(options: ListOptions): Record<string, string> {
  const query: Record<string, string> = selectorQuery(options);
  if (options.limit !== undefined) query['limit'] = String(options.limit);
  if (options.continue) query['continue'] = options.continue;
  if (options.resourceVersion !== undefined) query['resourceVersion'] = options.resourceVersion;
  if (options.resourceVersionMatch) query['resourceVersionMatch'] = options.resourceVersionMatch;
  return query;
}

function writeOf(options: WriteOptions): Pick<ApiRequest, 'query' | 'signal'> {
  const query: Record<string, string> = {};
  if (options.fieldManager !== undefined) query['fieldManager'] = options.fieldManager;
  if (options.force !== undefined) query['force'] = String(options.force);
  if (options.dryRun) query['dryRun'] = 'All';
  return { query, ...signalOf(options) };
}

function deleteOf(options: DeleteOptions): Pick<ApiRequest, 'body' | 'signal'> {
  const { gracePeriodSeconds, propagationPolicy, preconditions } = options;
  const body = {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
    ...(preconditions === undefined ? {} : { preconditions }),
  };
  return { body, ...signalOf(options) };
}

function splitQuery(path: string): { readonly path: string; readonly query?: Readonly<Record<string, string>> } {
  const mark = path.indexOf('?');
  if (mark < 0) return { path };
  return { path: path.slice(0, mark), query: Object.fromEntries(new URLSearchParams(path.slice(mark + 1))) };
}
