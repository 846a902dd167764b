import { builtinResources } from '../../kube/resources.gen.ts';
import { findSchema } from '../../kube/schema/builtin.ts';
import type { Field, ObjectSchema, Scalar, Schema } from '../../kube/schema/schema.ts';
import { type GroupVersionKind, reference, type SchemaObject } from './document.ts';

export const metaTypes = 'io.k8s.apimachinery.pkg.apis.meta.v1.';
const extensionTypes = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.';
const quantity = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
const intOrString = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';
const rawExtension = 'io.k8s.apimachinery.pkg.runtime.RawExtension';

/** Types that are no structs in Go: they have a form of their own in JSON. */
const ownForms: Readonly<Record<string, SchemaObject>> = {
  [quantity]: { oneOf: [{ type: 'string' }, { type: 'number' }] },
  [intOrString]: { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
  [rawExtension]: { type: 'object' },
  [`${metaTypes}Time`]: { type: 'string', format: 'date-time' },
  [`${metaTypes}MicroTime`]: { type: 'string', format: 'date-time' },
  [`${metaTypes}FieldsV1`]: { type: 'object' },
  [`${metaTypes}Patch`]: { type: 'object' },
  [`${extensionTypes}JSON`]: {},
  [`${extensionTypes}JSONSchemaPropsOrArray`]: {},
  [`${extensionTypes}JSONSchemaPropsOrBool`]: {},
  [`${extensionTypes}JSONSchemaPropsOrStringArray`]: {},
};

// What stands where anything may, by field; everything else of the kind is a RawExtension.
const anythingAt: Readonly<Record<string, string>> = {
  [`${metaTypes}ManagedFieldsEntry.fieldsV1`]: `${metaTypes}FieldsV1`,
  [`${extensionTypes}JSONSchemaProps.default`]: `${extensionTypes}JSON`,
  [`${extensionTypes}JSONSchemaProps.enum`]: `${extensionTypes}JSON`,
  [`${extensionTypes}JSONSchemaProps.example`]: `${extensionTypes}JSON`,
  [`${extensionTypes}JSONSchemaProps.items`]: `${extensionTypes}JSONSchemaPropsOrArray`,
  [`${extensionTypes}JSONSchemaProps.additionalItems`]: `${extensionTypes}JSONSchemaPropsOrBool`,
  [`${extensionTypes}JSONSchemaProps.additionalProperties`]: `${extensionTypes}JSONSchemaPropsOrBool`,
  [`${extensionTypes}JSONSchemaProps.dependencies`]: `${extensionTypes}JSONSchemaPropsOrStringArray`,
};

const scalars: Readonly<Record<Scalar, SchemaObject>> = {
  string: { type: 'string' },
  boolean: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
  duration: { type: 'string' },
  time: reference(`${metaTypes}Time`),
  'micro-time': reference(`${metaTypes}MicroTime`),
  quantity: reference(quantity),
  'int-or-string': reference(intOrString),
};

/** The schema of a built-in type; undefined for a name that nobody knows. */
export function builtinType(name: string): SchemaObject | undefined {
  const own = ownForms[name];
  if (own !== undefined) return own;
  const schema = findSchema(name);
  return schema === undefined ? undefined : structType(name, schema);
}

function structType(name: string, schema: ObjectSchema): SchemaObject {
  const required: string[] = [];
  const properties: Record<string, SchemaObject> = {};
  for (const [fieldName, field] of schema.fields) {
    if (field.required) required.push(fieldName);
    properties[fieldName] = property(field, `${name}.${fieldName}`);
  }
  const kinds = kindsOf(name);
  return {
    type: 'object',
    ...(required.length > 0 ? { required } : {}),
    ...(Object.keys(properties).length > 0 ? { properties } : {}),
    ...(kinds.length > 0 ? { 'x-kubernetes-group-version-kind': kinds } : {}),
    ...(schema.atomic ? { 'x-kubernetes-map-type': 'atomic' } : {}),
  };
}

function property(field: Field, place: string): SchemaObject {
  const { schema, patchStrategy, patchMergeKey } = field;
  const type = typeOf(schema, place);
  const isAtomicMap = schema.type === 'map' && schema.atomic;
  const isGranular = schema.type === 'object' && !schema.atomic && isAtomicType(schema);
  const extensions: SchemaObject = {
    ...(schema.type === 'list' && schema.listType === 'map' ? { 'x-kubernetes-list-map-keys': schema.mapKeys } : {}),
    ...(schema.type === 'list' && schema.listType !== 'atomic' ? { 'x-kubernetes-list-type': schema.listType } : {}),
    ...(isAtomicMap ? { 'x-kubernetes-map-type': 'atomic' } : {}),
    ...(isGranular ? { 'x-kubernetes-map-type': 'granular' } : {}),
    ...(patchMergeKey === undefined ? {} : { 'x-kubernetes-patch-merge-key': patchMergeKey }),
    ...(patchStrategy.length === 0 ? {} : { 'x-kubernetes-patch-strategy': patchStrategy.join(',') }),
  };
  // A reference has no siblings in OpenAPI 3.0.
  const base = type.$ref === undefined ? type : { allOf: [type] };
  return { ...base, ...(field.default === undefined ? {} : { default: field.default }), ...extensions };
}

function isAtomicType({ typeName }: ObjectSchema): boolean {
  return typeName !== undefined && findSchema(typeName)?.atomic === true;
}

function typeOf(schema: Schema, place: string): SchemaObject {
  switch (schema.type) {
    case 'scalar': {
      const scalar = scalars[schema.scalar];
      return schema.enum === undefined ? scalar : { ...scalar, enum: schema.enum };
    }
    case 'list':
      return { type: 'array', items: typeOf(schema.items, place) };
    case 'map':
      return { type: 'object', additionalProperties: typeOf(schema.values, place) };
    case 'object':
      return schema.typeName === undefined ? { type: 'object' } : reference(schema.typeName);
    case 'any':
      return reference(anythingAt[place] ?? rawExtension);
  }
}

let kindsByType: ReadonlyMap<string, readonly GroupVersionKind[]> | undefined;

function kindsOf(typeName: string): readonly GroupVersionKind[] {
  kindsByType ??= collectKinds();
  return kindsByType.get(typeName) ?? [];
}

const otherKinds: readonly (readonly [string, GroupVersionKind])[] = [
  [
    'io.k8s.api.authentication.v1.TokenRequest',
    { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
  ],
  ['io.k8s.api.autoscaling.v1.Scale', { group: 'autoscaling', version: 'v1', kind: 'Scale' }],
  ['io.k8s.api.policy.v1.Eviction', { group: 'policy', version: 'v1', kind: 'Eviction' }],
  ...['APIGroup', 'APIGroupList', 'APIResourceList', 'APIVersions', 'Status'].map(
    (kind) => [metaTypes + kind, { group: '', version: 'v1', kind }] as const,
  ),
];

function collectKinds(): ReadonlyMap<string, readonly GroupVersionKind[]> {
  const kinds = new Map<string, readonly GroupVersionKind[]>();
  for (const { typeName, group, version, kind, listKind, verbs } of builtinResources) {
    if (typeName === null) continue;
    kinds.set(typeName, [{ group, version, kind }]);
    if (verbs.includes('list')) kinds.set(listTypeOf(typeName, listKind), [{ group, version, kind: listKind }]);
  }
  for (const [name, kind] of otherKinds) kinds.set(name, [kind]);
  return kinds;
}

/** The type of the lists of a built-in kind. */
export function listTypeOf(typeName: string, listKind: string): string {
  return typeName.slice(0, typeName.lastIndexOf('.') + 1) + listKind;
}
