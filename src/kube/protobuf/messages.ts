import { readFileSync } from 'node:fs';
import { WherryError } from '../../core/errors.ts';

/** A protobuf message of a built-in type. */
export interface Message {
  /** Go's name, e.g. `PodSpec`. */
  readonly name: string;
  readonly byNumber: ReadonlyMap<number, MessageField>;
  /** By JSON name, in descending order of numbers: what is written backwards comes out ascending. */
  readonly byName: ReadonlyMap<string, MessageField>;
  /** Structs that Go embeds: messages of their own on the wire, members of the outer object in JSON. */
  readonly embedded: readonly MessageField[];
}

export interface MessageField {
  readonly number: number;
  readonly name: string;
  /** The name of the Go field; it stands in error messages. */
  readonly goName: string;
  readonly shape: 'single' | 'list' | 'map' | 'embedded';
  readonly type: ValueType;
}

/**
 * `json` holds JSON text (RawExtension, FieldsV1, JSON); `slice` is a message whose JSON form is its only list; the
 * unions are those of apiextensions: a JSONSchemaProps or something else.
 */
export type ValueType =
  | { readonly kind: PlainKind }
  | { readonly kind: 'message' | 'slice' | UnionKind; readonly message: Message };
export type PlainKind =
  | 'string'
  | 'bool'
  | 'int32'
  | 'int64'
  | 'double'
  | 'bytes'
  | 'time'
  | 'micro-time'
  | 'duration'
  | 'json'
  | 'quantity'
  | 'int-or-string';
export type UnionKind = 'schema-or-array' | 'schema-or-bool' | 'schema-or-strings';

interface Facts {
  /** API version to package, e.g. `apps/v1` to `k8s.io.api.apps.v1`. */
  readonly packages: Readonly<Record<string, string>>;
  /** Full name, then the fields as tools/generate-protobuf-facts.ts says. */
  readonly messages: readonly (readonly string[])[];
}

const metaPackage = 'k8s.io.apimachinery.pkg.apis.meta.v1';
const schemaProps = 'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';

let facts: Facts | undefined;
let indexes: ReadonlyMap<string, number> | undefined;
const built: (Message | undefined)[] = [];

/**
 * The message of a kind; undefined when it has none (custom resources, Table). Kinds of meta/v1 such as DeleteOptions
 * belong to every API version. The numbers are read from their file when somebody first asks.
 */
export function messageOf(apiVersion: string, kind: string): Message | undefined {
  const { packages } = load();
  const own = Object.hasOwn(packages, apiVersion) ? packages[apiVersion] : undefined;
  if (own === undefined) return undefined;
  return findMessage(`${own}.${kind}`) ?? findMessage(`${metaPackage}.${kind}`);
}

/** The same by its full name, e.g. `k8s.io.api.core.v1.PodSpec`. */
export function findMessage(fullName: string): Message | undefined {
  const { messages } = load();
  indexes ??= new Map(messages.map((line, index) => [line[0] ?? '', index]));
  const index = indexes.get(fullName);
  return index === undefined ? undefined : messageAt(index);
}

/** API versions and kinds that have a message, e.g. `['apps/v1', 'Deployment']`: every type in their packages. */
export function messageNames(): readonly (readonly [apiVersion: string, name: string])[] {
  const { packages, messages } = load();
  return Object.entries(packages).flatMap(([apiVersion, prefix]) =>
    messages
      .map(([name = '']) => name)
      .filter((name) => name.startsWith(`${prefix}.`))
      .map((name) => [apiVersion, name.slice(prefix.length + 1)] as const),
  );
}

function load(): Facts {
  facts ??= JSON.parse(readFileSync(new URL('./numbers.gen.json', import.meta.url), 'utf8')) as Facts;
  return facts;
}

function messageAt(index: number): Message {
  const message = built[index] ?? new BuiltinMessage(load().messages[index] ?? []);
  built[index] = message;
  return message;
}

interface Tables {
  readonly byNumber: ReadonlyMap<number, MessageField>;
  readonly byName: ReadonlyMap<string, MessageField>;
  readonly embedded: readonly MessageField[];
}

// Fields are parsed when something first asks for them: most messages are never used.
class BuiltinMessage implements Message {
  readonly name: string;
  #line: readonly string[];
  #tables: Tables | undefined;

  constructor(line: readonly string[]) {
    const fullName = line[0] ?? '';
    this.name = fullName.slice(fullName.lastIndexOf('.') + 1);
    this.#line = line;
  }

  get byNumber(): ReadonlyMap<number, MessageField> {
    return this.#fields().byNumber;
  }

  get byName(): ReadonlyMap<string, MessageField> {
    return this.#fields().byName;
  }

  get embedded(): readonly MessageField[] {
    return this.#fields().embedded;
  }

  #fields(): Tables {
    if (this.#tables === undefined) {
      const fields = this.#line.slice(1).map(parseField);
      const descending = fields.toSorted((a, b) => b.number - a.number);
      this.#tables = {
        byNumber: new Map(fields.map((field) => [field.number, field])),
        byName: new Map(descending.filter(({ shape }) => shape !== 'embedded').map((field) => [field.name, field])),
        embedded: descending.filter(({ shape }) => shape === 'embedded'),
      };
      this.#line = [];
    }
    return this.#tables;
  }
}

const shapes: Readonly<Record<string, MessageField['shape']>> = { '[': 'list', '{': 'map', '<': 'embedded' };

function parseField(text: string): MessageField {
  const [number = '', name = '', type = '', goName] = text.split('|');
  const shape = shapes[type.charAt(0)];
  return {
    number: Number(number),
    name,
    goName: goName ?? name.charAt(0).toUpperCase() + name.slice(1),
    shape: shape ?? 'single',
    type: parseType(shape === undefined ? type : type.slice(1)),
  };
}

const plainKinds: Readonly<Record<string, PlainKind>> = {
  s: 'string',
  b: 'bool',
  i: 'int32',
  l: 'int64',
  d: 'double',
  y: 'bytes',
  t: 'time',
  m: 'micro-time',
  n: 'duration',
  r: 'json',
  q: 'quantity',
  o: 'int-or-string',
};
const unionKinds: Readonly<Record<string, UnionKind>> = {
  A: 'schema-or-array',
  B: 'schema-or-bool',
  S: 'schema-or-strings',
};

function parseType(type: string): ValueType {
  const plain = plainKinds[type];
  if (plain !== undefined) return { kind: plain };
  const union = unionKinds[type];
  if (union !== undefined) {
    const message = findMessage(schemaProps);
    if (message === undefined) throw new WherryError('UNKNOWN_TYPE', `there is no message ${schemaProps}`);
    return { kind: union, message };
  }
  const isSlice = type.startsWith('~');
  return { kind: isSlice ? 'slice' : 'message', message: messageAt(Number(isSlice ? type.slice(1) : type)) };
}
