import type { JsonSchema } from '../../kube/crd/json-schema.ts';
import type { Kind } from '../../kube/kind.ts';
import { metaTypes } from './builtin-types.ts';
import { type Document, type PathItem, reference, type SchemaObject } from './document.ts';
import { bodyTypeOf, schemasFor } from './documents.ts';
import { pathsOf } from './paths.ts';

const conventions = 'https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md';
const apiVersionText = `APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: ${conventions}#resources`;
const kindText = `Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: ${conventions}#types-kinds`;
const typeMembers = {
  apiVersion: { description: apiVersionText, type: 'string' },
  kind: { description: kindText, type: 'string' },
};

/** The document of a group version of custom resources. */
export function customDocument(kinds: readonly Kind[]): Document {
  const schemas: Record<string, SchemaObject> = {};
  const paths: Record<string, PathItem> = {};
  for (const kind of kinds) {
    const { resource } = kind;
    const object = customTypeName(resource.group, resource.version, resource.kind);
    const list = customTypeName(resource.group, resource.version, resource.listKind);
    schemas[object] = objectSchema(kind);
    schemas[list] = listSchema(kind, object);
    Object.assign(paths, pathsOf(resource, { object, list, subresource: bodyTypeOf }));
  }
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes CRD Swagger', version: 'v0.1.0' },
    paths,
    components: { schemas: schemasFor(paths, schemas) },
  };
}

/** `com.example.v1.Foo` of Foo in example.com/v1. */
export function customTypeName(group: string, version: string, kind: string): string {
  return [...group.split('.').reverse(), version, kind].join('.');
}

function objectSchema({ resource, custom }: Kind): SchemaObject {
  const { group, version, kind } = resource;
  const root = published(custom?.schema ?? { type: 'object' });
  const extension = { 'x-kubernetes-group-version-kind': [{ group, version, kind }] };
  // A schema that keeps what it does not know is told without what it does, as clients would check it too strictly.
  if (custom?.schema['x-kubernetes-preserve-unknown-fields'] === true) {
    const { type, description } = root;
    return {
      ...(description === undefined ? {} : { description }),
      type: type ?? 'object',
      'x-kubernetes-preserve-unknown-fields': true,
      ...extension,
    };
  }
  return { ...root, properties: { ...resourceMembers(), ...withoutTypeMembers(root.properties) }, ...extension };
}

function resourceMembers(): Readonly<Record<string, SchemaObject>> {
  const description = `Standard object's metadata. More info: ${conventions}#metadata`;
  return { ...typeMembers, metadata: { description, allOf: [reference(`${metaTypes}ObjectMeta`)] } };
}

function withoutTypeMembers(
  properties: Readonly<Record<string, SchemaObject>> = {},
): Readonly<Record<string, SchemaObject>> {
  const { apiVersion: _apiVersion, kind: _kind, metadata: _metadata, ...rest } = properties;
  return rest;
}

function listSchema({ resource }: Kind, object: string): SchemaObject {
  const { group, version, kind, listKind, plural } = resource;
  const metadata = {
    description: `Standard list metadata. More info: ${conventions}#types-kinds`,
    allOf: [reference(`${metaTypes}ListMeta`)],
  };
  const items = {
    description: `List of ${plural}. More info: ${conventions}`,
    type: 'array',
    items: reference(object),
  };
  return {
    description: `${listKind} is a list of ${kind}`,
    type: 'object',
    required: ['items'],
    properties: { apiVersion: typeMembers.apiVersion, items, kind: typeMembers.kind, metadata },
    'x-kubernetes-group-version-kind': [{ group, version, kind: listKind }],
  };
}

// A structural schema in the form of OpenAPI: integers or strings are told as alternatives.
function published(schema: JsonSchema): SchemaObject {
  const { properties, items, additionalProperties, ...rest } = schema;
  const isEmbedded = schema['x-kubernetes-embedded-resource'] === true;
  const inner = properties === undefined ? undefined : mapValues(properties, published);
  const members = isEmbedded ? { ...resourceMembers(), ...withoutTypeMembers(inner) } : inner;
  const isIntOrString = schema['x-kubernetes-int-or-string'] === true && schema.anyOf === undefined;
  return {
    ...(rest as SchemaObject),
    ...(members === undefined ? {} : { properties: members }),
    ...(items === undefined ? {} : { items: published(items) }),
    ...(additionalProperties === undefined
      ? {}
      : {
          additionalProperties:
            typeof additionalProperties === 'boolean' ? additionalProperties : published(additionalProperties),
        }),
    ...(isIntOrString ? { anyOf: [{ type: 'integer' }, { type: 'string' }] } : {}),
  };
}

function mapValues(
  values: Readonly<Record<string, JsonSchema>>,
  convert: (schema: JsonSchema) => SchemaObject,
): Readonly<Record<string, SchemaObject>> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, convert(value)]));
}
