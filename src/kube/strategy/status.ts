import type { Draft } from '../draft.ts';
import { draft } from '../draft.ts';
import type { FieldError } from '../field-error.ts';
import type { SubresourceStrategy } from '../kind.ts';
import type { KubeObject } from '../object.ts';
import type { Resource } from '../resource.ts';
import { schemaOf } from '../schema/builtin.ts';
import { zeroObject } from '../schema/zero.ts';
import { isSemanticallyEqual } from './equal.ts';
import { nextGeneration } from './strategy.ts';

/** An object as strategies that treat all kinds alike see it. */
export interface WithSpecAndStatus extends KubeObject {
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** Puts the status back to what Go writes for one that nothing was set in. */
export function clearStatus<T extends KubeObject>(resource: Resource<T>, object: Draft<T>): void {
  const status = schemaOf(resource.typeName ?? '').fields.get('status');
  if (status?.schema.type !== 'object') return;
  if (status.zero === undefined) Reflect.deleteProperty(object, 'status');
  else Reflect.set(object, 'status', zeroObject(status.schema));
}

/** Takes a member of the stored object back: an update through this path may not change it. */
export function restore<T extends KubeObject>(object: Draft<T>, old: T, member: 'spec' | 'status'): void {
  const value: unknown = Reflect.get(old, member);
  if (value === undefined) Reflect.deleteProperty(object, member);
  else Reflect.set(object, member, draft(value));
}

type RestorableMetadata =
  | 'labels'
  | 'annotations'
  | 'finalizers'
  | 'ownerReferences'
  | 'deletionTimestamp'
  | 'generation'
  | 'selfLink';

const statusMetadata: readonly RestorableMetadata[] = [
  'labels',
  'annotations',
  'finalizers',
  'ownerReferences',
  'deletionTimestamp',
  'generation',
  'selfLink',
];

/** managedFields paths of kinds whose status endpoint can't change metadata either. */
export const statusOnlyResetFields: Readonly<Record<string, readonly (readonly string[])[]>> = {
  '': [['f:status']],
  status: [['f:metadata'], ['f:spec']],
};

/** Takes labels, annotations or other metadata of the stored object back. */
export function restoreMetadata<T extends KubeObject>(
  object: Draft<T>,
  old: T,
  ...members: readonly RestorableMetadata[]
): void {
  for (const member of members) {
    const value = old.metadata[member];
    if (value === undefined) Reflect.deleteProperty(object.metadata, member);
    else Reflect.set(object.metadata, member, draft(value));
  }
}

/** Counts the generation up when `member` (or any of several) differs from what is stored. */
export function bumpGeneration<T extends KubeObject>(object: Draft<T>, old: T, ...members: readonly string[]): void {
  const changed = members.some((member) => !isSemanticallyEqual(Reflect.get(object, member), Reflect.get(old, member)));
  object.metadata.generation = changed ? nextGeneration(old) : (old.metadata.generation ?? 0);
  if (object.metadata.generation === 0) Reflect.deleteProperty(object.metadata, 'generation');
}

/**
 * Preparation for kinds that have a spec with a generation and a status of its own endpoint. `dropDisabled` takes fields
 * away that belong to features which are off.
 */
export function specAndStatus<T extends KubeObject>(
  resource: Resource<T>,
  dropDisabled?: (object: Draft<T>, old: T | null) => void,
) {
  return {
    prepareForCreate(object: Draft<T>): void {
      dropDisabled?.(object, null);
      clearStatus(resource, object);
      object.metadata.generation = 1;
    },
    prepareForUpdate(object: Draft<T>, old: T): void {
      restore(object, old, 'status');
      dropDisabled?.(object, old);
      bumpGeneration(object, old, 'spec');
    },
  };
}

/** Preparation for kinds whose status has its own endpoint and that count no generation. */
export function statusOnly<T extends KubeObject>(resource: Resource<T>) {
  return {
    prepareForCreate(object: Draft<T>): void {
      clearStatus(resource, object);
    },
    prepareForUpdate(object: Draft<T>, old: T): void {
      restore(object, old, 'status');
    },
  };
}

/** The `status` endpoint: the spec (and what `alsoRestores` names) stays as it is stored. */
export function statusSubresource<T extends KubeObject>(
  options: {
    readonly restoresLabels?: boolean;
    /** Nothing of the metadata can change through this endpoint: metav1.ResetObjectMetaForStatus. */
    readonly restoresMetadata?: boolean;
    readonly validateUpdate?: (object: T, old: T) => readonly FieldError[];
    readonly prepare?: (object: Draft<T>, old: T) => void;
  } = {},
): SubresourceStrategy<T> {
  return {
    prepareForUpdate(object, old) {
      restore(object, old, 'spec');
      if (options.restoresLabels) restoreMetadata(object, old, 'labels');
      if (options.restoresMetadata) restoreMetadata(object, old, ...statusMetadata);
      options.prepare?.(object, old);
    },
    validateUpdate: options.validateUpdate ?? (() => []),
  };
}

/** managedFields paths that the main endpoint and the `status` endpoint can't own. */
export function specAndStatusResetFields(
  status: readonly (readonly string[])[] = [['f:spec']],
): Readonly<Record<string, readonly (readonly string[])[]>> {
  return { '': [['f:status']], status };
}
