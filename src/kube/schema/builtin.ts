import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { WherryError } from '../../core/errors.ts';
import type { Json } from '../../core/json.ts';
import type { Field, ListSchema, ObjectSchema, Scalar, Schema } from './schema.ts';

/** A line of facts.gen.json: full name, Go name (with `!` when atomic), then the fields as tools/generate-facts.ts says. */
type FactLine = readonly string[];

let lines: readonly FactLine[] | undefined;
let digest: string | undefined;
let byName: Map<string, number> | undefined;
const built: (ObjectSchema | undefined)[] = [];

/** The shape of a built-in type, e.g. `io.k8s.api.core.v1.Pod`. Throws UNKNOWN_TYPE for a name that the facts lack. */
export function schemaOf(typeName: string): ObjectSchema {
  const schema = findSchema(typeName);
  if (schema === undefined) throw new WherryError('UNKNOWN_TYPE', `there is no built-in type ${typeName}`);
  return schema;
}

/** The same, undefined for a name that the facts lack. */
export function findSchema(typeName: string): ObjectSchema | undefined {
  const all = load();
  byName ??= new Map(all.map((line, index) => [line[0] ?? '', index]));
  const index = byName.get(typeName);
  return index === undefined ? undefined : schemaAt(index);
}

/** Changes with the facts: by it, what was made from them is known to be the same. */
export function factsDigest(): string {
  digest ??= createHash('sha256').update(JSON.stringify(load())).digest('hex');
  return digest;
}

/** Full names of all built-in types. */
export function builtinTypeNames(): readonly string[] {
  return load().map((line) => line[0] ?? '');
}

let goStructs: ReadonlySet<string> | undefined;

/** True for the Go name of a struct, e.g. `v1.PodSpec`; named strings such as `v1.RestartPolicy` are none. */
export function isGoStruct(goType: string): boolean {
  goStructs ??= new Set(load().map((line) => (line[1] ?? '').replace(/!$/, '')));
  return goStructs.has(goType);
}

function load(): readonly FactLine[] {
  lines ??= JSON.parse(readFileSync(new URL('./facts.gen.json', import.meta.url), 'utf8')) as readonly FactLine[];
  return lines;
}

function schemaAt(index: number): ObjectSchema {
  const known = built[index];
  if (known !== undefined) return known;
  const schema = new BuiltinType(load()[index] ?? []);
  built[index] = schema;
  return schema;
}

// Fields are parsed when something first asks for them: types refer to each other in cycles, and most are never used.
class BuiltinType implements ObjectSchema {
  readonly type = 'object';
  readonly typeName: string;
  readonly name: string;
  readonly goType: string;
  readonly atomic: boolean;
  #line: FactLine;
  #fields: ReadonlyMap<string, Field> | undefined;

  constructor(line: FactLine) {
    const head = line[1] ?? '';
    this.typeName = line[0] ?? '';
    this.atomic = head.endsWith('!');
    this.goType = this.atomic ? head.slice(0, -1) : head;
    this.name = this.goType.slice(this.goType.indexOf('.') + 1);
    this.#line = line;
  }

  get fields(): ReadonlyMap<string, Field> {
    if (this.#fields === undefined) {
      const goPackage = this.goType.slice(0, this.goType.indexOf('.'));
      this.#fields = new Map(this.#line.slice(2).map((text) => parseField(text, goPackage)));
      this.#line = [];
    }
    return this.#fields;
  }
}

type Flags = ReadonlyMap<string, string>;

function parseField(text: string, goPackage: string): [string, Field] {
  const [name = '', type = '*', ...rest] = text.split('|');
  const flags: Flags = new Map(
    (rest.length === 0 ? [] : rest.join('|').split(';')).map((flag) => [flag.charAt(0), flag.slice(2)]),
  );
  const strategies = flags.get('s');
  const field: Field = {
    schema: parseType(type, flags, goPackage),
    required: flags.has('r'),
    patchStrategy: strategies === undefined ? [] : strategies.split(',').filter(isPatchStrategy),
    ...jsonFlag(flags, 'd', 'default'),
    ...jsonFlag(flags, 'z', 'zero'),
    ...(flags.has('k') && { patchMergeKey: flags.get('k') ?? '' }),
    ...(flags.has('p') && { pointer: true }),
    ...(flags.has('i') && { embedded: flags.get('i') ?? '' }),
  };
  return [name, field];
}

function jsonFlag(flags: Flags, flag: string, member: 'default' | 'zero'): { [K in typeof member]?: Json } {
  const text = flags.get(flag);
  return text === undefined ? {} : { [member]: JSON.parse(text) as Json };
}

function isPatchStrategy(text: string): text is Field['patchStrategy'][number] {
  return text === 'merge' || text === 'replace' || text === 'retainKeys';
}

const scalarOf: Readonly<Record<string, Scalar>> = {
  s: 'string',
  b: 'boolean',
  i: 'int32',
  l: 'int64',
  d: 'double',
  y: 'bytes',
  t: 'time',
  m: 'micro-time',
  q: 'quantity',
  o: 'int-or-string',
};

const noFlags: Flags = new Map();

function parseType(type: string, flags: Flags, goPackage: string): Schema {
  const inner = type.slice(1);
  switch (type.charAt(0)) {
    case '[':
      return {
        type: 'list',
        items: parseType(inner, elementFlags(flags), goPackage),
        ...listMerging(flags.get('l') ?? ''),
      };
    case '{': {
      const goName = flags.get('g');
      const namesMap = goName !== undefined && (goName === 'ResourceList' || goName.startsWith('map['));
      return {
        type: 'map',
        values: parseType(inner, namesMap ? noFlags : elementFlags(flags), goPackage),
        atomic: flags.has('a'),
        ...(namesMap && { goType: qualify(goName, goPackage) }),
      };
    }
    case '*':
      // Server-side apply takes what has no type of its own for one value.
      return { type: 'any', atomic: true };
    case '?':
      return { type: 'any', atomic: false, objects: schemaAt(Number(inner)) };
  }
  const scalar = scalarOf[type];
  if (scalar === undefined) return flags.has('n') ? granular(schemaAt(Number(type))) : schemaAt(Number(type));
  const values = flags.get('e');
  const goName = flags.get('g');
  return {
    type: 'scalar',
    scalar,
    ...(goName !== undefined && { goType: qualify(goName, goPackage) }),
    ...(values !== undefined && { enum: values.split(',') }),
  };
}

/** An atomic struct in a place where its members may have different owners. */
function granular(schema: ObjectSchema): ObjectSchema {
  return {
    type: 'object',
    atomic: false,
    ...(schema.typeName !== undefined && { typeName: schema.typeName }),
    ...(schema.name !== undefined && { name: schema.name }),
    ...(schema.goType !== undefined && { goType: schema.goType }),
    get fields() {
      return schema.fields;
    },
  };
}

function elementFlags(flags: Flags): Flags {
  return new Map([...flags].filter(([flag]) => flag === 'e' || flag === 'g'));
}

function listMerging(text: string): Pick<ListSchema, 'listType' | 'mapKeys'> {
  if (text === 'set') return { listType: 'set', mapKeys: [] };
  if (text.startsWith('map:')) return { listType: 'map', mapKeys: text.slice(4).split(',') };
  return { listType: 'atomic', mapKeys: [] };
}

function qualify(goName: string, goPackage: string): string {
  return goName.includes('.') ? goName : `${goPackage}.${goName}`;
}
