/**
 * How Go writes values in messages: `encoding/json` (struct members in the order of declaration, map keys sorted, `<`, `>`
 * and `&` escaped) and `fmt`'s %q. Kubernetes' error texts carry such renderings, and clients compare them.
 */

/** encoding/json's Marshal of plain JSON data whose objects are already in the order wanted. */
export function goJson(value: unknown): string {
  return escapeForHtml(JSON.stringify(value));
}

/** encoding/json's MarshalIndent with one space a level. */
export function goJsonIndented(value: unknown): string {
  return escapeForHtml(JSON.stringify(value, null, 1));
}

function escapeForHtml(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (character) => `\\u${hex(character.charCodeAt(0), 4)}`);
}

const shortEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

/** strconv.Quote, which is fmt's %q: printable characters as they are, others escaped. */
export function goQuote(text: string): string {
  let quoted = '"';
  for (const character of text) quoted += shortEscapes[character] ?? escapeUnprintable(character);
  return `${quoted}"`;
}

// Go calls letters, marks, numbers, punctuation, symbols and the ASCII space printable.
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

function escapeUnprintable(character: string): string {
  if (printable.test(character)) return character;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x80) return `\\x${hex(code, 2)}`;
  return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}

/** True when Go's unicode.IsPrint holds for the character. */
export function isGoPrintable(character: string): boolean {
  return printable.test(character);
}

/** fmt's %q of a list of strings: `["In" "NotIn"]`. */
export function goQuoteList(values: readonly string[]): string {
  return `[${values.map(goQuote).join(' ')}]`;
}

/** A copy of JSON data with the keys of all objects sorted, as Go marshals maps. */
export function withSortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSortedKeys);
  if (typeof value !== 'object' || value === null) return value;
  const sorted: Record<string, unknown> = {};
  for (const key of Object.keys(value).sort(byBytes)) sorted[key] = withSortedKeys(Reflect.get(value, key));
  return sorted;
}

/** Go compares strings by their UTF-8 bytes; that is the order of code points, not of UTF-16 units. */
export function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
