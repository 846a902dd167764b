import { isObject, setMember } from '../../core/json.ts';
import { StatusError } from '../status-error.ts';
import { countKeys, maxStrictErrors, strictErrorsOf } from './duplicates.ts';
import { noteEmptyMember } from './empty-members.ts';
import { decodeScalar, goKind } from './scalars.ts';
import type { Field, ListSchema, MapSchema, ObjectSchema, ScalarSchema, Schema } from './schema.ts';
import { addZeros, zeroOfElement } from './zero.ts';

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

export interface DecodeOptions {
  /** The JSON text that `value` was parsed from: without it duplicate fields go unnoticed. */
  readonly raw?: Uint8Array;
  readonly fieldValidation: FieldValidation;
  /** For messages: what the body says that it is, and (`as`) the kind that was expected, when that differs. */
  readonly groupVersionKind: { readonly version: string; readonly kind: string; readonly as?: string };
}

export interface Decoded {
  /** New; the caller owns it. */
  readonly object: Record<string, unknown>;
  /** Texts of Warning headers. */
  readonly warnings: readonly string[];
}

/**
 * What a Go API server does when it reads JSON into a typed struct and writes it again: unknown fields vanish (with a
 * warning or an error), types are checked, times, quantities and empty members get their canonical form. Throws
 * StatusError BadRequest in Kubernetes' words.
 */
export function decode(schema: ObjectSchema, value: unknown, options: DecodeOptions): Decoded {
  const decoder = new Decoder(schema, options.fieldValidation !== 'Ignore');
  const object = decoder.read(value);
  if (decoder.error !== undefined) throw cannotBeHandled(options.groupVersionKind, decoder.error);
  if (options.fieldValidation === 'Ignore') return { object, warnings: [] };

  const strict = decoder.strictErrors(value, options.raw);
  if (strict.length > 0 && options.fieldValidation === 'Strict') {
    throw cannotBeHandled(options.groupVersionKind, `strict decoding error: ${strict.join(', ')}`);
  }
  return { object, warnings: strict };
}

/** The 400 that a body gets which can't be read as its kind. */
export function cannotBeHandled(gvk: DecodeOptions['groupVersionKind'], why: string): StatusError {
  const message = `${gvk.kind} in version ${JSON.stringify(gvk.version)} cannot be handled as a ${gvk.as ?? gvk.kind}: ${why}`;
  return new StatusError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason: 'BadRequest',
    code: 400,
  });
}

/** A step of the path to a value: a struct's field, a list's index, a map's key. */
type Step = string | number | { readonly key: string };

class Decoder {
  /** The first thing that was wrong, as Go keeps it. */
  error: string | undefined;
  readonly #strict: boolean;
  readonly #unknown: string[] = [];
  readonly #path: Step[] = [];
  /** Names of the structs that are being read, innermost last. */
  readonly #structs: string[] = [];

  readonly #root: ObjectSchema;

  constructor(root: ObjectSchema, strict: boolean) {
    this.#root = root;
    this.#strict = strict;
  }

  read(value: unknown): Record<string, unknown> {
    if (isObject(value)) return this.#object(this.#root, value);
    this.#mismatch(value, this.#root.goType ?? 'struct');
    return {};
  }

  /** Unknown and duplicate fields in the order of the document. */
  strictErrors(value: unknown, raw: Uint8Array | undefined): readonly string[] {
    if (raw !== undefined && countKeys(raw) !== countMembers(value)) return strictErrorsOf(this.#root, raw);
    return this.#unknown;
  }

  #object(schema: ObjectSchema, value: Record<string, unknown>): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    this.#structs.push(schema.name ?? '');
    for (const name in value) {
      const member = value[name];
      const field = schema.fields.get(name);
      if (field === undefined) {
        this.#additional(schema, object, name, member);
        continue;
      }
      if (member === null) continue;
      this.#path.push(name);
      const decoded = this.#field(field, member);
      if (decoded !== undefined) object[name] = decoded;
      else if (isEmpty(member)) noteEmptyMember(object, name, member);
      this.#path.pop();
    }
    this.#structs.pop();
    addZeros(schema, object);
    return object;
  }

  #additional(schema: ObjectSchema, object: Record<string, unknown>, name: string, member: unknown): void {
    if (schema.additional === undefined) {
      if (this.#strict) this.#unknownField(name);
      return;
    }
    this.#path.push({ key: name });
    setMember(object, name, this.#element(schema.additional, member));
    this.#path.pop();
  }

  /** The value to write for a present member; undefined when Go would leave it out (or write its zero). */
  #field(field: Field, member: unknown): unknown {
    const { schema } = field;
    if (schema.type === 'scalar') {
      const scalar = this.#scalar(schema, member);
      if (field.pointer) return scalar;
      return scalar === '' || scalar === 0 || scalar === false ? unlessCustom(schema, scalar) : scalar;
    }
    const decoded = this.#composite(schema, member);
    if (schema.type === 'list') return Array.isArray(decoded) && decoded.length > 0 ? decoded : undefined;
    if (schema.type === 'map') return isObject(decoded) && hasMembers(decoded) ? decoded : undefined;
    return decoded;
  }

  #element(schema: Schema, value: unknown): unknown {
    if (value === null) return zeroOfElement(schema);
    return schema.type === 'scalar' ? this.#scalar(schema, value) : this.#composite(schema, value);
  }

  #composite(schema: Exclude<Schema, ScalarSchema>, value: unknown): unknown {
    switch (schema.type) {
      case 'object':
        if (isObject(value)) return this.#object(schema, value);
        this.#mismatch(value, goTypeOf(schema));
        return undefined;
      case 'list':
        return this.#list(schema, value);
      case 'map':
        return this.#map(schema, value);
      case 'any':
        return schema.objects === undefined ? copyJson(value) : this.#union(schema.objects, value);
    }
  }

  #list(schema: ListSchema, value: unknown): unknown {
    if (!Array.isArray(value)) {
      this.#mismatch(value, goTypeOf(schema));
      return undefined;
    }
    const items = new Array<unknown>(value.length);
    for (let index = 0; index < value.length; index++) {
      this.#path.push(index);
      items[index] = this.#element(schema.items, value[index]);
      this.#path.pop();
    }
    return items;
  }

  #map(schema: MapSchema, value: unknown): unknown {
    if (!isObject(value)) {
      this.#mismatch(value, goTypeOf(schema));
      return undefined;
    }
    const roundsToMilli = schema.goType?.endsWith('.ResourceList') === true;
    const map: Record<string, unknown> = {};
    for (const key in value) {
      const member = value[key];
      if (schema.values.type === 'scalar') {
        if (typeof member === 'string' && schema.values.scalar === 'string') setMember(map, key, member);
        else if (member === null) setMember(map, key, zeroOfElement(schema.values));
        else setMember(map, key, this.#scalar(schema.values, member, roundsToMilli));
        continue;
      }
      this.#path.push({ key });
      setMember(map, key, this.#element(schema.values, member));
      this.#path.pop();
    }
    return map;
  }

  // Go reads these unions in a decoder of their own, which doesn't report unknown fields.
  #union(objects: ObjectSchema, value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#union(objects, item));
    if (!isObject(value)) return value;
    const inner = new Decoder(objects, false);
    const decoded = inner.read(value);
    this.error ??= inner.error;
    return decoded;
  }

  #scalar(schema: ScalarSchema, value: unknown, roundsToMilli = false): unknown {
    const result = decodeScalar(schema.scalar, value, roundsToMilli);
    if (result.error === undefined) return result.value;
    if (result.error !== 'type') this.error ??= result.error;
    else this.#mismatch(value, schema.goType ?? result.goType, result.shown);
    return undefined;
  }

  #mismatch(value: unknown, goType: string, shown = goKind(value)): void {
    if (this.error !== undefined) return;
    const struct = this.#structs.at(-1);
    const where = struct === undefined ? 'value' : `struct field ${struct}.${this.#goPath()}`;
    this.error = `json: cannot unmarshal ${shown} into Go ${where} of type ${goType}`;
  }

  /** The path as Go says it: fields only, the structs that it embeds among them. */
  #goPath(): string {
    const names: string[] = [];
    let schema: Schema = this.#root;
    for (const step of this.#path) {
      if (typeof step !== 'string') {
        schema = elementOf(schema);
        continue;
      }
      const field: Field | undefined = schema.type === 'object' ? schema.fields.get(step) : undefined;
      if (field === undefined) break;
      if (field.embedded !== undefined) names.push(field.embedded);
      names.push(step);
      schema = field.schema;
    }
    return names.join('.');
  }

  #unknownField(name: string): void {
    if (this.#unknown.length >= maxStrictErrors) return;
    this.#path.push(name);
    this.#unknown.push(`unknown field "${this.#path.map(renderStep).join('').slice(1)}"`);
    this.#path.pop();
  }
}

function elementOf(schema: Schema): Schema {
  if (schema.type === 'list') return schema.items;
  if (schema.type === 'map') return schema.values;
  return (schema.type === 'object' ? schema.additional : undefined) ?? { type: 'any', atomic: false };
}

function renderStep(step: Step): string {
  if (typeof step === 'number') return `[${step}]`;
  return `.${typeof step === 'string' ? step : step.key}`;
}

// Int-or-string and quantities are structs to Go, which `omitempty` does not see: `0` and `""` stay.
function unlessCustom(schema: ScalarSchema, scalar: unknown): unknown {
  return schema.scalar === 'int-or-string' || schema.scalar === 'quantity' ? scalar : undefined;
}

/** A list or map without anything in it. */
function isEmpty(value: unknown): value is readonly [] | Record<string, never> {
  return Array.isArray(value) ? value.length === 0 : isObject(value) && !hasMembers(value);
}

function hasMembers(object: Record<string, unknown>): boolean {
  for (const _ in object) return true;
  return false;
}

function copyJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyJson);
  if (!isObject(value)) return value;
  const copy: Record<string, unknown> = {};
  for (const key in value) setMember(copy, key, copyJson(value[key]));
  return copy;
}

function countMembers(value: unknown): number {
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object') count += countMembers(item);
  } else if (isObject(value)) {
    for (const key in value) {
      count++;
      const member = value[key];
      if (typeof member === 'object') count += countMembers(member);
    }
  }
  return count;
}

const goScalars: Readonly<Record<ScalarSchema['scalar'], string>> = {
  string: 'string',
  boolean: 'bool',
  int32: 'int32',
  int64: 'int64',
  double: 'float64',
  bytes: '[]uint8',
  time: 'v1.Time',
  'micro-time': 'v1.MicroTime',
  quantity: 'resource.Quantity',
  duration: 'v1.Duration',
  'int-or-string': 'intstr.IntOrString',
};

/** Go's name of a type, as its decoding errors have it. */
export function goTypeOf(schema: Schema): string {
  switch (schema.type) {
    case 'scalar':
      return schema.goType ?? goScalars[schema.scalar];
    case 'list':
      return `[]${goTypeOf(schema.items)}`;
    case 'map':
      return schema.goType ?? `map[string]${goTypeOf(schema.values)}`;
    case 'object':
      return schema.goType ?? 'map[string]interface {}';
    case 'any':
      return 'interface {}';
  }
}
