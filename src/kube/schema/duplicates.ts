import type { ObjectSchema, Schema } from './schema.ts';

/** Go's decoder stops counting here what is unknown or double. */
export const maxStrictErrors = 100;

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;

/** How many members all objects of a JSON text have together: its colons outside strings. */
export function countKeys(raw: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at];
    if (byte === colon) count++;
    else if (byte === quote) {
      at++;
      while (at < raw.length && raw[at] !== quote) at += raw[at] === backslash ? 2 : 1;
    }
  }
  return count;
}

/**
 * The unknown and the duplicate fields of a JSON text, in its order, as Go's strict decoder words them. The text is
 * known to be valid JSON; this is the slow way, for texts that are known to hold duplicates.
 */
export function strictErrorsOf(schema: ObjectSchema, raw: Uint8Array): readonly string[] {
  const scanner = new Scanner(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('utf8'));
  scanner.value(schema, '');
  return [...scanner.errors].slice(0, maxStrictErrors);
}

class Scanner {
  readonly errors = new Set<string>();
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Reads one value; `schema` undefined: a value that Go skips or keeps as it is. */
  value(schema: Schema | undefined, path: string): void {
    this.#space();
    const first = this.#text.charAt(this.#at);
    if (first === '{') this.#object(schema, path);
    else if (first === '[') this.#array(schema, path);
    else if (first === '"') this.#string();
    else while (this.#at < this.#text.length && !/[\s,}\]]/.test(this.#text.charAt(this.#at))) this.#at++;
  }

  #object(schema: Schema | undefined, path: string): void {
    const seen = new Set<string>();
    this.#at++;
    for (this.#space(); this.#text.charAt(this.#at) !== '}'; this.#space()) {
      const name = this.#string();
      this.#space();
      this.#at++;
      const memberPath = path === '' ? name : `${path}.${name}`;
      const member = this.#member(schema, name, memberPath);
      if (member !== undefined && seen.has(name)) this.errors.add(`duplicate field "${memberPath}"`);
      seen.add(name);
      this.value(member, memberPath);
      this.#space();
      if (this.#text.charAt(this.#at) === ',') this.#at++;
    }
    this.#at++;
  }

  #member(schema: Schema | undefined, name: string, path: string): Schema | undefined {
    if (schema?.type === 'map') return schema.values;
    if (schema?.type !== 'object') return undefined;
    const field = schema.fields.get(name);
    if (field !== undefined) return field.schema;
    if (schema.additional === undefined) this.errors.add(`unknown field "${path}"`);
    return schema.additional;
  }

  #array(schema: Schema | undefined, path: string): void {
    const items = schema?.type === 'list' ? schema.items : undefined;
    this.#at++;
    this.#space();
    for (let index = 0; this.#text.charAt(this.#at) !== ']'; index++) {
      this.value(items, `${path}[${index}]`);
      this.#space();
      if (this.#text.charAt(this.#at) === ',') this.#at++;
      this.#space();
    }
    this.#at++;
  }

  #string(): string {
    const start = this.#at++;
    while (this.#text.charAt(this.#at) !== '"') this.#at += this.#text.charAt(this.#at) === '\\' ? 2 : 1;
    this.#at++;
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #space(): void {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at++;
  }
}
