import type { JsonSchema } from './crd/json-schema.ts';
import type { Draft } from './draft.ts';
import type { FieldError } from './field-error.ts';
import type { KubeObject } from './object.ts';
import type { Resource } from './resource.ts';
import type { Decoded, DecodeOptions } from './schema/decode.ts';
import type { CustomResourceSubresourceScale } from './types.gen.ts';

/**
 * All that the API server must know of a kind beyond its identity and its schema. One file a kind (or a family of
 * kinds) in kinds/ joins the parts; validation, defaults and tables have rooms of their own, so that each stays
 * readable.
 */
export interface Kind<T extends KubeObject = KubeObject> {
  readonly resource: Resource<T>;
  readonly strategy: Strategy<T>;
  readonly table: Table<T>;
  /** Present when objects are stored in another version (HorizontalPodAutoscaler v1, Event of events.k8s.io). */
  readonly storage?: StorageVersion;
  /** Annotations that stand for fields in this version: answers that show metadata alone leave them out. */
  readonly fieldAnnotations?: readonly string[];
  /** Present for custom resources. */
  readonly custom?: CustomRules;
}

/** What a CustomResourceDefinition adds: such a kind is read by its structural schema and may be on its way out. */
export interface CustomRules {
  /** The schema as the definition has it, for the API document. */
  readonly schema: JsonSchema;
  /** Reads a body that is known to be of this kind and version. Throws StatusError BadRequest. */
  decode(value: Readonly<Record<string, unknown>>, options: Omit<DecodeOptions, 'groupVersionKind'>): Decoded;
  /** The definition is being deleted: nothing new is made. */
  readonly isTerminating: boolean;
  /** Text of the Warning header that each use of the version gets. */
  readonly deprecationWarning?: string;
  /** Where the scale subresource finds its numbers, as JSON paths (`.spec.replicas`). */
  readonly scale?: CustomResourceSubresourceScale;
  /** Name of the version in which objects are stored. */
  readonly storageVersion: string;
}

export interface StorageVersion {
  readonly resource: Resource;
  toStorage(object: KubeObject): KubeObject;
  fromStorage(object: KubeObject): KubeObject;
}

/**
 * What happens to an object on its way into the store, in this order: decode (schema) -> setDefaults -> admission ->
 * prepareFor... -> validate... -> write. Functions named set... and prepare... change the draft in place; the others
 * only look. All are pure but for that.
 */
export interface Strategy<T extends KubeObject = KubeObject> {
  /** PUT on a name that does not exist creates it. */
  readonly allowCreateOnUpdate: boolean;
  /** PUT without resourceVersion replaces whatever stands. */
  readonly allowUnconditionalUpdate: boolean;
  setDefaults(object: Draft<T>): void;
  /** Clears what a client may not set at creation (status) and sets what the server owns (generation). */
  prepareForCreate(object: Draft<T>): void;
  /** Restores what this path may not change (status), bumps the generation when the spec changed. */
  prepareForUpdate(object: Draft<T>, old: T): void;
  /** Everything but metadata, which the registry validates for all kinds alike. */
  validateCreate(object: T): readonly FieldError[];
  validateUpdate(object: T, old: T): readonly FieldError[];
  /** Texts of Warning headers. */
  warnings?(object: T, old: T | null): readonly string[];
  /** Checks of metadata.name beyond DNS subdomain; absent: DNS subdomain (RFC 1123). */
  validateName?(name: string, prefix: boolean): readonly string[];
  /** The values that field selectors may name, beyond metadata.name and metadata.namespace. */
  selectableFields?(object: T): Readonly<Record<string, string>>;
  /** The same for `status` and every other subresource whose body is the object itself. */
  readonly subresources?: Readonly<Record<string, SubresourceStrategy<T>>>;
  /** Field paths (managedFields syntax, `f:status`) that a manager can't own through this endpoint; key '' is the main one. */
  readonly resetFields?: Readonly<Record<string, readonly (readonly string[])[]>>;
  /** Seconds of grace that a deletion gets; undefined: deleted at once. `requested` is DeleteOptions.gracePeriodSeconds. */
  gracePeriod?(object: T, requested: number | undefined): number | undefined;
}

export interface SubresourceStrategy<T extends KubeObject = KubeObject> {
  prepareForUpdate(object: Draft<T>, old: T): void;
  validateUpdate(object: T, old: T): readonly FieldError[];
}

/** metav1.TableColumnDefinition. */
export interface TableColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  readonly format: string;
  readonly description: string;
  /** 0: always shown; 1: with -o wide. */
  readonly priority: number;
}

export type Cell = string | number | boolean | null;

/** How `kubectl get` shows a kind. */
export interface Table<T extends KubeObject = KubeObject> {
  readonly columns: readonly TableColumn[];
  /** A table without rows says `null` and not `[]`: so do the kinds that upstream has no columns of its own for. */
  readonly hasNullRows?: true;
  /** `nowMs` is for ages. */
  row(object: T, nowMs: number): readonly Cell[];
}
