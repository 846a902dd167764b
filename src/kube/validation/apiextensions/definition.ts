import type { Json } from '../../../core/json.ts';
import { isConditionTrue } from '../../crd/conditions.ts';
import type { JsonSchema } from '../../crd/json-schema.ts';
import { type FieldError, invalid, notSupported, required } from '../../field-error.ts';
import { isGoPrintable } from '../../go-json.ts';
import { isDns1035Label, isDns1123Subdomain } from '../../names.ts';
import { jsonEqual } from '../../patch/json-object.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
} from '../../types.gen.ts';
import { approvalErrors } from './approval.ts';
import { conversionErrors } from './conversion.ts';
import { internalVersions, type SharedMembers } from './internal-versions.ts';
import { nameErrors, requiredNameErrors } from './names.ts';
import { isUnsupported, openApiSchemaErrors } from './open-api-schema.ts';
import { schemaDefaultErrors } from './schema-defaults.ts';
import { structuralErrors } from './structural.ts';
import { columnErrors, selectableFieldErrors, subresourceErrors } from './version-fields.ts';

type Errors = Generator<FieldError, void>;

/** A new CustomResourceDefinition, in the words and the order of upstream. */
export function validateDefinition(definition: CustomResourceDefinition): readonly FieldError[] {
  return [...definitionErrors(definition)];
}

export function validateDefinitionUpdate(
  definition: CustomResourceDefinition,
  old: CustomResourceDefinition,
): readonly FieldError[] {
  return [...definitionUpdateErrors(definition, old)];
}

/** Through the status endpoint. */
export function validateDefinitionStatus(definition: CustomResourceDefinition): readonly FieldError[] {
  return [...statusErrors(definition)];
}

function* definitionErrors(definition: CustomResourceDefinition): Errors {
  const { spec, metadata } = definition;
  if (metadata.name && metadata.name !== `${spec.names.plural}.${spec.group}`) {
    yield invalid('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group');
  }
  yield* specErrors(spec);
  yield* statusErrors(definition);
  yield* approvalErrors(definition, null);
  if (spec.preserveUnknownFields === true) yield preservesUnknown;
}

function* definitionUpdateErrors(definition: CustomResourceDefinition, old: CustomResourceDefinition): Errors {
  const { spec } = definition;
  yield* specErrors(spec);
  if (isConditionTrue(old, 'Established')) {
    yield* immutable(spec.scope, old.spec.scope, 'spec.scope');
    yield* immutable(spec.names.kind, old.spec.names.kind, 'spec.names.kind');
  }
  yield* immutable(spec.group, old.spec.group, 'spec.group');
  yield* immutable(spec.names.plural, old.spec.names.plural, 'spec.names.plural');
  yield* statusErrors(definition);
  yield* approvalErrors(definition, old);
  if (spec.preserveUnknownFields === true && old.spec.preserveUnknownFields !== true) yield preservesUnknown;
}

const preservesUnknown = invalid(
  'spec.preserveUnknownFields',
  true,
  'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
);

function* immutable(value: string, old: string, field: string): Errors {
  if (value !== old) yield invalid(field, value, 'field is immutable');
}

function* specErrors(spec: CustomResourceDefinitionSpec): Errors {
  yield* groupErrors(spec.group);
  const scopes = ['Cluster', 'Namespaced'];
  if (spec.scope === '') yield required('spec.scope');
  else if (!scopes.includes(spec.scope)) yield notSupported('spec.scope', spec.scope, scopes);
  const versions = spec.versions ?? [];
  // What all versions have in common is told of the definition as a whole.
  const shared = sharedMembers(versions);
  if (shared.schema?.openAPIV3Schema === undefined) {
    for (const [i, version] of versions.entries()) {
      if (version.schema?.openAPIV3Schema === undefined) {
        yield required(`spec.versions[${i}].schema.openAPIV3Schema`);
      }
    }
  }
  for (const [i, version] of versions.entries()) yield* versionErrors(version, shared, `spec.versions[${i}]`);
  const names = versions.map(({ name }) => name);
  if (new Set(names).size < names.length) {
    yield invalid('spec.versions', internalVersions(versions, shared), 'must contain unique version names');
  }
  if (versions.filter(({ storage }) => storage).length !== 1) {
    const why = 'must have exactly one version marked as storage version';
    yield invalid('spec.versions', internalVersions(versions, shared), why);
  }
  const first = versions[0];
  if (first !== undefined) {
    const why = isDns1035Label(first.name);
    if (why.length > 0) yield invalid('spec.version', first.name, why.join(','));
  }
  yield* requiredNameErrors(spec.names, 'spec.names');
  if (first !== undefined) yield* memberErrors(first, (name) => shared[name] !== undefined, 'spec', 'validation');
  if (spec.conversion !== undefined) {
    if (spec.conversion.strategy !== 'None' && spec.preserveUnknownFields === true) {
      const why = 'must be None if spec.preserveUnknownFields is true';
      yield invalid('spec.conversion.strategy', spec.conversion.strategy, why);
    }
    yield* conversionErrors(spec.conversion, 'spec.conversion');
  }
}

function* groupErrors(group: string): Errors {
  if (group === '') {
    yield required('spec.group');
    return;
  }
  const why = isDns1123Subdomain(group);
  if (why.length > 0) yield invalid('spec.group', group, why.join(','));
  else if (!group.includes('.')) yield invalid('spec.group', group, 'should be a domain with at least one dot');
}

type SharedName = keyof SharedMembers;
const sharedNames: readonly SharedName[] = ['schema', 'subresources', 'additionalPrinterColumns', 'selectableFields'];

function sharedMembers(versions: readonly CustomResourceDefinitionVersion[]): SharedMembers {
  const [first, ...rest] = versions;
  if (first === undefined) return {};
  const same = (name: SharedName) => rest.every((one) => jsonEqual(jsonOf(one[name]), jsonOf(first[name])));
  return Object.fromEntries(
    sharedNames.filter((name) => first[name] !== undefined && same(name)).map((name) => [name, first[name]]),
  );
}

function jsonOf(value: unknown): Json {
  return (value ?? null) as Json;
}

function* versionErrors(version: CustomResourceDefinitionVersion, shared: SharedMembers, path: string): Errors {
  const { name, deprecated, deprecationWarning } = version;
  const why = isDns1035Label(name);
  if (why.length > 0) yield invalid(`${path}.name`, name, why.join(','));
  if (deprecationWarning !== undefined) {
    for (const text of deprecationErrors(deprecated === true, deprecationWarning)) {
      yield invalid(`${path}.deprecationWarning`, deprecationWarning, text);
    }
  }
  yield* memberErrors(version, (member) => shared[member] === undefined, path, 'schema');
}

const deprecationWarningMax = 256;

function* deprecationErrors(isDeprecated: boolean, warning: string): Generator<string, void> {
  if (!isDeprecated) yield 'can only be set for deprecated versions';
  if (warning === '') yield 'must not be empty';
  if (warning.length > deprecationWarningMax) yield `must be <= ${deprecationWarningMax} characters long`;
  const at = [...warning].findIndex((character) => !isGoPrintable(character));
  if (at >= 0) yield `must only contain printable UTF-8 characters; non-printable character found at index ${at}`;
}

function* memberErrors(
  version: CustomResourceDefinitionVersion,
  isHere: (name: SharedName) => boolean,
  path: string,
  schemaName: string,
): Errors {
  const { schema, subresources, additionalPrinterColumns = [], selectableFields } = version;
  const openApi = schema?.openAPIV3Schema;
  if (isHere('schema') && openApi !== undefined) {
    const hasStatus = subresources?.status !== undefined;
    yield* validationErrors(openApi as JsonSchema, hasStatus, `${path}.${schemaName}.openAPIV3Schema`);
  }
  if (isHere('subresources') && subresources !== undefined) {
    yield* subresourceErrors(subresources, `${path}.subresources`);
  }
  if (isHere('additionalPrinterColumns')) {
    for (const [i, column] of additionalPrinterColumns.entries()) {
      yield* columnErrors(column, `${path}.additionalPrinterColumns[${i}]`);
    }
  }
  if (isHere('selectableFields') && selectableFields !== undefined && openApi !== undefined) {
    yield* selectableFieldErrors(selectableFields, openApi as JsonSchema, `${path}.selectableFields`);
  }
}

/** In the order and by the names in which upstream lists them. */
const allowedAtRoot =
  'Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations';

// With a status subresource the status is validated by its own part of the schema: nothing may be lost with the root.
function* rootErrors(schema: JsonSchema, path: string): Errors {
  const { type } = schema;
  const suffix = 'at the root of the schema if the status subresource is enabled';
  if (type !== undefined && type !== 'object') {
    yield invalid(`${path}.type`, type, `only "object" is allowed as the type ${suffix}`);
    return;
  }
  const goName = (name: string) =>
    name
      .replace(/^x-kubernetes-/, 'x')
      .replaceAll('-', '')
      .toLowerCase();
  const allowed = allowedAtRoot.toLowerCase().split(' ');
  if (Object.keys(schema).every((name) => allowed.includes(goName(name)))) return;
  yield invalid(path, schema, `only [${allowedAtRoot}] fields are allowed ${suffix}`);
}

function* validationErrors(schema: JsonSchema, hasStatus: boolean, path: string): Errors {
  if (hasStatus) yield* rootErrors(schema, path);
  const found = [...openApiSchemaErrors(schema as never, path)];
  yield* found;
  // What can't be read as a structural schema isn't asked whether it is one.
  if (found.some(isUnsupported)) return;
  const structural = structuralErrors(schema, path);
  yield* structural;
  if (structural.length === 0) yield* schemaDefaultErrors(schema, path);
}

function* statusErrors({ spec, status }: CustomResourceDefinition): Errors {
  if (status?.acceptedNames !== undefined) yield* nameErrors(status.acceptedNames, 'status.acceptedNames');
  const stored = status?.storedVersions ?? [];
  const field = 'status.storedVersions';
  if (stored.length === 0) {
    yield invalid(field, null, 'must have at least one stored version');
    return;
  }
  const left = new Map(stored.map((name, i) => [name, i]));
  for (const { name, storage } of spec.versions ?? []) {
    if (storage && !left.has(name)) yield invalid(field, stored, `must have the storage version ${name}`);
    left.delete(name);
  }
  for (const [name, i] of left) {
    const why = `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`;
    yield invalid(`${field}[${i}]`, name, why);
  }
}
