import type { JsonObject } from '../../core/json.ts';
import type { ObjectSchema } from '../schema/schema.ts';
import { emptySet, type FieldSet, setOf, union } from './field-set.ts';

/** What a write needs to know to keep managedFields. */
export interface FieldManagement {
  /** The shape of the object in `apiVersion`. */
  readonly schema: ObjectSchema;
  /** The field manager, from the request (manager-name.ts). */
  readonly manager: string;
  /** Version of the objects at hand and of the request, e.g. `apps/v1`. */
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty or absent for the object itself. */
  readonly subresource?: string;
  /** RFC 3339 with seconds, UTC. */
  readonly now: string;
  /** Paths (`f:status`) that this endpoint resets, so that nobody gets to own them through it. */
  readonly resetFields?: readonly (readonly string[])[];
  /**
   * The object in another version of its group, for managers that used that version; null when the version isn't served
   * any more, and such managers are forgotten. Absent: the kind has one version.
   */
  readonly inVersion?: (object: JsonObject, apiVersion: string) => VersionedObject | null;
}

export interface VersionedObject {
  readonly object: JsonObject;
  readonly schema: ObjectSchema;
}

/** The object in a manager's version; null when there is no such version. */
export function versioned(object: JsonObject, apiVersion: string, context: FieldManagement): VersionedObject | null {
  if (apiVersion === context.apiVersion) return { object, schema: context.schema };
  return context.inVersion?.(object, apiVersion) ?? null;
}

const setsOfPaths = new WeakMap<readonly (readonly string[])[], FieldSet>();

/** `resetFields` as a set. */
export function ignoredPaths(context: FieldManagement): FieldSet {
  const paths = context.resetFields;
  if (paths === undefined || paths.length === 0) return emptySet;
  let set = setsOfPaths.get(paths);
  if (set === undefined) {
    set = paths.reduce<FieldSet>((all, path) => union(all, setOf(...path)), emptySet);
    setsOfPaths.set(paths, set);
  }
  return set;
}

// What identifies an object or belongs to the server is owned by nobody.
const unowned: FieldSet = [
  ['f:apiVersion'],
  ['f:kind'],
  ['f:metadata'],
  ...[
    'name',
    'namespace',
    'creationTimestamp',
    'selfLink',
    'uid',
    'clusterName',
    'generation',
    'managedFields',
    'resourceVersion',
  ].map((name) => ['f:metadata', `f:${name}`]),
].reduce<FieldSet>((all, path) => union(all, setOf(...path)), emptySet);

export { unowned };
