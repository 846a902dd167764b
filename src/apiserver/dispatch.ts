import type { Resource } from '../kube/resource.ts';
import { StatusError } from '../kube/status-error.ts';
import { type Answer, type Call, textAnswer } from './answer.ts';
import { methodNotAllowed, methodNotSupported, noSuchResource, notFound } from './errors.ts';
import type { KindRegistry, ServedKind } from './kind-registry.ts';
import { checkUrlName } from './registry/create.ts';
import * as handlers from './registry/handlers.ts';
import type { Registry } from './registry/registry.ts';
import type { RequestInfo } from './request.ts';
import type { Route, RouteTable, SubresourceHandler, SubresourceTable } from './routes.ts';

/** Answers resources that are not stored: reviews, bindings, metrics. By group, version and plural. */
export interface VirtualResource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespaced: boolean;
  handle(call: Call): Answer | Promise<Answer>;
  /** Methods that it answers. */
  readonly methods: readonly string[];
  /** For what is read like a stored resource: objects have names, and lists may span namespaces. */
  readonly discovered?: Resource;
}

export interface Dispatcher {
  readonly registry: Registry;
  readonly kinds: KindRegistry;
  readonly routes: RouteTable;
  readonly subresources: SubresourceTable;
  readonly virtual: ReadonlyMap<string, VirtualResource>;
}

/** Where a request goes. */
export type Destination =
  | { readonly type: 'route'; readonly route: Route }
  | { readonly type: 'subresource'; readonly served: ServedKind; readonly handler: SubresourceHandler }
  | { readonly type: 'virtual'; readonly resource: VirtualResource }
  | { readonly type: 'kind'; readonly served: ServedKind }
  | { readonly type: 'nowhere' };

const collectionMethods: Readonly<Record<string, string>> = { GET: 'list', POST: 'create', DELETE: 'deletecollection' };
const objectMethods: Readonly<Record<string, string>> = { GET: 'get', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/** Finds the handler. Throws NotFound for a path and MethodNotAllowed for a method that nothing serves. */
export function destinationOf(dispatcher: Dispatcher, method: string, info: RequestInfo): Destination {
  const route = dispatcher.routes.find(info.path);
  if (route !== undefined) {
    if (route.methods !== undefined && !route.methods.includes(method)) throw methodNotAllowed();
    return { type: 'route', route };
  }
  if (!info.isResource) {
    if (isUnderApi(dispatcher, info.path)) throw noSuchResource();
    return { type: 'nowhere' };
  }
  const { group, version, resource } = info;
  const virtual = dispatcher.virtual.get(`${group}/${version}/${resource}`);
  if (virtual !== undefined) return virtualDestination(virtual, method, info);
  const served = dispatcher.kinds.find(group, version, resource);
  if (served === undefined) {
    if (group !== '' && !dispatcher.kinds.hasGroup(group)) return { type: 'nowhere' };
    throw noSuchResource();
  }
  if (served.isCustom && served.resource.namespaced !== (info.namespace !== '')) {
    const spansNamespaces = served.resource.namespaced && info.name === '' && info.subresource === '';
    if (!spansNamespaces) return { type: 'nowhere' };
  }
  checkScope(served, method, info);
  if (info.subresource === '') {
    checkMethod(served, method, info);
    return { type: 'kind', served };
  }
  const handler = dispatcher.subresources.find(served, info.subresource);
  if (handler === undefined) throw served.isCustom ? notFound(served.resource, info.name) : noSuchResource();
  if (handler[method as 'GET'] === undefined) throw methodNotAllowed();
  return { type: 'subresource', served, handler };
}

/** Has a request answered by what destinationOf found. */
export function dispatch(dispatcher: Dispatcher, destination: Destination, call: Call): Answer | Promise<Answer> {
  switch (destination.type) {
    case 'route':
      return destination.route.handle(call);
    case 'virtual':
      // Their lists can't be watched, but one who tries has used the resource.
      if (call.info.verb === 'watch') throw methodNotSupported(destination.resource, 'watch');
      return destination.resource.handle(call);
    case 'nowhere':
      return textAnswer(404, '404 page not found\n');
    case 'subresource': {
      const method = destination.handler[call.method as 'GET'];
      if (method === undefined) throw methodNotAllowed();
      checkUrlName(call.info.name);
      warnOfDeprecation(destination.served, call);
      return method(call, destination.served);
    }
    default:
      warnOfDeprecation(destination.served, call);
      return dispatchKind(dispatcher.registry, destination.served, call);
  }
}

function warnOfDeprecation({ kind }: ServedKind, call: Call): void {
  if (kind.custom?.deprecationWarning !== undefined) call.warn(kind.custom.deprecationWarning);
}

function dispatchKind(registry: Registry, served: ServedKind, call: Call): Answer | Promise<Answer> {
  if (call.info.name !== '') checkUrlName(call.info.name);
  switch (call.info.verb) {
    case 'get':
      return handlers.get(registry, served, call);
    case 'list':
    case 'watch':
      return handlers.listOrWatch(registry, served, call);
    case 'create':
      return handlers.create(registry, served, call);
    case 'update':
      return handlers.replace(registry, served, call, '');
    case 'patch':
      return handlers.patch(registry, served, call, '');
    case 'delete':
      return handlers.remove(registry, served, call);
    case 'deletecollection':
      return handlers.removeCollection(registry, served, call);
    default:
      throw methodNotAllowed();
  }
}

function notWhileTerminating(resource: ServedKind['resource'], verb: string): StatusError {
  const { status } = methodNotSupported(resource, verb);
  const message = `${verb} not allowed while custom resource definition is terminating`;
  return new StatusError({ ...status, message });
}

function virtualDestination(resource: VirtualResource, method: string, info: RequestInfo): Destination {
  const { discovered } = resource;
  const isInScope = resource.namespaced === (info.namespace !== '') || (discovered !== undefined && info.name === '');
  if (!isInScope || info.subresource !== '' || (info.name !== '' && discovered === undefined)) {
    throw noSuchResource();
  }
  if (!resource.methods.includes(method)) throw methodNotAllowed();
  return { type: 'virtual', resource };
}

function isUnderApi(dispatcher: Dispatcher, path: string): boolean {
  if (path.startsWith('/api/')) return true;
  if (!path.startsWith('/apis/')) return false;
  const group = path.split('/')[2] ?? '';
  return group !== '' && dispatcher.kinds.hasGroup(group);
}

// Namespaces are both: their own resource, and the way to resources in them.
function checkScope(served: ServedKind, method: string, info: RequestInfo): void {
  const { namespaced, plural, group } = served.resource;
  if (plural === 'namespaces' && group === '') {
    if (info.path.includes('/namespaces/') && info.name === '') throw noSuchResource();
    return;
  }
  if (!namespaced) {
    if (info.namespace !== '') throw noSuchResource();
    return;
  }
  if (info.namespace !== '') return;
  if (info.name !== '') throw noSuchResource();
  if (method !== 'GET') throw methodNotAllowed();
}

function checkMethod(served: ServedKind, method: string, info: RequestInfo): void {
  const methods = info.name === '' ? collectionMethods : objectMethods;
  const verb = methods[method];
  const { verbs } = served.resource;
  if (verb === 'create' && served.kind.custom?.isTerminating) throw notWhileTerminating(served.resource, verb);
  if (verb === undefined || !verbs.includes(verb as 'get')) throw methodNotAllowed();
  if (info.verb === 'watch' && !verbs.includes('watch')) throw methodNotSupported(served.resource, 'watch');
  if (info.verb === 'proxy') throw noSuchResource();
}
