import type { AnySchema, Field, ListSchema, ObjectSchema, Scalar, ScalarSchema, Schema } from '../schema/schema.ts';
import { isTypeMember, type JsonSchema, preservesUnknown } from './json-schema.ts';

/** The shape of a custom resource, for patches, server-side apply and pruning; `objectMeta` is that of metadata. */
export function schemaOfCustomResource(schema: JsonSchema, objectMeta: ObjectSchema): ObjectSchema {
  return convertObject(schema, objectMeta, true);
}

const anything: AnySchema = { type: 'any', atomic: false };
const text: ScalarSchema = { type: 'scalar', scalar: 'string' };

function convert(schema: JsonSchema, objectMeta: ObjectSchema): Schema {
  if (schema['x-kubernetes-int-or-string']) return { type: 'scalar', scalar: 'int-or-string' };
  switch (schema.type) {
    case 'object':
      return convertObject(schema, objectMeta, schema['x-kubernetes-embedded-resource'] === true);
    case 'array':
      return convertList(schema, objectMeta);
    case 'string':
    case 'boolean':
    case 'integer':
    case 'number':
      return { type: 'scalar', scalar: scalarOf(schema) };
    default:
      return anything;
  }
}

function scalarOf({ type, format }: JsonSchema): Scalar {
  if (type === 'integer') return format === 'int32' ? 'int32' : 'int64';
  if (type === 'number') return 'double';
  return type === 'boolean' ? 'boolean' : 'string';
}

function convertObject(schema: JsonSchema, objectMeta: ObjectSchema, isResource: boolean): ObjectSchema {
  const fields = new Map<string, Field>();
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (isResource && isTypeMember(name)) continue;
    fields.set(name, fieldOf(property, convert(property, objectMeta), schema.required?.includes(name) ?? false));
  }
  if (isResource) {
    fields.set('apiVersion', fieldOf({}, text, false));
    fields.set('kind', fieldOf({}, text, false));
    fields.set('metadata', fieldOf({}, objectMeta, false));
  }
  const additional = additionalOf(schema, objectMeta);
  return {
    type: 'object',
    fields,
    atomic: schema['x-kubernetes-map-type'] === 'atomic',
    ...(additional !== undefined && { additional }),
  };
}

function additionalOf(schema: JsonSchema, objectMeta: ObjectSchema): Schema | undefined {
  const { additionalProperties } = schema;
  if (typeof additionalProperties === 'object') return convert(additionalProperties, objectMeta);
  return additionalProperties === true || preservesUnknown(schema) ? anything : undefined;
}

function fieldOf(property: JsonSchema, schema: Schema, required: boolean): Field {
  return {
    schema,
    required,
    patchStrategy: [],
    ...(property.default !== undefined && { default: property.default }),
    ...(property.nullable === true && { nullable: true }),
  };
}

function convertList(schema: JsonSchema, objectMeta: ObjectSchema): ListSchema {
  const items = schema.items === undefined ? anything : convert(schema.items, objectMeta);
  switch (schema['x-kubernetes-list-type']) {
    case 'set':
      return { type: 'list', items, listType: 'set', mapKeys: [] };
    case 'map':
      return { type: 'list', items, listType: 'map', mapKeys: schema['x-kubernetes-list-map-keys'] ?? [] };
    default:
      return { type: 'list', items, listType: 'atomic', mapKeys: [] };
  }
}
