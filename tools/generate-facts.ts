/**
 * Writes src/kube/schema/facts.gen.json from the OpenAPI v3 documents of a real API server: the shape of every built-in
 * type in a form that loads in a millisecond. Run: node tools/generate-facts.ts FACTS_DIRECTORY
 *
 * A type is `[goName, ...fields]`; a field is `name|type|flags`, read by src/kube/schema/builtin.ts. Types: a letter for a
 * scalar, `*` anything, `[x` a list of x, `{x` a map of x, a number the type at that index. Flags, joined by `;`:
 *   r required · d=JSON default · z=JSON written when absent · p pointer · e=a,b enum · g=Go type name · i=embedded struct
 *   l=set | l=map:key,key list type · a atomic map or struct · s=strategy,... patch strategy · k=patch merge key
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {
  alwaysWritten,
  customValues,
  embedded,
  goNames,
  omittedDefaults,
  scalarValues,
  stringPointers,
} from './go-types.ts';

interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly $ref?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: string;
  readonly 'x-kubernetes-patch-strategy'?: string;
  readonly 'x-kubernetes-patch-merge-key'?: string;
}

const facts = process.argv[2];
if (facts === undefined) throw new Error('usage: node tools/generate-facts.ts FACTS_DIRECTORY');

const schemas = new Map<string, Schema>();
for (const file of readdirSync(path.join(facts, 'openapi-v3')).sort()) {
  const document = JSON.parse(readFileSync(path.join(facts, 'openapi-v3', file), 'utf8'));
  for (const [name, schema] of Object.entries<Schema>(document.components?.schemas ?? {})) schemas.set(name, schema);
}

const customScalars: Readonly<Record<string, string>> = {
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': 't',
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': 'm',
  'io.k8s.apimachinery.pkg.api.resource.Quantity': 'q',
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': 'o',
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1': '*',
  'io.k8s.apimachinery.pkg.runtime.RawExtension': '*',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Patch': '*',
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON': '*',
};
// A JSON object in these is a JSONSchemaProps; other values stand as they are.
const schemaUnions = /\.JSONSchemaPropsOr(Array|Bool|StringArray)$/;
const zeroOfCustom: Readonly<Record<string, unknown>> = { t: null, m: null, q: '0', o: 0 };

const names = [...schemas.keys()].filter((name) => !(name in customScalars) && !schemaUnions.test(name)).sort();
const indexes = new Map(names.map((name, index) => [name, index]));
const jsonSchemaProps = indexes.get('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps');

/** `Type: a b=c` lines as a set (and map) of `Type.a`. */
function table(text: string): Map<string, string> {
  const entries = new Map<string, string>();
  for (const line of text.trim().split('\n')) {
    const [type = '', fields = ''] = line.split(': ');
    for (const field of fields.split(' ')) {
      const [name = '', value = ''] = field.split('=');
      entries.set(`${type}.${name}`, value);
    }
  }
  return entries;
}
const tables = {
  stringPointers: table(stringPointers),
  scalarValues: table(scalarValues),
  customValues: table(customValues),
  alwaysWritten: table(alwaysWritten),
  omittedDefaults: table(omittedDefaults),
  goNames: table(goNames),
  embedded: table(embedded),
};
const used = new Set<string>();

/** Entries are looked up as `group/Type.field`, `version/Type.field` and `Type.field`, the most exact first. */
function lookUp(kind: keyof typeof tables, type: string, field: string): string | undefined {
  const [bare = '', version = '', group = ''] = type.split('.').reverse();
  for (const key of [`${group}/${bare}.${field}`, `${version}/${bare}.${field}`, `${bare}.${field}`]) {
    const found = tables[kind].get(key);
    if (found === undefined) continue;
    used.add(`${kind} ${key}`);
    return found;
  }
  return undefined;
}

function typeOf(schema: Schema): string {
  const reference = schema.$ref ?? schema.allOf?.[0]?.$ref;
  if (reference !== undefined) {
    const name = reference.slice(reference.lastIndexOf('/') + 1);
    if (schemaUnions.test(name)) return `?${jsonSchemaProps}`;
    const custom = customScalars[name];
    if (custom !== undefined) return custom;
    return String(indexes.get(name));
  }
  if (schema.type === 'array') return `[${typeOf(schema.items ?? {})}`;
  if (schema.type === 'object') {
    return schema.additionalProperties === undefined ? '*' : `{${typeOf(schema.additionalProperties)}`;
  }
  if (schema.type === 'integer') return schema.format === 'int64' ? 'l' : 'i';
  if (schema.type === 'number') return 'd';
  if (schema.type === 'boolean') return 'b';
  if (schema.type === 'string') return schema.format === 'byte' ? 'y' : 's';
  return '*';
}

function flagsOf(typeName: string, fieldName: string, field: Schema, required: boolean, type: string): string[] {
  const flags: string[] = [];
  const isCustom = type in zeroOfCustom;
  const isScalar = /^[sildb]$/.test(type);
  const isPointer =
    (type === 's' && lookUp('stringPointers', typeName, fieldName) !== undefined) ||
    (/^[ildb]$/.test(type) && !required && lookUp('scalarValues', typeName, fieldName) === undefined);
  const hasDefault = field.default !== undefined;
  if (required) flags.push('r');
  if (hasDefault) flags.push(`d=${JSON.stringify(field.default)}`);

  const isZero = field.default === '' || field.default === 0 || field.default === false;
  if (lookUp('alwaysWritten', typeName, fieldName) !== undefined) flags.push('z=null');
  else if (isCustom) {
    if (lookUp('customValues', typeName, fieldName) !== undefined)
      flags.push(`z=${JSON.stringify(zeroOfCustom[type])}`);
  } else if (isScalar) {
    const omitted = lookUp('omittedDefaults', typeName, fieldName) !== undefined;
    if (isZero && !isPointer && !omitted) flags.push(`z=${JSON.stringify(field.default)}`);
  } else if (hasDefault && JSON.stringify(field.default) === '{}' && !/^[[{*]/.test(type)) flags.push('z={}');
  else if (required && !/^\*|^\?/.test(type) && lookUp('omittedDefaults', typeName, fieldName) === undefined) {
    flags.push('z=null');
  }
  if (isPointer) flags.push('p');

  const values = field.enum ?? field.items?.enum ?? field.additionalProperties?.enum;
  if (values !== undefined) flags.push(`e=${values.join(',')}`);
  const goName = lookUp('goNames', typeName, fieldName);
  if (goName !== undefined) flags.push(`g=${goName}`);
  const inline = lookUp('embedded', typeName, fieldName) ?? lookUp('embedded', typeName, '*') ?? '';
  if (inline !== '') flags.push(`i=${inline}`);
  if (field['x-kubernetes-list-type'] === 'set') flags.push('l=set');
  if (field['x-kubernetes-list-type'] === 'map') {
    flags.push(`l=map:${(field['x-kubernetes-list-map-keys'] ?? []).join(',')}`);
  }
  if (field['x-kubernetes-map-type'] === 'atomic') flags.push('a');
  if (field['x-kubernetes-map-type'] === 'granular') flags.push('n');
  if (field['x-kubernetes-patch-strategy'] !== undefined) flags.push(`s=${field['x-kubernetes-patch-strategy']}`);
  if (field['x-kubernetes-patch-merge-key'] !== undefined) flags.push(`k=${field['x-kubernetes-patch-merge-key']}`);
  return flags;
}

const lines: string[] = [];
for (const name of names) {
  const schema = schemas.get(name) ?? {};
  const parts = name.split('.');
  const goName = `${parts.at(-2)}.${parts.at(-1)}`;
  const head = schema['x-kubernetes-map-type'] === 'atomic' ? `${goName}!` : goName;
  const fields: string[] = [];
  for (const [fieldName, field] of Object.entries(schema.properties ?? {})) {
    const type = typeOf(field);
    const flags = flagsOf(name, fieldName, field, schema.required?.includes(fieldName) ?? false, type);
    fields.push(`${fieldName}|${type}${flags.length > 0 ? `|${flags.join(';')}` : ''}`);
  }
  lines.push(JSON.stringify([name, head, ...fields]));
}
for (const [kind, entries] of Object.entries(tables)) {
  for (const key of entries.keys()) if (!used.has(`${kind} ${key}`)) console.error(`${kind}: ${key} names no field`);
}
const target = path.join(import.meta.dirname, '../src/kube/schema/facts.gen.json');
writeFileSync(target, `[\n${lines.join(',\n')}\n]\n`);
