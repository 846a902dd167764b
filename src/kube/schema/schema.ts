import type { Json } from '../../core/json.ts';

/**
 * The shape of a type, for built-in kinds (from the facts, builtin.ts) and for custom resources (from a structural
 * schema) alike. Decoding, pruning, defaults, patches and server-side apply all walk it. Recursive types make cycles:
 * never walk a schema without a value.
 */
export type Schema = ScalarSchema | ListSchema | MapSchema | ObjectSchema | AnySchema;

export interface ScalarSchema {
  readonly type: 'scalar';
  readonly scalar: Scalar;
  /** Go's name of a string type of its own, e.g. `v1.RestartPolicy`; it stands in decoding errors. */
  readonly goType?: string;
  /** The values that the API document lists. Validation, not decoding, refuses others. */
  readonly enum?: readonly string[];
}

/** `bytes` is base64 text; `time` RFC 3339 with seconds; `micro-time` with microseconds; `quantity` resource.Quantity. */
export type Scalar =
  | 'string'
  | 'boolean'
  | 'int32'
  | 'int64'
  | 'double'
  | 'bytes'
  | 'time'
  | 'micro-time'
  | 'quantity'
  | 'duration'
  | 'int-or-string';

export interface ListSchema {
  readonly type: 'list';
  readonly items: Schema;
  /** x-kubernetes-list-type: how server-side apply merges it. */
  readonly listType: 'atomic' | 'set' | 'map';
  /** x-kubernetes-list-map-keys; empty unless listType is `map`. */
  readonly mapKeys: readonly string[];
}

export interface MapSchema {
  readonly type: 'map';
  readonly values: Schema;
  readonly atomic: boolean;
  /** Go's name of a map type of its own, e.g. `v1.ResourceList`. */
  readonly goType?: string;
}

export interface ObjectSchema {
  readonly type: 'object';
  /** Full name of a built-in type in the API document, e.g. `io.k8s.api.core.v1.PodSpec`. */
  readonly typeName?: string;
  /** Go's name for it in error messages, e.g. `PodSpec`; absent for custom resources. */
  readonly name?: string;
  /** The same with its package, e.g. `v1.PodSpec`. */
  readonly goType?: string;
  readonly fields: ReadonlyMap<string, Field>;
  readonly atomic: boolean;
  /** Schema of members that `fields` does not name: custom resources with additionalProperties or preserved unknown fields. */
  readonly additional?: Schema;
}

/** Anything goes and is kept as it is: RawExtension, JSON, FieldsV1. */
export interface AnySchema {
  readonly type: 'any';
  readonly atomic: boolean;
  /** Unions of a JSON schema and something else (`items`, `additionalProperties`): what an object in this place is. */
  readonly objects?: ObjectSchema;
}

export interface Field {
  readonly schema: Schema;
  readonly required: boolean;
  /** The value that decoding fills in when the member is absent (`{}` for structs that Go always writes). */
  readonly default?: Json;
  /** Strategic merge patch: `patchStrategy` tag of the Go field. */
  readonly patchStrategy: readonly ('merge' | 'replace' | 'retainKeys')[];
  /** Strategic merge patch: key of the elements of a merged list; absent for lists of scalars. */
  readonly patchMergeKey?: string;
  readonly nullable?: boolean;
  /** What Go writes when the member is absent or empty (`{}`, `0`, `""`, null); undefined: it leaves the member out. */
  readonly zero?: Json;
  /** Go holds the scalar by pointer: an explicit zero is kept. */
  readonly pointer?: boolean;
  /** The struct that Go embeds to have this member; it stands in the path of decoding errors. */
  readonly embedded?: string;
}
