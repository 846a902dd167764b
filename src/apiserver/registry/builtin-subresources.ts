import { bindings, pods } from '../../kube/resources.gen.ts';
import { customScale } from '../custom-resources/custom-scale.ts';
import type { VirtualResource } from '../dispatch.ts';
import { noSuchResource } from '../errors.ts';
import type { ServedKind } from '../kind-registry.ts';
import type { SubresourceTable } from '../routes.ts';
import { bindPod } from './binding.ts';
import { evictPod } from './eviction.ts';
import { get, patch, replace } from './handlers.ts';
import type { Registry } from './registry.ts';
import { scaleHandler } from './scale.ts';

const scalable = ['deployments.apps', 'replicasets.apps', 'statefulsets.apps', 'replicationcontrollers'];

/** Subresources of built-in kinds that need nothing but the store. */
export function addBuiltinSubresources(registry: Registry, subresources: SubresourceTable): void {
  // `status`, `approval` and the like, whose body is the object itself: every kind that has a strategy for them.
  subresources.addGeneric((served, name) => {
    if (served.kind.strategy.subresources?.[name] === undefined) return undefined;
    const listed = served.resource.subresources.find((one) => one.name === name);
    const allows = (verb: 'get' | 'patch') => listed === undefined || listed.verbs.includes(verb);
    return {
      ...(allows('get') ? { GET: (call, kind) => get(registry, kind, call) } : {}),
      PUT: (call, kind) => replace(registry, kind, call, name),
      ...(allows('patch') ? { PATCH: (call, kind) => patch(registry, kind, call, name) } : {}),
    };
  });
  for (const resource of scalable) subresources.add(resource, 'scale', scaleHandler(registry));
  subresources.addGeneric((served, name) => {
    const scale = served.kind.custom?.scale;
    return name === 'scale' && scale !== undefined ? scaleHandler(registry, customScale(scale)) : undefined;
  });
  subresources.add('pods', 'binding', { POST: (call, served) => bindPod(registry, served, call) });
  subresources.add('pods', 'eviction', { POST: (call, served) => evictPod(registry, served, call) });
}

/** POST to bindings, the old way to bind a pod. */
export function bindingsResource(registry: Registry): VirtualResource {
  return {
    ...bindings,
    methods: ['POST'],
    handle: (call) => bindPod(registry, podsOf(registry), call),
  };
}

function podsOf(registry: Registry): ServedKind {
  const served = registry.kinds.of(pods);
  if (served === undefined) throw noSuchResource();
  return served;
}
