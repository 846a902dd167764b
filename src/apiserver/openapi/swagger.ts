import type { Document, Operation, Parameter, PathItem, SchemaObject } from './document.ts';

/** An OpenAPI 2.0 (Swagger) document, as plain data. */
export interface Swagger {
  readonly swagger: '2.0';
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, object>>;
  readonly definitions: Readonly<Record<string, object>>;
  readonly securityDefinitions: object;
  readonly security: readonly object[];
}

/** All documents in one of the old form, which knows less: no alternatives, no defaults. */
export function swaggerOf(documents: readonly Document[], info: Document['info']): Swagger {
  const paths: Record<string, object> = {};
  const definitions: Record<string, object> = {};
  for (const document of documents) {
    for (const [path, item] of Object.entries(document.paths)) paths[path] = pathOf(item);
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      definitions[name] = withAllKinds(definitionOf(schema), definitions[name]);
    }
  }
  return {
    swagger: '2.0',
    info,
    paths: sorted(paths),
    definitions: sorted(definitions),
    securityDefinitions: { BearerToken: { type: 'apiKey', name: 'authorization', in: 'header' } },
    security: [{ BearerToken: [] }],
  };
}

function sorted(members: Readonly<Record<string, object>>): Readonly<Record<string, object>> {
  return Object.fromEntries(Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const kindsMember = 'x-kubernetes-group-version-kind';

// What belongs to every group names all of them.
function withAllKinds(definition: object, known: object | undefined): object {
  const kinds = Reflect.get(definition, kindsMember);
  const others: unknown = known === undefined ? undefined : Reflect.get(known, kindsMember);
  if (!Array.isArray(kinds) || !Array.isArray(others)) return definition;
  const texts = new Set(others.map((kind) => JSON.stringify(kind)));
  return { ...definition, [kindsMember]: [...others, ...kinds.filter((kind) => !texts.has(JSON.stringify(kind)))] };
}

const prefix = '#/components/schemas/';

function definitionOf(schema: SchemaObject): object {
  const [only] = schema.allOf ?? [];
  const target = schema.$ref ?? (schema.allOf?.length === 1 ? only?.$ref : undefined);
  if (target !== undefined) {
    const { $ref: _ref, allOf: _allOf, default: _default, ...rest } = schema;
    return { $ref: `#/definitions/${target.slice(prefix.length)}`, ...rest };
  }
  const { oneOf, anyOf: _anyOf, allOf: _allOf, not: _not, default: _default, properties, items, ...rest } = schema;
  const { additionalProperties, ...plain } = rest;
  const isIntOrString = schema['x-kubernetes-int-or-string'] === true;
  const { type: _type, nullable, ...untyped } = plain as SchemaObject & { readonly nullable?: boolean };
  return {
    // A value of several types has none here.
    ...(isIntOrString || nullable === true ? untyped : plain),
    ...(oneOf === undefined ? {} : { type: 'string' }),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, definitionOf(one)])),
        }),
    ...(items === undefined ? {} : { items: definitionOf(items) }),
    ...(typeof additionalProperties === 'object' ? { additionalProperties: definitionOf(additionalProperties) } : {}),
  };
}

function pathOf({ parameters, ...operations }: PathItem): object {
  return {
    ...Object.fromEntries(Object.entries(operations).map(([method, one]) => [method, operationOf(one)])),
    ...(parameters === undefined ? {} : { parameters: parameters.map(parameterOf) }),
  };
}

const producesFirst = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

function operationOf({ requestBody, responses, parameters = [], ...rest }: Operation): object {
  const types = Object.keys(responses['200']?.content ?? responses['201']?.content ?? {});
  const known = producesFirst.filter((type) => types.includes(type));
  const [body] = Object.values(requestBody?.content ?? {});
  const all = [
    ...(body === undefined
      ? []
      : [
          {
            name: 'body',
            in: 'body',
            ...(requestBody?.required ? { required: true } : {}),
            schema: definitionOf(body.schema),
          },
        ]),
    ...parameters.map(parameterOf),
  ];
  return {
    // Discovery takes nothing, and says that it takes what it gives.
    consumes:
      requestBody === undefined ? (rest['x-kubernetes-action'] ? ['*/*'] : types) : Object.keys(requestBody.content),
    produces: [...known, ...types.filter((type) => !known.includes(type))],
    schemes: ['https'],
    ...rest,
    ...(all.length > 0 ? { parameters: all } : {}),
    responses: Object.fromEntries(
      Object.entries(responses).map(([code, { content }]) => {
        const [first] = Object.values(content ?? {});
        return [code, first === undefined ? {} : { schema: definitionOf(first.schema) }];
      }),
    ),
  };
}

function parameterOf({ name, in: place, required, schema }: Parameter): object {
  return { ...schema, name, in: place, ...(required ? { required } : {}) };
}
