export type TomlValue = string | number | boolean | readonly TomlValue[];
export interface TomlTable {
  readonly [key: string]: TomlValue | TomlTable;
}

/** A TOML 1.0 document: the values of a table first, then its tables, each under its full name. Keys keep their order. */
export function writeToml(table: TomlTable): string {
  const lines: string[] = [];
  writeTable(lines, table, []);
  return `${lines.join('\n')}\n`;
}

function writeTable(lines: string[], table: TomlTable, path: readonly string[]): void {
  const tables: [string, TomlTable][] = [];
  const values: string[] = [];
  for (const [key, value] of Object.entries(table)) {
    if (isTable(value)) tables.push([key, value]);
    else values.push(`${quoteKey(key)} = ${writeValue(value)}`);
  }
  // A table that holds nothing but tables needs no heading of its own.
  if (path.length > 0 && (values.length > 0 || tables.length === 0)) {
    if (lines.length > 0) lines.push('');
    lines.push(`[${path.map(quoteKey).join('.')}]`);
  }
  lines.push(...values);
  for (const [key, inner] of tables) writeTable(lines, inner, [...path, key]);
}

function isTable(value: TomlValue | TomlTable): value is TomlTable {
  return typeof value === 'object' && !Array.isArray(value);
}

function writeValue(value: TomlValue): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value !== 'object') return String(value);
  return `[${value.map(writeValue).join(', ')}]`;
}

function quoteKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : quote(key);
}

/** JSON's escapes are TOML's, but for DEL, which TOML wants escaped too. */
function quote(text: string): string {
  return JSON.stringify(text).replaceAll('\x7f', '\\u007f');
}
