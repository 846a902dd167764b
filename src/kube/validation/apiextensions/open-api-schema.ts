import type { JsonSchema } from '../../crd/json-schema.ts';
import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import type { JSONSchemaProps, ValidationRule } from '../../types.gen.ts';

type Errors = Generator<FieldError, void>;

/** What a schema may be within the resource that it belongs to. */
interface Place {
  readonly isRoot: boolean;
  readonly isInsideMeta: boolean;
  /** Why no default may be set here; empty where it may. */
  readonly noDefaults: string;
}

const root: Place = { isRoot: true, isInsideMeta: false, noDefaults: '' };
const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

/** What the schema of a custom resource version may not contain, whether or not it is structural. */
export function* openApiSchemaErrors(schema: JSONSchemaProps, path: string): Errors {
  if (schema.nullable === true) yield forbidden(`${path}.nullable`, 'nullable cannot be true at the root');
  yield* schemaErrors(schema, path, root);
}

function* schemaErrors(schema: JSONSchemaProps, path: string, place: Place): Errors {
  yield* unsupportedErrors(schema, path, place);
  if (schema.uniqueItems === true) {
    const why = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic';
    yield forbidden(`${path}.uniqueItems`, why);
  }
  const { isRoot, ...inner } = place;
  const below: Place = { ...inner, isRoot: false };
  yield* memberErrors(schema, path, place, below);
  if (schema.not !== undefined) yield* schemaErrors(schema.not, `${path}.not`, below);
  for (const name of ['allOf', 'oneOf', 'anyOf'] as const) {
    for (const [i, one] of (schema[name] ?? []).entries()) yield* schemaErrors(one, `${path}.${name}[${i}]`, below);
  }
  const { items } = schema as JsonSchema;
  if (isSchema(items)) yield* schemaErrors(items as JSONSchemaProps, `${path}.items`, below);
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) {
    yield invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined');
  }
  yield* mapTypeErrors(schema, path);
  yield* listTypeErrors(schema as JsonSchema, path);
  for (const [i, rule] of (schema['x-kubernetes-validations'] ?? []).entries()) {
    yield* ruleErrors(rule, `${path}.x-kubernetes-validations[${i}]`);
  }
}

function* unsupportedErrors(schema: JSONSchemaProps, path: string, { noDefaults, isInsideMeta }: Place): Errors {
  const { type = '' } = schema;
  if (type !== '' && type !== 'null' && !types.includes(type)) yield notSupported(`${path}.type`, type, types);
  if (schema.default !== undefined && noDefaults !== '')
    yield forbidden(`${path}.default`, `must not be set ${noDefaults}`);
  for (const name of ['id', 'additionalItems', 'patternProperties', 'definitions', 'dependencies', '$ref'] as const) {
    const value = schema[name];
    const isEmpty = value === undefined || value === '' || (isObject(value) && Object.keys(value).length === 0);
    if (!isEmpty) yield forbidden(`${path}.${name}`, `${name} is not supported`);
  }
  if (type === 'null') yield forbidden(`${path}.type`, 'type cannot be set to null, use nullable as an alternative');
  if (Array.isArray(schema.items)) yield forbidden(`${path}.items`, 'items must be a schema object and not an array');
  if (isInsideMeta && schema['x-kubernetes-embedded-resource'] === true) {
    yield forbidden(`${path}.x-kubernetes-embedded-resource`, 'must not be used inside of resource meta');
  }
}

/** True for an error about something that a structural schema has no place for. */
export function isUnsupported({ message }: FieldError): boolean {
  return message.endsWith(' is not supported') || message.endsWith('and not an array');
}

const metaFields = ['metadata', 'kind', 'apiVersion'];

function* memberErrors(schema: JSONSchemaProps, path: string, place: Place, below: Place): Errors {
  const { additionalProperties, properties = {} } = schema as JsonSchema;
  if (additionalProperties !== undefined) {
    if (Object.keys(properties).length > 0 && additionalProperties !== true) {
      yield forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive');
    }
    if (isSchema(additionalProperties)) {
      const why = 'inside additionalProperties applying to object metadata';
      const inner = place.isInsideMeta ? { ...below, noDefaults: why } : below;
      yield* schemaErrors(additionalProperties as JSONSchemaProps, `${path}.additionalProperties`, inner);
    }
  }
  const isResource = place.isRoot || schema['x-kubernetes-embedded-resource'] === true;
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const isMeta = isResource && metaFields.includes(name);
    const inner = isMeta
      ? { ...below, isInsideMeta: true, ...(place.isRoot ? { noDefaults: `in top-level ${name}` } : {}) }
      : below;
    yield* schemaErrors(property, `${path}.properties[${name}]`, inner);
  }
}

function* mapTypeErrors(schema: JSONSchemaProps, path: string): Errors {
  const mapType = schema['x-kubernetes-map-type'];
  if (mapType === undefined) return;
  yield* typeMustBe('object', 'x-kubernetes-map-type', schema, path);
  const allowed = ['atomic', 'granular'];
  if (!allowed.includes(mapType)) yield notSupported(`${path}.x-kubernetes-map-type`, mapType, allowed);
}

function* typeMustBe(type: string, because: string, schema: JSONSchemaProps, path: string): Errors {
  if (schema.type === type) return;
  const why = `must be ${type} if ${because} is specified`;
  yield schema.type ? invalid(`${path}.type`, schema.type, why) : required(`${path}.type`, why);
}

function* listTypeErrors(schema: JsonSchema, path: string): Errors {
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (listType !== undefined) {
    yield* typeMustBe('array', 'x-kubernetes-list-type', schema as JSONSchemaProps, path);
    const allowed = ['atomic', 'map', 'set'];
    if (!allowed.includes(listType)) yield notSupported(`${path}.x-kubernetes-list-type`, listType, allowed);
  }
  if (keys.length > 0 && listType !== 'map') {
    const why = 'must be map if x-kubernetes-list-map-keys is non-empty';
    const field = `${path}.x-kubernetes-list-type`;
    yield listType === undefined ? required(field, why) : invalid(field, listType, why);
  }
  if (listType === 'map') yield* keyedListErrors(schema, keys, path);
  const { items } = schema;
  if (!isSchema(items) || (listType !== 'set' && listType !== 'map')) return;
  if (listType === 'set') yield* setItemErrors(items, path);
  if (items.nullable === true) {
    yield forbidden(`${path}.items.nullable`, `cannot be nullable when x-kubernetes-list-type is ${listType}`);
  }
  if (listType === 'map') yield* keyErrors(items, keys, `${path}.items`);
}

function* keyedListErrors(schema: JsonSchema, keys: readonly string[], path: string): Errors {
  const { items } = schema;
  const keysField = `${path}.x-kubernetes-list-map-keys`;
  if (keys.length === 0) yield required(keysField, 'must not be empty if x-kubernetes-list-type is map');
  if (items === undefined) {
    yield required(`${path}.items`, 'must have a schema if x-kubernetes-list-type is map');
    return;
  }
  if (!isSchema(items)) {
    yield invalid(`${path}.items`, items, 'must only have a single schema if x-kubernetes-list-type is map');
    return;
  }
  if (items.type !== 'object') {
    const why = "must be object if parent array's x-kubernetes-list-type is map";
    yield invalid(`${path}.items.type`, items.type ?? '', why);
    return;
  }
  const seen = new Set<string>();
  for (const key of keys) {
    const property = items.properties?.[key];
    if (property === undefined) yield invalid(keysField, keys, 'entries must all be names of item properties');
    else if (property.type === 'array' || property.type === 'object') {
      const why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
      yield invalid(`${path}.items.properties[${key}].type`, items.type, why);
    }
    if (seen.has(key)) yield invalid(keysField, keys, 'must not contain duplicate entries');
    seen.add(key);
  }
}

function* setItemErrors(items: JsonSchema, path: string): Errors {
  const why = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  const { type, 'x-kubernetes-list-type': listType, 'x-kubernetes-map-type': mapType } = items;
  if (type === 'array' && listType !== undefined && listType !== 'atomic') {
    yield invalid(`${path}.items.x-kubernetes-list-type`, listType, why);
  }
  if (type === 'object' && mapType !== 'atomic') yield invalid(`${path}.items.x-kubernetes-map-type`, mapType, why);
}

function* keyErrors(items: JsonSchema, keys: readonly string[], path: string): Errors {
  for (const key of keys) {
    const property = items.properties?.[key];
    if (property === undefined) continue;
    const field = `${path}.properties[${key}]`;
    const because = 'this property is in x-kubernetes-list-map-keys, so it';
    if (items.required?.includes(key) !== true && property.default === undefined) {
      yield required(`${field}.default`, `${because} must have a default or be a required property`);
    }
    if (property.nullable === true) yield forbidden(`${field}.nullable`, `${because} cannot be nullable`);
  }
}

const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];

// What can be told of a rule without compiling it.
function* ruleErrors(rule: ValidationRule, path: string): Errors {
  const { message, reason } = rule;
  if (rule.rule.trim() === '') yield required(`${path}.rule`, 'rule is not specified');
  if (message !== undefined && message !== '' && message.trim() === '') {
    yield invalid(`${path}.message`, message, 'message must be non-empty if specified');
  } else if (message?.trim().includes('\n')) {
    yield invalid(`${path}.message`, message, 'must not contain line breaks');
  }
  if (reason !== undefined && !reasons.includes(reason)) yield notSupported(`${path}.reason`, reason, reasons);
}

function isSchema(value: unknown): value is JsonSchema {
  return isObject(value) && !Array.isArray(value);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
