/**
 * YAML as sigs.k8s.io/yaml writes it: members sorted, two spaces a level, lists not indented under their key, long
 * scalars folded at 80 columns, and strings quoted where YAML 1.1 would read something else.
 */
export function toYaml(value: unknown): string {
  const text = block(value, 0, 0);
  return `${text.startsWith('\n') ? text.slice(1) : text.trimStart()}\n`;
}

const foldColumn = 80;

// The text behind a key or a dash: scalars and empty collections begin with a space, others with a line break.
function block(value: unknown, indent: number, column: number): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return ' []';
    const pad = ' '.repeat(indent);
    return value.map((item) => `\n${pad}-${inItem(item, indent)}`).join('');
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    if (members.length === 0) return ' {}';
    members.sort(([a], [b]) => compareKeys(a, b));
    const pad = ' '.repeat(indent);
    return members
      .map(([key, member]) => {
        const name = scalarText(key, indent + 2, indent, true);
        const inner = Array.isArray(member) ? indent : indent + 2;
        return `\n${pad}${name}:${block(member, inner, indent + name.length + 2)}`;
      })
      .join('');
  }
  return ` ${scalarText(value, indent, column, false)}`;
}

// A collection that is a list's item begins on the dash's own line.
function inItem(item: unknown, indent: number): string {
  const text = block(item, indent + 2, indent + 2);
  return text.startsWith('\n') ? ` ${text.slice(indent + 3)}` : text;
}

function scalarText(value: unknown, indent: number, column: number, isKey: boolean): string {
  if (typeof value !== 'string') return value === null || value === undefined ? 'null' : numberText(value);
  if (value === '' || resolvesToOther(value) || mustEscape(value)) return doubleQuoted(value, indent, column, isKey);
  if (value.includes('\n')) return isKey ? doubleQuoted(value, indent, column, true) : literal(value, indent);
  if (allowsPlain(value)) return folded(value, indent, column, isKey);
  return `'${folded(value.replaceAll("'", "''"), indent, column + 1, isKey)}'`;
}

function numberText(value: unknown): string {
  return typeof value === 'number' && Math.abs(value) >= 1e21 ? value.toExponential() : String(value);
}

const otherInYaml =
  /^(?:y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF|true|True|TRUE|false|False|FALSE|null|Null|NULL|~|<<|=|\.nan|\.NaN|\.NAN|[-+]?\.(?:inf|Inf|INF))$/;
const numberInYaml =
  /^[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|(?:[0-9][0-9_]*)?\.?[0-9_]*(?:[eE][-+]?[0-9]+)?)$/;
const timestampInYaml =
  /^\d{4}-\d{1,2}-\d{1,2}(?:$|[Tt\s]+\d{1,2}:\d{2}:\d{2}(?:\.\d*)?\s*(?:Z|[-+]\d{1,2}(?::?\d{2})?)?$)/;

function resolvesToOther(text: string): boolean {
  if (otherInYaml.test(text) || timestampInYaml.test(text)) return true;
  return /^[-+.0-9]/.test(text) && /[0-9]/.test(text) && numberInYaml.test(text);
}

function mustEscape(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  return /[\x00-\x09\x0b-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])/.test(text);
}

function allowsPlain(text: string): boolean {
  if (/^[\s]|[\s]$/.test(text)) return false;
  if (/^(?:---|\.\.\.)/.test(text)) return false;
  if (/^[#,[\]{}&*!|>'"%@`]/.test(text)) return false;
  if (/^[-?:](?:\s|$)/.test(text)) return false;
  return !/: |:$| #/.test(text);
}

function literal(text: string, indent: number): string {
  const hint = /^[ \n]/.test(text) ? '2' : '';
  const chomp = text.endsWith('\n') ? (text.endsWith('\n\n') || text === '\n' ? '+' : '') : '-';
  const pad = ' '.repeat(indent);
  const body = chomp === '' || chomp === '+' ? text.slice(0, -1) : text;
  return `|${hint}${chomp}\n${body
    .split('\n')
    .map((line) => (line === '' ? '' : pad + line))
    .join('\n')}`;
}

// Breaks at single spaces once the column limit is passed, as libyaml does.
function folded(text: string, indent: number, column: number, isKey: boolean): string {
  if (isKey || column + text.length <= foldColumn) return text;
  const pad = ' '.repeat(Math.max(indent, 2));
  let result = '';
  let at = column;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    const isBreak =
      character === ' ' &&
      at > foldColumn &&
      index > 0 &&
      index < text.length - 1 &&
      text[index - 1] !== ' ' &&
      text[index + 1] !== ' ';
    if (isBreak) {
      result += `\n${pad}`;
      at = pad.length;
    } else {
      result += character;
      at += 1;
    }
  }
  return result;
}

const escapes: Readonly<Record<string, string>> = {
  '\0': '\\0',
  '\x07': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\x1b': '\\e',
  '"': '\\"',
  '\\': '\\\\',
  '\u0085': '\\N',
  '\u2028': '\\L',
  '\u2029': '\\P',
};

function doubleQuoted(text: string, indent: number, column: number, isKey: boolean): string {
  const pad = ' '.repeat(Math.max(indent, 2));
  let result = '"';
  let at = column + 1;
  const characters = [...text];
  for (const [index, character] of characters.entries()) {
    if (character === ' ' && !isKey && at > foldColumn && index > 0 && index < characters.length - 1) {
      result += `\n${pad}${characters[index + 1] === ' ' ? '\\' : ''}`;
      at = pad.length;
      continue;
    }
    const piece = escapes[character] ?? (mustEscape(character) ? hexEscape(character) : character);
    result += piece;
    at += piece.length;
  }
  return `${result}"`;
}

function hexEscape(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${code.toString(16).toUpperCase().padStart(2, '0')}`;
  if (code <= 0xffff) return `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`;
  return `\\U${code.toString(16).toUpperCase().padStart(8, '0')}`;
}

// Members in go-yaml's order: letters after other characters, numbers by value.
function compareKeys(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  let inNumber = false;
  for (let index = 0; index < left.length && index < right.length; index += 1) {
    const l = left[index] ?? '';
    const r = right[index] ?? '';
    if (l === r) {
      inNumber = isDigit(l);
      continue;
    }
    const leftIsLetter = isLetter(l);
    const rightIsLetter = isLetter(r);
    if (leftIsLetter && rightIsLetter) return l < r ? -1 : 1;
    if (leftIsLetter || rightIsLetter) return inNumber ? (leftIsLetter ? -1 : 1) : leftIsLetter ? 1 : -1;
    const numbers = compareNumbers(left, right, index);
    if (numbers !== 0) return numbers;
    return l < r ? -1 : 1;
  }
  return left.length - right.length;
}

function compareNumbers(left: readonly string[], right: readonly string[], from: number): number {
  const a = /^\d*/.exec(left.slice(from).join(''))?.[0] ?? '';
  const b = /^\d*/.exec(right.slice(from).join(''))?.[0] ?? '';
  if (a === '' || b === '') return 0;
  const difference = BigInt(a) - BigInt(b);
  return difference === 0n ? a.length - b.length : difference < 0n ? -1 : 1;
}

function isDigit(character: string): boolean {
  return /\p{Nd}/u.test(character);
}

function isLetter(character: string): boolean {
  return /\p{L}/u.test(character);
}
