import type { JsonObject } from '../../core/json.ts';
import type { Draft } from '../draft.ts';
import type { FieldError } from '../field-error.ts';
import { goQuote } from '../go-json.ts';
import type { CustomRules, Kind, Strategy, SubresourceStrategy } from '../kind.ts';
import type { KubeObject } from '../object.ts';
import { jsonEqual } from '../patch/json-object.ts';
import type { Resource, Subresource, Verb } from '../resource.ts';
import { schemaOf } from '../schema/builtin.ts';
import type { ObjectSchema, Schema } from '../schema/schema.ts';
import { nextGeneration, setGeneration, strategyOf } from '../strategy/strategy.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '../types.gen.ts';
import { validateObjectMetaUpdate } from '../validation/meta.ts';
import { isConditionTrue } from './conditions.ts';
import { customDecoder } from './decode.ts';
import { applyDefaults } from './default.ts';
import { embeddedErrors } from './embedded.ts';
import { findByPath, parseJsonPath } from './json-path.ts';
import type { JsonSchema } from './json-schema.ts';
import { listErrors } from './list-types.ts';
import { tableOfCustomResource } from './printer-columns.ts';
import { pruneUnknown } from './prune.ts';
import { scaleErrors } from './scale.ts';
import { schemaOfCustomResource } from './to-schema.ts';
import { schemaErrors } from './validate.ts';
import { deprecationWarning } from './versions.ts';

export interface CustomKind {
  readonly kind: Kind;
  /** Of patches and server-side apply. */
  readonly schema: Schema;
}

const verbs: readonly Verb[] = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'];
const subresourceVerbs: readonly Verb[] = ['get', 'patch', 'update'];

/** The kinds that a definition serves: one for each served version, under the names that it was given. */
export function kindsOfDefinition(definition: CustomResourceDefinition): readonly CustomKind[] {
  return definition.spec.versions.filter(({ served }) => served).map((version) => customKind(definition, version));
}

function customKind(definition: CustomResourceDefinition, version: CustomResourceDefinitionVersion): CustomKind {
  const schema = rootSchema(definition, version);
  const resource = resourceOf(definition, version);
  const storageVersion = definition.spec.versions.find(({ storage }) => storage)?.name ?? version.name;
  const warning = deprecationWarning(definition, version);
  const { scale } = version.subresources ?? {};
  const custom: CustomRules = {
    schema,
    decode: customDecoder(schema, resource),
    isTerminating: isTerminating(definition),
    storageVersion,
    ...(warning === undefined ? {} : { deprecationWarning: warning }),
    ...(scale === undefined ? {} : { scale }),
  };
  return {
    schema: shapeOf(schema),
    kind: {
      resource,
      strategy: strategy(version, schema),
      table: tableOfCustomResource(version.additionalPrinterColumns),
      storage: {
        resource: { ...resource, version: storageVersion },
        toStorage: (object) => ({ ...object, apiVersion: `${resource.group}/${storageVersion}` }),
        fromStorage: (object) => fromStorage(object, schema, `${resource.group}/${resource.version}`),
      },
      custom,
    },
  };
}

export function isTerminating(definition: CustomResourceDefinition): boolean {
  return isConditionTrue(definition, 'Terminating');
}

// preserveUnknownFields of a definition as a whole comes from v1beta1: as if each schema said so at its root.
function rootSchema({ spec }: CustomResourceDefinition, { schema }: CustomResourceDefinitionVersion): JsonSchema {
  const root = (schema?.openAPIV3Schema ?? { type: 'object' }) as JsonSchema;
  return spec.preserveUnknownFields === true ? { ...root, 'x-kubernetes-preserve-unknown-fields': true } : root;
}

function shapeOf(schema: JsonSchema): ObjectSchema {
  return schemaOfCustomResource(schema, schemaOf('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'));
}

function resourceOf(definition: CustomResourceDefinition, version: CustomResourceDefinitionVersion): Resource {
  const { group, scope } = definition.spec;
  const names = definition.status?.acceptedNames ?? definition.spec.names;
  const { kind, plural } = names;
  const subresources: Subresource[] = [];
  if (version.subresources?.status !== undefined) {
    subresources.push({ name: 'status', group, version: version.name, kind, verbs: subresourceVerbs });
  }
  if (version.subresources?.scale !== undefined) {
    subresources.push({ name: 'scale', group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: subresourceVerbs });
  }
  return {
    group,
    version: version.name,
    kind,
    plural,
    singular: names.singular ?? kind.toLowerCase(),
    listKind: names.listKind ?? `${kind}List`,
    namespaced: scope === 'Namespaced',
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    verbs,
    subresources,
    typeName: null,
  };
}

// What is stored may be older than the schema: it is read as if it were written now. Conversion changes nothing else.
function fromStorage(stored: KubeObject, schema: JsonSchema, apiVersion: string): KubeObject {
  const pruned = pruneUnknown(stored as unknown as JsonObject, schema).object;
  const object = applyDefaults(pruned, schema) as unknown as KubeObject;
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion };
}

type Members = Draft<KubeObject> & Record<string, unknown>;

function strategy(version: CustomResourceDefinitionVersion, schema: JsonSchema): Strategy {
  const { subresources, selectableFields = [] } = version;
  const hasStatus = subresources?.status !== undefined;
  const selectors = selectableFields.map(({ jsonPath }) => ({
    name: jsonPath.replace(/^\./, ''),
    path: parseJsonPath(jsonPath) ?? [],
  }));
  const errorsOf = (object: KubeObject, old?: KubeObject): readonly FieldError[] => {
    const value = object as unknown as JsonObject;
    return [
      ...schemaErrors(schema, value, '', old as unknown as JsonObject | undefined),
      ...embeddedErrors(schema, value),
      ...unchangedAside(listErrors(schema, value), old === undefined ? [] : listErrors(schema, old as never)),
      ...scaleErrors(subresources?.scale, value),
    ];
  };
  return strategyOf({
    setDefaults(object) {
      become(object as Members, applyDefaults(object as unknown as JsonObject, schema));
    },
    allowUnconditionalUpdate: false,
    prepareForCreate(object) {
      if (hasStatus) delete (object as Members)['status'];
      setGeneration(object, 1);
    },
    prepareForUpdate(object, old) {
      if (hasStatus) takeMember(object as Members, old, 'status');
      if (!jsonEqual(withoutMetadata(object), withoutMetadata(old))) setGeneration(object, nextGeneration(old));
    },
    validateCreate: (object) => errorsOf(object),
    // Upstream checks the metadata once for all kinds, and custom resources once more.
    validateUpdate: (object, old) => [
      ...validateObjectMetaUpdate(object.metadata, old.metadata),
      ...errorsOf(object, old),
    ],
    warnings: finalizerWarnings,
    ...(selectors.length === 0
      ? {}
      : {
          selectableFields: (object: KubeObject) =>
            Object.fromEntries(
              selectors.map(({ name, path }) => {
                const value = findByPath(path, object as unknown as JsonObject)[0];
                return [name, value === undefined || value === null ? '' : String(value)];
              }),
            ),
        }),
    ...(hasStatus ? { subresources: { status: statusStrategy(schema, version) } } : {}),
    resetFields: hasStatus ? { '': [['f:status']], status: [['f:metadata'], ['f:spec']] } : {},
  });
}

const standardFinalizers = ['kubernetes', 'orphan', 'foregroundDeletion'];

function finalizerWarnings({ metadata }: KubeObject, old: KubeObject | null): readonly string[] {
  const known = [...standardFinalizers, ...(old?.metadata.finalizers ?? [])];
  return (metadata.finalizers ?? [])
    .filter((finalizer) => !finalizer.includes('/') && !known.includes(finalizer))
    .map(
      (finalizer) =>
        `metadata.finalizers: ${goQuote(finalizer)}: prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers`,
    );
}

function statusStrategy(schema: JsonSchema, version: CustomResourceDefinitionVersion): SubresourceStrategy {
  const statusSchema = schema.properties?.['status'];
  return {
    prepareForUpdate(object, old) {
      const { managedFields, resourceVersion } = object.metadata;
      const { status } = object as Members;
      become(object as Members, { ...old, metadata: { ...old.metadata } } as unknown as JsonObject);
      if (managedFields === undefined) delete object.metadata.managedFields;
      else object.metadata.managedFields = managedFields;
      if (resourceVersion !== undefined) object.metadata.resourceVersion = resourceVersion;
      if (status === undefined) delete (object as Members)['status'];
      else (object as Members)['status'] = status;
    },
    validateUpdate(object, old) {
      const { status } = object as unknown as JsonObject;
      const { status: before } = old as unknown as JsonObject;
      const errors =
        statusSchema === undefined || status === undefined ? [] : schemaErrors(statusSchema, status, 'status', before);
      const lists =
        statusSchema === undefined || status === undefined ? [] : listErrors(statusSchema, status, 'status');
      return [...errors, ...lists, ...scaleErrors(version.subresources?.scale, object as unknown as JsonObject)];
    },
  };
}

function takeMember(object: Members, old: KubeObject, name: string): void {
  const standing = (old as KubeObject & Record<string, unknown>)[name];
  if (standing === undefined) delete object[name];
  else object[name] = standing;
}

function withoutMetadata(object: object): JsonObject {
  const { metadata: _, ...rest } = object as { metadata?: unknown };
  return JSON.parse(JSON.stringify(rest)) as JsonObject;
}

// The draft's owner keeps its draft: members are exchanged in it.
function become(object: Members, next: JsonObject): void {
  if ((next as unknown) === object) return;
  for (const name of Object.keys(object)) if (!Object.hasOwn(next, name)) delete object[name];
  for (const name of Object.keys(next)) object[name] = next[name];
}

// A list that was wrong before may stay as it is.
function unchangedAside(errors: readonly FieldError[], before: readonly FieldError[]): readonly FieldError[] {
  const known = new Set(before.map(({ field, message }) => goQuote(`${field} ${message}`)));
  return errors.filter(({ field, message }) => !known.has(goQuote(`${field} ${message}`)));
}
