/**
 * Writes src/kube/protobuf/numbers.gen.json: names, numbers and types of the fields of the built-in kinds' protobuf
 * messages. Its sources are the Go modules k8s.io/api, k8s.io/apimachinery, k8s.io/apiextensions-apiserver and
 * k8s.io/kube-aggregator (go mod download -json MODULE@VERSION): numbers and types stand in their generated.proto, the
 * JSON names in the tags of their Go structs. Run: node tools/generate-protobuf-facts.ts MODULE_DIRECTORY...
 *
 * A message is `[name, ...fields]`; a field is `number|JSON name|type` and, where Go's name is not the JSON name with a
 * capital, `|Go name` (it stands in error messages). src/kube/protobuf/messages.ts reads it. Types: a letter for a
 * scalar, `[x` a repeated x, `{x` a map of x, a number the message at that index, `<x` a struct that Go embeds (its
 * members stand in the outer JSON object), `~x` a named slice (JSON shows the list alone).
 */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { builtinResources } from '../src/kube/resources.gen.ts';

/** API packages that bodies and answers use beside those of the served kinds. */
const morePackages = {
  'apidiscovery.k8s.io/v2': 'k8s.io.api.apidiscovery.v2',
  'meta.k8s.io/v1': 'k8s.io.apimachinery.pkg.apis.meta.v1',
  'meta.k8s.io/v1beta1': 'k8s.io.apimachinery.pkg.apis.meta.v1beta1',
  'policy/v1beta1': 'k8s.io.api.policy.v1beta1',
};

const scalars: Readonly<Record<string, string>> = {
  string: 's',
  bool: 'b',
  int32: 'i',
  int64: 'l',
  double: 'd',
  bytes: 'y',
};

/** Messages whose JSON form is not that of a struct. */
const special: Readonly<Record<string, string>> = {
  'k8s.io.apimachinery.pkg.apis.meta.v1.Time': 't',
  'k8s.io.apimachinery.pkg.apis.meta.v1.MicroTime': 'm',
  'k8s.io.apimachinery.pkg.apis.meta.v1.Duration': 'n',
  'k8s.io.apimachinery.pkg.apis.meta.v1.FieldsV1': 'r',
  'k8s.io.apimachinery.pkg.api.resource.Quantity': 'q',
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString': 'o',
  'k8s.io.apimachinery.pkg.runtime.RawExtension': 'r',
  'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSON': 'r',
  'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray': 'A',
  'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool': 'B',
  'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray': 'S',
};

interface ProtoField {
  readonly number: number;
  readonly name: string;
  readonly type: string;
  readonly label: 'optional' | 'repeated' | 'map';
}
interface GoField {
  readonly name: string;
  readonly json: string;
  readonly inline: boolean;
}
interface ProtoMessage {
  readonly package: string;
  readonly fields: readonly ProtoField[];
  /** By number; undefined for what is not a struct in Go. */
  readonly struct: ReadonlyMap<number, GoField> | undefined;
}

const messages = new Map<string, ProtoMessage>();
for (const module of process.argv.slice(2)) {
  for (const file of globSync(path.join(module, '**/generated.proto')).sort()) readPackage(file);
}
if (messages.size === 0) throw new Error('usage: node tools/generate-protobuf-facts.ts MODULE_DIRECTORY...');

function readPackage(file: string): void {
  const text = readFileSync(file, 'utf8').replace(/\/\/.*$/gm, '');
  const packageName = /^package ([^;]+);/m.exec(text)?.[1] ?? '';
  const structs = readStructs(path.dirname(file));
  for (const [, name = '', body = ''] of text.matchAll(/^message (\w+) \{$([\s\S]*?)^\}$/gm)) {
    const fields: ProtoField[] = [];
    for (const statement of body.split(';').map((line) => line.trim())) {
      if (statement === '') continue;
      const map = /^map<string, ([\w.]+)> (\w+) = (\d+)$/.exec(statement);
      const plain = /^(optional|repeated) ([\w.]+) (\w+) = (\d+)$/.exec(statement);
      if (map !== null) {
        fields.push({ label: 'map', type: map[1] ?? '', name: map[2] ?? '', number: Number(map[3]) });
      } else if (plain !== null) {
        const label = plain[1] === 'repeated' ? 'repeated' : 'optional';
        fields.push({ label, type: plain[2] ?? '', name: plain[3] ?? '', number: Number(plain[4]) });
      } else throw new Error(`${file}: ${name}: this is not understood: ${statement}`);
    }
    messages.set(`${packageName}.${name}`, { package: packageName, fields, struct: structs.get(name) });
  }
}

function readStructs(directory: string): Map<string, ReadonlyMap<number, GoField>> {
  const structs = new Map<string, ReadonlyMap<number, GoField>>();
  for (const file of globSync(path.join(directory, '*.go')).sort()) {
    if (/_test\.go$|generated/.test(file)) continue;
    const text = readFileSync(file, 'utf8');
    for (const [, name = '', body = ''] of text.matchAll(/^type (\w+) struct \{$([\s\S]*?)^\}$/gm)) {
      const fields = new Map<number, GoField>();
      for (const [, go = '', tags = ''] of body.matchAll(/^\s*([\w*.]+)[^`\n]*`([^`\n]*)`/gm)) {
        const number = /protobuf:"\w+,(\d+)/.exec(tags)?.[1];
        if (number === undefined) continue;
        const [json = '', ...options] = (/json:"([^"]*)"/.exec(tags)?.[1] ?? '').split(',');
        const goName = go.slice(go.lastIndexOf('.') + 1).replace('*', '');
        fields.set(Number(number), { name: goName, json, inline: json === '' && options.includes('inline') });
      }
      structs.set(name, fields);
    }
    // Another package's struct under a name of its own: its fields are called the same in JSON.
    for (const [, name = ''] of text.matchAll(/^type (\w+) \w+\.\w+$/gm)) structs.set(name, new Map());
  }
  return structs;
}

const packages: Record<string, string> = { ...morePackages };
for (const { group, version, kind } of builtinResources) {
  const apiVersion = group === '' ? version : `${group}/${version}`;
  if (packages[apiVersion] !== undefined) continue;
  const label = group === '' ? 'core' : (group.split('.')[0] ?? '');
  const found = [...messages].find(
    ([name, message]) => name.endsWith(`.${kind}`) && isPackageOf(message.package, group, label, version),
  );
  if (found === undefined) throw new Error(`no package is known for ${apiVersion}`);
  packages[apiVersion] = found[1].package;
}

function isPackageOf(packageName: string, group: string, label: string, version: string): boolean {
  const parts = packageName.split('.');
  const short = label === 'internal' ? group : label;
  return parts.at(-1) === version && parts.at(-2) === short;
}

// Whole packages, in order, and what they refer to.
const indexes = new Map<string, number>();
function include(name: string): void {
  if (indexes.has(name) || name in special) return;
  const message = messages.get(name);
  if (message === undefined) throw new Error(`no message ${name}`);
  indexes.set(name, indexes.size);
  for (const { type } of message.fields) if (!(type in scalars)) include(resolve(type, message.package));
}
function resolve(type: string, packageName: string): string {
  return type.includes('.') ? type.replace(/^\./, '') : `${packageName}.${type}`;
}
const wanted = new Set(Object.values(packages));
for (const [name, message] of messages) if (wanted.has(message.package)) include(name);

function typeOf(type: string, packageName: string): string {
  const scalar = scalars[type];
  if (scalar !== undefined) return scalar;
  const name = resolve(type, packageName);
  return special[name] ?? `${isSlice(name) ? '~' : ''}${indexes.get(name)}`;
}

function isSlice(name: string): boolean {
  const message = messages.get(name);
  return message?.struct === undefined && message?.fields.length === 1 && message.fields[0]?.name === 'items';
}

function fieldLine(message: ProtoMessage, field: ProtoField): string {
  const go = message.struct?.get(field.number);
  const name = go === undefined || go.json === '' || go.json === '-' ? field.name : go.json;
  const prefix = field.label === 'map' ? '{' : field.label === 'repeated' ? '[' : go?.inline ? '<' : '';
  const capital = name.charAt(0).toUpperCase() + name.slice(1);
  const goName = go?.name ?? capital;
  const line = `${field.number}|${name}|${prefix}${typeOf(field.type, message.package)}`;
  return goName === capital ? line : `${line}|${goName}`;
}

const lines = [...indexes.keys()].map((name) => {
  const message = messages.get(name);
  if (message === undefined) throw new Error(`no message ${name}`);
  if (message.struct === undefined && message.fields.length > 0 && !isSlice(name))
    throw new Error(`no Go struct for ${name}`);
  return JSON.stringify([name, ...message.fields.map((field) => fieldLine(message, field))]);
});
const target = path.join(import.meta.dirname, '../src/kube/protobuf/numbers.gen.json');
if (!existsSync(path.dirname(target))) throw new Error(`no directory ${path.dirname(target)}`);
const sorted = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(target, `{\n"packages": ${JSON.stringify(sorted)},\n"messages": [\n${lines.join(',\n')}\n]\n}\n`);
