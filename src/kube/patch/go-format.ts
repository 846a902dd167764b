import type { Json, JsonObject } from '../../core/json.ts';
import { isObject } from '../../core/json.ts';
import { byBytes, goQuote } from '../go-json.ts';

/** How Go's encoding/json names the type of a JSON value in its error messages. */
export function goJsonType(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return typeof value;
}

/** Go's type of a decoded JSON value, as `%T` prints it. */
export function goTypeName(value: Json): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
    case 'number':
      return Number.isInteger(value) ? 'int64' : 'float64';
    default:
      return 'map[string]interface {}';
  }
}

/** A decoded JSON value as Go's `%v` prints it: `map[a:1 b:[x y]]`, map keys sorted. */
export function goFormat(value: Json): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goFormat).join(' ')}]`;
  if (!isObject(value)) return goNumberOrText(value);
  const members = value as JsonObject;
  const parts = Object.keys(members)
    .sort(byBytes)
    .map((key) => `${key}:${goFormat(members[key] ?? null)}`);
  return `map[${parts.join(' ')}]`;
}

/** A decoded JSON value as Go's `%#v` prints it inside an interface: `map[string]interface {}{"a":1}`. */
export function goSyntax(value: Json): string {
  if (value === null) return 'interface {}(nil)';
  if (typeof value === 'string') return goQuote(value);
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`;
  if (!isObject(value)) return goNumberOrText(value);
  const members = value as JsonObject;
  const parts = Object.keys(members)
    .sort(byBytes)
    .map((key) => `${goQuote(key)}:${goSyntax(members[key] ?? null)}`);
  return `map[string]interface {}{${parts.join(', ')}}`;
}

function goNumberOrText(value: Json): string {
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value);
  // Go's %v of a float64 is %g: an exponent of at least two digits, used below 1e-4 and from 1e21 on.
  const magnitude = Math.abs(value);
  const text = magnitude < 1e-4 || magnitude >= 1e21 ? value.toExponential() : String(value);
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}
