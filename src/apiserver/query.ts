/** A request's query parameters, decoded as Go's url.ParseQuery does: pairs with a bad escape or a semicolon are dropped. */
export class Query {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  private constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  static readonly empty = new Query(new Map());

  static parse(text: string): Query {
    if (text === '') return Query.empty;
    const values = new Map<string, string[]>();
    for (const pair of text.split('&')) {
      if (pair === '' || pair.includes(';')) continue;
      const equals = pair.indexOf('=');
      const key = decodeComponent(equals < 0 ? pair : pair.slice(0, equals));
      const value = equals < 0 ? '' : decodeComponent(pair.slice(equals + 1));
      if (key === null || value === null) continue;
      const list = values.get(key);
      if (list === undefined) values.set(key, [value]);
      else list.push(value);
    }
    return new Query(values);
  }

  static from(record: Readonly<Record<string, string>> | undefined): Query {
    if (record === undefined) return Query.empty;
    return new Query(new Map(Object.entries(record).map(([key, value]) => [key, [value]])));
  }

  /** The first value, undefined when the parameter is absent. */
  get(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  entries(): Iterable<readonly [string, readonly string[]]> {
    return this.#values;
  }
}

function decodeComponent(text: string): string | null {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}
