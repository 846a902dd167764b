import type { Json, JsonObject } from '../../core/json.ts';
import { goFormat, goSyntax, goTypeName } from '../patch/go-format.ts';
import { isJsonArray, isJsonObject } from '../patch/json-object.ts';
import type { AnySchema, ListSchema, MapSchema, ObjectSchema, Scalar, Schema } from '../schema/schema.ts';
import { TypeMismatch } from './apply-error.ts';
import { elementOf } from './list-elements.ts';
import { fieldElement, showElement } from './path-element.ts';
import { shapeOf } from './shape.ts';

/**
 * Checks an applied configuration against its type: unknown fields, wrong types, items that repeat. Returns the message of
 * structured-merge-diff, or null when the object fits.
 */
export function typeErrors(schema: ObjectSchema, object: JsonObject): string | null {
  const errors: string[] = [];
  check(schema, object, '', errors);
  const [first] = errors;
  if (first === undefined) return null;
  return errors.length === 1 ? first : ['errors:', ...errors.map((error) => `  ${error}`)].join('\n');
}

function check(schema: Schema, value: Json, path: string, errors: string[]): void {
  if (value === null) return;
  switch (schema.type) {
    case 'scalar':
      checkScalar(schema.scalar, value, path, errors);
      break;
    case 'list':
      checkList(schema, value, path, errors);
      break;
    case 'any':
      if (!schema.atomic && schema.objects !== undefined && isJsonObject(value)) {
        checkMembers(schema, value, path, errors);
      }
      break;
    default:
      if (isJsonObject(value)) checkMembers(schema, value, path, errors);
      else report(errors, path, `expected map, got &{${goFormat(value)}}`);
  }
}

const kinds: Readonly<Record<Scalar, 'string' | 'boolean' | 'number' | 'any'>> = {
  string: 'string',
  bytes: 'string',
  time: 'string',
  'micro-time': 'string',
  duration: 'string',
  boolean: 'boolean',
  int32: 'number',
  int64: 'number',
  double: 'number',
  quantity: 'any',
  'int-or-string': 'any',
};

function checkScalar(scalar: Scalar, value: Json, path: string, errors: string[]): void {
  const wanted = kinds[scalar];
  if (wanted === 'any' ? typeof value !== 'object' : typeof value === wanted) return;
  report(errors, path, scalarMessage(wanted, value));
}

function scalarMessage(wanted: string, value: Json): string {
  switch (wanted) {
    case 'number':
      return `expected numeric (int or float), got ${goTypeName(value)}`;
    case 'string':
      return `expected string, got &value.valueUnstructured{Value:${goSyntax(value)}}`;
    case 'boolean':
      return `expected boolean, got &{${goFormat(value)}}`;
    default:
      return `expected any scalar, got &{${goFormat(value)}}`;
  }
}

function checkMembers(
  schema: ObjectSchema | MapSchema | AnySchema,
  object: JsonObject,
  path: string,
  errors: string[],
): void {
  const struct = shapeOf(schema);
  for (const key of Object.keys(object)) {
    const below = path + showElement(fieldElement(key));
    const member = struct.fields.get(key)?.schema ?? struct.others;
    if (member !== undefined) {
      check(member, object[key] as Json, below, errors);
      continue;
    }
    report(errors, below, 'field not declared in schema');
    return;
  }
}

function checkList(schema: ListSchema, value: Json, path: string, errors: string[]): void {
  if (!isJsonArray(value)) {
    report(errors, path, `expected list, got &{${goFormat(value)}}`);
    return;
  }
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    const shown = schema.listType === 'atomic' ? `[${index}]` : shownElement(schema, item, index, path, errors);
    if (shown === null) return;
    if (seen.has(shown)) report(errors, path, `duplicate entries for key ${shown}`);
    seen.add(shown);
    check(schema.items, item, path + shown, errors);
  }
}

function shownElement(schema: ListSchema, item: Json, index: number, path: string, errors: string[]): string | null {
  try {
    return showElement(elementOf(schema, item));
  } catch (error) {
    if (!(error instanceof TypeMismatch)) throw error;
    report(errors, path, `element ${index}: ${error.message}`);
    return null;
  }
}

function report(errors: string[], path: string, message: string): void {
  const error = path === '' ? message : `${path}: ${message}`;
  if (!errors.includes(error)) errors.push(error);
}
