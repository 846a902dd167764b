import type { Json } from '../../core/json.ts';
import type { AnySchema, Field, MapSchema, ObjectSchema, Schema } from '../schema/schema.ts';

/** What the walks of this room ask of a struct, map or schemaless object. */
export interface Struct {
  readonly fields: ReadonlyMap<string, Field>;
  /** Schema of the members that `fields` doesn't name; undefined: there are none. */
  readonly others: Schema | undefined;
  /** Members that Go writes even when they are absent, with the value that it writes. */
  readonly zeros: ReadonlyMap<string, Json> | undefined;
}

const structs = new WeakMap<Schema, Struct>();
const noFields: ReadonlyMap<string, Field> = new Map();
const deduced: AnySchema = { type: 'any', atomic: false };

/** `schema` seen as a struct; the same for the same schema. */
export function shapeOf(schema: ObjectSchema | MapSchema | AnySchema): Struct {
  const known = structs.get(schema);
  if (known !== undefined) return known;
  const struct = build(schema);
  structs.set(schema, struct);
  return struct;
}

function build(schema: ObjectSchema | MapSchema | AnySchema): Struct {
  if (schema.type === 'map') return { fields: noFields, others: schema.values, zeros: undefined };
  if (schema.type === 'any') {
    return schema.objects === undefined
      ? { fields: noFields, others: deduced, zeros: undefined }
      : build(schema.objects);
  }
  const zeros = new Map<string, Json>();
  for (const [name, field] of schema.fields) if (field.zero !== undefined) zeros.set(name, field.zero);
  return { fields: schema.fields, others: schema.additional, zeros: zeros.size === 0 ? undefined : zeros };
}

/** The schema of a member; one that the schema doesn't know is taken for what its value looks like. */
export function fieldSchema(struct: Struct, name: string): Schema {
  return struct.fields.get(name)?.schema ?? struct.others ?? deduced;
}

export function zeroOf(struct: Struct, name: string): Json | undefined {
  return struct.zeros?.get(name);
}
