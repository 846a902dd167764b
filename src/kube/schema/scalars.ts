import { describeError } from '../../core/errors.ts';
import { canonicalQuantity, formatQuantity, milliQuantity, parseQuantity, quantityMilliValue } from '../quantity.ts';
import { normaliseTime } from './go-time.ts';
import type { Scalar } from './schema.ts';

/**
 * A value in its canonical form, or what is wrong: a sentence of Go's, or `type` when the JSON value has another type
 * than Go's `goType` (`shown` is how Go names the value when that is more than its kind).
 */
export interface ScalarResult {
  readonly value?: unknown;
  readonly error?: string;
  readonly goType: string;
  readonly shown?: string;
}

/** How Go's decoder names the kind of a JSON value. */
export function goKind(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return typeof value;
}

const mismatch = (goType: string): ScalarResult => ({ error: 'type', goType });

/** Reads one scalar as Go does. `roundsToMilli`: quantities of resource lists have no fractions below a thousandth. */
export function decodeScalar(scalar: Scalar, value: unknown, roundsToMilli = false): ScalarResult {
  switch (scalar) {
    case 'string':
      return typeof value === 'string' ? { value, goType: 'string' } : mismatch('string');
    case 'boolean':
      return typeof value === 'boolean' ? { value, goType: 'bool' } : mismatch('bool');
    case 'int32':
      return integer(value, 'int32', -2147483648, 2147483647);
    case 'int64':
      return integer(value, 'int64', -(2 ** 63), 2 ** 63);
    case 'double':
      return typeof value === 'number' ? { value, goType: 'float64' } : mismatch('float64');
    case 'bytes':
      return bytes(value);
    case 'time':
    case 'micro-time':
      return time(value, scalar);
    case 'quantity':
      return quantity(value, roundsToMilli);
    case 'duration':
      return typeof value === 'string' ? { value, goType: 'string' } : mismatch('string');
    case 'int-or-string':
      return typeof value === 'string' ? { value, goType: 'string' } : integer(value, 'int32', -2147483648, 2147483647);
  }
}

function integer(value: unknown, goType: string, low: number, high: number): ScalarResult {
  if (typeof value !== 'number') return mismatch(goType);
  if (Number.isInteger(value) && value >= low && value <= high) return { value, goType };
  return { error: 'type', goType, shown: `number ${value}` };
}

function bytes(value: unknown): ScalarResult {
  const goType = '[]uint8';
  if (typeof value !== 'string') return mismatch(goType);
  const bad = corruptBase64At(value);
  if (bad !== undefined) return { error: `illegal base64 data at input byte ${bad}`, goType };
  return { value: /[\r\n]/.test(value) ? value.replaceAll(/[\r\n]/g, '') : value, goType };
}

const wellFormed = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Where Go's base64.StdEncoding stumbles; undefined when it does not. Line breaks are ignored. */
function corruptBase64At(text: string): number | undefined {
  if (wellFormed.test(text)) return undefined;
  let inQuantum = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '\r' || character === '\n') continue;
    if (/[A-Za-z0-9+/]/.test(character)) {
      inQuantum = (inQuantum + 1) % 4;
      continue;
    }
    if (character !== '=' || inQuantum < 2) return at;
    return badPadding(text, at, inQuantum);
  }
  // Go reports the start of the quantum that the text breaks off in.
  return inQuantum === 0 ? undefined : text.length - inQuantum;
}

function badPadding(text: string, at: number, inQuantum: number): number | undefined {
  let next = skipBreaks(text, at + 1);
  if (inQuantum === 2) {
    if (next >= text.length) return text.length;
    if (text.charAt(next) !== '=') return next;
    next = skipBreaks(text, next + 1);
  }
  return next < text.length ? next : undefined;
}

function skipBreaks(text: string, from: number): number {
  let at = from;
  while (text.charAt(at) === '\r' || text.charAt(at) === '\n') at++;
  return at;
}

function time(value: unknown, kind: 'time' | 'micro-time'): ScalarResult {
  if (typeof value !== 'string') return mismatch('string');
  const result = normaliseTime(value, kind);
  return 'error' in result ? { error: result.error, goType: 'string' } : { value: result.text, goType: 'string' };
}

function quantity(value: unknown, roundsToMilli: boolean): ScalarResult {
  const goType = 'resource.Quantity';
  // Go parses the JSON text of any value, so a boolean or a list is a malformed quantity.
  const text = typeof value === 'string' ? value.trim() : typeof value === 'number' ? value : JSON.stringify(value);
  try {
    const canonical = canonicalQuantity(text);
    return { value: roundsToMilli && /[nu]$|e-/.test(canonical) ? roundUpToMilli(canonical) : canonical, goType };
  } catch (error) {
    return { error: describeError(error), goType };
  }
}

function roundUpToMilli(text: string): string {
  const parsed = parseQuantity(text);
  return formatQuantity({ ...milliQuantity(quantityMilliValue(parsed)), format: parsed.format });
}
