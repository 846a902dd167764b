import type { ObjectKey, Resource } from '../kube/resource.ts';

/** `/api/v1` or `/apis/apps/v1`. */
export function groupVersionPath(resource: { readonly group: string; readonly version: string }): string {
  return resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
}

/** The path of a collection: of one namespace, or of all when `namespace` is absent or empty. */
export function collectionPath(resource: Resource, namespace?: string): string {
  const scope = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${groupVersionPath(resource)}${scope}/${resource.plural}`;
}

/** The path of one object, or of a subresource of it. */
export function objectPath(resource: Resource, key: ObjectKey, subresource?: string): string {
  const path = `${collectionPath(resource, key.namespace)}/${encodeURIComponent(key.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}
