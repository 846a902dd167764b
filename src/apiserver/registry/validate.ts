import type { FieldError } from '../../kube/field-error.ts';
import { nameIsPathSegment } from '../../kube/names.ts';
import type { KubeObject } from '../../kube/object.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../../kube/validation/meta.ts';
import { badRequest, invalid } from '../errors.ts';
import type { ServedKind } from '../kind-registry.ts';

/** Throws Invalid when the kind or the metadata of a new object is wrong. The error names the kind as it is stored. */
export function checkNew(served: ServedKind, object: KubeObject): void {
  const { strategy, resource } = served.kind;
  const { validateName } = strategy;
  const errors: readonly FieldError[] = [
    ...validateObjectMeta(object.metadata, {
      namespaced: resource.namespaced,
      ...(validateName === undefined ? {} : { validateName: (name, prefix) => validateName(name, prefix) }),
      anyFinalizers: served.isCustom,
    }),
    ...strategy.validateCreate(object),
  ];
  if (errors.length > 0) throw invalid(served.kind.storage?.resource ?? resource, object.metadata.name ?? '', errors);
}

/** Throws Invalid when a change is not allowed; `validateKind` is the strategy's or its subresource's. */
export function checkChanged(
  served: ServedKind,
  object: KubeObject,
  old: KubeObject,
  validateKind: (object: KubeObject, old: KubeObject) => readonly FieldError[],
): void {
  const { namespaced } = served.resource;
  const errors = [
    ...validateObjectMeta(object.metadata, { namespaced, validateName: nameIsPathSegment, anyFinalizers: true }),
    ...validateObjectMetaUpdate(object.metadata, old.metadata),
    ...validateKind(object, old),
  ];
  if (errors.length > 0)
    throw invalid(served.kind.storage?.resource ?? served.resource, object.metadata.name ?? '', errors);
}

/** An object's namespace is the request's: it may be left out, but not differ. Cluster-scoped objects lose theirs. */
export function settleNamespace(served: ServedKind, metadata: { namespace?: string }, namespace: string): void {
  if (!served.resource.namespaced) {
    delete metadata.namespace;
    return;
  }
  if (metadata.namespace !== undefined && metadata.namespace !== '' && metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  metadata.namespace = namespace;
}

/** A body's name must be the URL's. */
export function checkName(bodyName: string | undefined, name: string): void {
  if (bodyName === undefined || bodyName === '') {
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  }
  if (bodyName !== name) {
    throw badRequest(`the name of the object (${bodyName}) does not match the name on the URL (${name})`);
  }
}
