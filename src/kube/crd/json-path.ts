import type { Json } from '../../core/json.ts';
import { isJsonArray, isJsonObject, jsonEqual, member } from '../patch/json-object.ts';

/** A JSONPath as printer columns and `kubectl -o jsonpath` write it, without the braces: `.spec.items[?(@.on==true)].name`. */
export type JsonPath = readonly Step[];

type Step =
  | { readonly type: 'fields'; readonly names: readonly string[] }
  | { readonly type: 'all' }
  | { readonly type: 'descend' }
  | { readonly type: 'slice'; readonly from: number | null; readonly to: number | null; readonly by: number }
  | { readonly type: 'indexes'; readonly indexes: readonly number[] }
  | { readonly type: 'filter'; readonly left: Operand; readonly operator: string; readonly right: Operand };

type Operand = { readonly path: JsonPath } | { readonly value: Json };

/** Reads a path. Undefined when it is none. */
export function parseJsonPath(text: string): JsonPath | undefined {
  const steps: Step[] = [];
  let rest = text;
  while (rest !== '') {
    const parsed = parseStep(rest);
    if (parsed === undefined) return undefined;
    if (parsed.step !== null) steps.push(parsed.step);
    rest = rest.slice(parsed.length);
  }
  return steps;
}

function parseStep(text: string): { readonly step: Step | null; readonly length: number } | undefined {
  if (text.startsWith('..')) return { step: { type: 'descend' }, length: text[2] === '[' ? 2 : 1 };
  if (text.startsWith('.[')) return { step: null, length: 1 };
  if (text === '.' || text === '$' || text === '@') return { step: null, length: 1 };
  if (text.startsWith('$') || text.startsWith('@')) return { step: null, length: 1 };
  const named = /^\.((?:\\.|[^.[\]\\{}() |=<>!'"])+)/.exec(text);
  if (named !== null) {
    const name = (named[1] ?? '').replace(/\\(.)/g, '$1');
    return { step: name === '*' ? { type: 'all' } : { type: 'fields', names: [name] }, length: named[0].length };
  }
  if (!text.startsWith('[')) return undefined;
  const end = closingBracket(text);
  const step = end < 0 ? undefined : parseBrackets(text.slice(1, end).trim());
  return step === undefined ? undefined : { step, length: end + 1 };
}

function closingBracket(text: string): number {
  let depth = 0;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if (quote !== '') {
      if (character === '\\') at++;
      else if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '[') depth++;
    else if (character === ']' && --depth === 0) return at;
  }
  return -1;
}

const quotedList = /^(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")(?:\s*,\s*(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"))*$/;
const filterForm = /^\?\((.*)\)$/s;

function parseBrackets(inner: string): Step | undefined {
  if (inner === '*') return { type: 'all' };
  if (quotedList.test(inner)) {
    const names = inner.match(/'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"/g) ?? [];
    return { type: 'fields', names: names.map((name) => name.slice(1, -1).replace(/\\(.)/g, '$1')) };
  }
  if (/^-?\d+(\s*,\s*-?\d+)*$/.test(inner)) return { type: 'indexes', indexes: inner.split(',').map(Number) };
  const slice = /^(-?\d*):(-?\d*)(?::(-?\d*))?$/.exec(inner);
  if (slice !== null) {
    const bound = (text: string | undefined) => (text === undefined || text === '' ? null : Number(text));
    const by = bound(slice[3]) ?? 1;
    return by < 1 ? undefined : { type: 'slice', from: bound(slice[1]), to: bound(slice[2]), by };
  }
  const filter = filterForm.exec(inner);
  return filter === null ? undefined : parseFilter(filter[1] ?? '');
}

function parseFilter(text: string): Step | undefined {
  const match = /^(.*?)\s*(==|!=|<=|>=|<|>)\s*(.*)$/s.exec(text.trim());
  const left = parseOperand(match === null ? text.trim() : (match[1] ?? ''));
  if (left === undefined) return undefined;
  if (match === null) return { type: 'filter', left, operator: 'exists', right: { value: null } };
  const right = parseOperand(match[3] ?? '');
  return right === undefined ? undefined : { type: 'filter', left, operator: match[2] ?? '', right };
}

function parseOperand(text: string): Operand | undefined {
  if (text.startsWith('@') || text.startsWith('$') || text.startsWith('.')) {
    const path = parseJsonPath(text);
    return path === undefined ? undefined : { path };
  }
  if (/^'.*'$/s.test(text)) return { value: text.slice(1, -1).replace(/\\(.)/g, '$1') };
  try {
    return { value: JSON.parse(text) as Json };
  } catch {
    return undefined;
  }
}

/** What a path finds in a value, in order. */
export function findByPath(path: JsonPath, value: Json): readonly Json[] {
  let found: readonly Json[] = [value];
  for (const step of path) found = found.flatMap((one) => take(step, one));
  return found;
}

function take(step: Step, value: Json): readonly Json[] {
  switch (step.type) {
    case 'fields': {
      if (!isJsonObject(value)) return [];
      return step.names.map((name) => member(value, name)).filter((one) => one !== undefined);
    }
    case 'all':
      return membersOf(value);
    case 'descend':
      return [value, ...membersOf(value).flatMap((inner) => take(step, inner))];
    case 'indexes': {
      if (!isJsonArray(value)) return [];
      return step.indexes.flatMap((index) => {
        const at = index < 0 ? index + value.length : index;
        return at in value ? [value[at] as Json] : [];
      });
    }
    case 'slice':
      return isJsonArray(value)
        ? value.slice(step.from ?? 0, step.to ?? undefined).filter((_, index) => index % step.by === 0)
        : [];
    case 'filter':
      return membersOf(value).filter((item) => passes(step, item));
  }
}

function membersOf(value: Json): readonly Json[] {
  if (isJsonArray(value)) return value;
  return isJsonObject(value) ? Object.keys(value).map((name) => value[name] as Json) : [];
}

function passes({ left, operator, right }: Step & { readonly type: 'filter' }, item: Json): boolean {
  const a = operandValue(left, item);
  if (operator === 'exists') return a !== undefined;
  const b = operandValue(right, item);
  if (a === undefined || b === undefined) return false;
  switch (operator) {
    case '==':
      return jsonEqual(a, b);
    case '!=':
      return !jsonEqual(a, b);
  }
  if (typeof a !== typeof b || (typeof a !== 'number' && typeof a !== 'string')) return false;
  const order = a < (b as typeof a) ? -1 : a > (b as typeof a) ? 1 : 0;
  if (operator === '<') return order < 0;
  if (operator === '>') return order > 0;
  return operator === '<=' ? order <= 0 : order >= 0;
}

function operandValue(operand: Operand, item: Json): Json | undefined {
  return 'path' in operand ? findByPath(operand.path, item)[0] : operand.value;
}
