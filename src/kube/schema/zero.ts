import type { Field, ObjectSchema, Schema } from './schema.ts';

/** The members that Go writes even when nothing is there, by type. */
const zeroFields = new WeakMap<ObjectSchema, readonly (readonly [string, Field])[]>();

export function fieldsAlwaysWritten(schema: ObjectSchema): readonly (readonly [string, Field])[] {
  let fields = zeroFields.get(schema);
  if (fields === undefined) {
    fields = [...schema.fields].filter(([, field]) => field.zero !== undefined);
    zeroFields.set(schema, fields);
  }
  return fields;
}

/** What Go writes for a struct that nothing was set in: a new object, the caller's to change. */
export function zeroObject(schema: ObjectSchema): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  addZeros(schema, object);
  return object;
}

/** Adds the members that Go always writes and that `object` lacks. */
export function addZeros(schema: ObjectSchema, object: Record<string, unknown>): void {
  for (const [name, field] of fieldsAlwaysWritten(schema)) {
    if (object[name] === undefined) object[name] = zeroOfField(field);
  }
}

function zeroOfField(field: Field): unknown {
  if (field.schema.type !== 'object') return field.zero;
  return field.zero === null ? null : zeroObject(field.schema);
}

/** What Go writes for an element of a list or map that was given as null. */
export function zeroOfElement(schema: Schema): unknown {
  if (schema.type === 'object') return zeroObject(schema);
  if (schema.type !== 'scalar') return null;
  switch (schema.scalar) {
    case 'boolean':
      return false;
    case 'int32':
    case 'int64':
    case 'double':
    case 'int-or-string':
      return 0;
    case 'quantity':
      return '0';
    case 'time':
    case 'micro-time':
      return null;
    default:
      return '';
  }
}
