import { RE2JS } from 're2js';
import type { Json } from '../../../core/json.ts';
import type { JsonSchema } from '../../crd/json-schema.ts';
import { type FieldError, forbidden, invalid, renderFieldError, required } from '../../field-error.ts';
import { jsonEqual } from '../../patch/json-object.ts';

/** Where a schema stands: at the root of a resource, as the items of a list, or as a member of an object. */
type Level = 'root' | 'item' | 'field';

/**
 * What keeps a schema from being structural (KEP-1979): each value has a type, told outside of anyOf, oneOf, allOf and
 * not; what those speak about is also specified outside of them. In the order of the messages, as upstream has it.
 */
export function structuralErrors(schema: JsonSchema, path: string): readonly FieldError[] {
  const errors = [...invariants(schema, 'root', path), ...completeness(schema, path)];
  return errors
    .map((error) => ({ error, text: renderFieldError(error) }))
    .sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
    .map(({ error }) => error);
}

type Errors = Generator<FieldError, void>;

function* invariants(schema: JsonSchema, level: Level, path: string): Errors {
  const { items, properties = {}, additionalProperties, type = '' } = schema;
  if (items !== undefined) yield* invariants(items, 'item', `${path}.items`);
  for (const [name, property] of Object.entries(properties)) {
    yield* invariants(property, 'field', `${path}.properties[${name}]`);
  }
  if (typeof additionalProperties === 'object') {
    yield* invariants(additionalProperties, 'field', `${path}.additionalProperties`);
  }
  yield* extensionErrors(schema, path);
  yield* valueErrors(schema, isIntOrStringAnyOf(schema), isIntOrStringAllOf(schema), path);
  const isEmbedded = schema['x-kubernetes-embedded-resource'] === true;
  if (isEmbedded && type !== 'object') {
    const why = 'must be object if x-kubernetes-embedded-resource is true';
    yield type === '' ? required(`${path}.type`, why) : invalid(`${path}.type`, type, why);
  } else if (type === '' && !isIntOrString(schema) && schema['x-kubernetes-preserve-unknown-fields'] !== true) {
    yield required(`${path}.type`, emptyType[level]);
  }
  if (isEmbedded && additionalProperties !== undefined) {
    yield forbidden(`${path}.additionalProperties`, 'must not be used if x-kubernetes-embedded-resource is set');
  }
  if (level === 'root') {
    if (type !== '' && type !== 'object') yield invalid(`${path}.type`, type, 'must be object at the root');
    if (additionalProperties !== undefined) {
      yield forbidden(`${path}.additionalProperties`, 'must not be used at the root');
    }
  }
  const isResource = level === 'root' || isEmbedded;
  if (isResource) yield* typeMemberErrors(properties, path);
  const { metadata } = properties;
  if (metadata !== undefined) yield* metadataErrors(metadata, isResource, level, `${path}.properties[metadata]`);
  if (isEmbedded && schema['x-kubernetes-preserve-unknown-fields'] !== true && Object.keys(properties).length === 0) {
    const why =
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields';
    yield required(`${path}.properties`, why);
  }
}

const emptyType: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};

function* typeMemberErrors(properties: Readonly<Record<string, JsonSchema>>, path: string): Errors {
  for (const name of ['kind', 'apiVersion']) {
    const property = properties[name];
    if (property === undefined || property.type === 'string') continue;
    yield invalid(`${path}.properties[${name}].type`, property.type ?? '', 'must be string');
  }
}

function* metadataErrors(schema: JsonSchema, isResource: boolean, level: Level, path: string): Errors {
  if (isResource && schema.type !== 'object') yield invalid(`${path}.type`, schema.type ?? '', 'must be object');
  if (level !== 'root') return;
  const { type: _type, default: _default, properties = {}, ...rest } = schema;
  const others = Object.keys(properties).filter((name) => name !== 'name' && name !== 'generateName');
  const isPlain = Object.values(rest).every((value) => value === undefined || value === false);
  if (others.length === 0 && isPlain) return;
  yield forbidden(
    path,
    'must not specify anything other than name and generateName, but metadata is implicitly specified',
  );
}

function isIntOrString(schema: JsonSchema): boolean {
  return schema['x-kubernetes-int-or-string'] === true;
}

const integerOrString: Json = [{ type: 'integer' }, { type: 'string' }];

// The two ways to say once more what x-kubernetes-int-or-string says: types may stand in them.
function isIntOrStringAnyOf(schema: JsonSchema): boolean {
  return isIntOrString(schema) && jsonEqual((schema.anyOf ?? []) as Json, integerOrString);
}

function isIntOrStringAllOf(schema: JsonSchema): boolean {
  const [first] = schema.allOf ?? [];
  return isIntOrString(schema) && first !== undefined && jsonEqual(first as Json, { anyOf: integerOrString });
}

function* extensionErrors(schema: JsonSchema, path: string): Errors {
  if (!isIntOrString(schema)) return;
  for (const name of ['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource'] as const) {
    if (schema[name] !== true) continue;
    yield invalid(`${path}.${name}`, true, 'must be false if x-kubernetes-int-or-string is true');
  }
}

/** The alternatives of a schema, with their paths. */
function alternatives(schema: JsonSchema, path: string): readonly (readonly [JsonSchema, string])[] {
  return [
    ...(schema.allOf ?? []).map((one, i) => [one, `${path}.allOf[${i}]`] as const),
    ...(schema.anyOf ?? []).map((one, i) => [one, `${path}.anyOf[${i}]`] as const),
    ...(schema.oneOf ?? []).map((one, i) => [one, `${path}.oneOf[${i}]`] as const),
    ...(schema.not === undefined ? [] : [[schema.not, `${path}.not`] as const]),
  ];
}

function* valueErrors(schema: JsonSchema, skipAnyOf: boolean, skipFirstAllOf: boolean, path: string): Errors {
  for (const [inner, place] of alternatives(schema, path)) {
    if (skipAnyOf && place.startsWith(`${path}.anyOf[`)) continue;
    yield* nestedErrors(inner, skipFirstAllOf && place === `${path}.allOf[0]`, place);
  }
  if (schema.pattern === undefined || schema.pattern === '') return;
  try {
    RE2JS.compile(schema.pattern);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    yield invalid(`${path}.pattern`, schema.pattern, `must be a valid regular expression, but isn't: ${why}`);
  }
}

const mustBeEmpty = ['type', 'title', 'description', 'x-kubernetes-list-map-keys', 'x-kubernetes-validations'];
const mustBeUndefined = ['additionalProperties', 'default', 'x-kubernetes-list-type', 'x-kubernetes-map-type'];
const mustBeFalse = [
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
];

// Inside anyOf and the like, values are checked, but nothing is said of what they are.
function* nestedErrors(schema: JsonSchema, skipAnyOf: boolean, path: string): Errors {
  yield* valueErrors(schema, skipAnyOf, false, path);
  if (schema.items !== undefined) yield* nestedErrors(schema.items, false, `${path}.items`);
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    yield* nestedErrors(property, false, `${path}.properties[${name}]`);
  }
  const members = schema as Readonly<Record<string, unknown>>;
  const isSet = (name: string) => {
    const value = members[name];
    return value !== undefined && value !== '' && value !== false && !(Array.isArray(value) && value.length === 0);
  };
  for (const name of mustBeEmpty) if (isSet(name)) yield forbidden(`${path}.${name}`, 'must be empty to be structural');
  for (const name of mustBeUndefined) {
    if (members[name] !== undefined) yield forbidden(`${path}.${name}`, 'must be undefined to be structural');
  }
  for (const name of mustBeFalse) if (isSet(name)) yield forbidden(`${path}.${name}`, 'must be false to be structural');
  if (schema.properties?.['metadata'] !== undefined) {
    yield forbidden(`${path}.properties[metadata]`, 'must not be specified in a nested context');
  }
}

function* completeness(schema: JsonSchema, path: string): Errors {
  for (const [inner, place] of alternatives(schema, path)) yield* specifiedOutside(inner, schema, path, place);
  if (schema.items !== undefined) yield* completeness(schema.items, `${path}.items`);
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    yield* completeness(property, `${path}.properties[${name}]`);
  }
  if (typeof schema.additionalProperties === 'object') {
    yield* completeness(schema.additionalProperties, `${path}.additionalProperties`);
  }
}

function* specifiedOutside(inner: JsonSchema, outer: JsonSchema, path: string, place: string): Errors {
  for (const [deeper, where] of alternatives(inner, place)) yield* specifiedOutside(deeper, outer, path, where);
  if (inner.items !== undefined) {
    if (outer.items === undefined) yield required(`${path}.items`, `because it is defined in ${place}.items`);
    else yield* specifiedOutside(inner.items, outer.items, `${path}.items`, `${place}.items`);
  }
  for (const [name, property] of Object.entries(inner.properties ?? {})) {
    const where = `${place}.properties[${name}]`;
    const same = outer.properties?.[name];
    if (same !== undefined) yield* specifiedOutside(property, same, `${path}.properties[${name}]`, where);
    else if (typeof outer.additionalProperties === 'object') {
      yield* specifiedOutside(property, outer.additionalProperties, `${path}.additionalProperties`, where);
    } else yield required(`${path}.properties[${name}]`, `because it is defined in ${where}`);
  }
}
