import { type KeyRange, prefixRange } from '../../datastore/backend.ts';

/** Where the objects of a resource are stored: the group and plural of its storage version. */
export interface StorageLocation {
  readonly group: string;
  readonly plural: string;
}

const root = '/registry/';
// The core group has no name, and an empty path segment would be easy to misread.
const coreGroup = 'core';

/** All that the API server stores. */
export const registryRange: KeyRange = prefixRange(root);

/** `/registry/<group>/<plural>/`. */
export function resourcePrefix({ group, plural }: StorageLocation): string {
  return `${root}${group === '' ? coreGroup : group}/${plural}/`;
}

/** `/registry/<group>/<plural>/<namespace>/<name>`, without the namespace for cluster-scoped objects. */
export function storageKey(location: StorageLocation, namespace: string, name: string): string {
  return `${resourcePrefix(location)}${namespace === '' ? '' : `${namespace}/`}${name}`;
}

export interface ParsedKey extends StorageLocation {
  readonly namespace: string;
  readonly name: string;
}

/** The inverse of storageKey; null for a key that is not an object's. */
export function parseStorageKey(key: string): ParsedKey | null {
  if (!key.startsWith(root)) return null;
  const [group, plural, first, second, ...more] = key.slice(root.length).split('/');
  if (group === undefined || plural === undefined || first === undefined || more.length > 0) return null;
  const location = { group: group === coreGroup ? '' : group, plural };
  return second === undefined
    ? { ...location, namespace: '', name: first }
    : { ...location, namespace: first, name: second };
}
