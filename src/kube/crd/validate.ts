import { RE2JS } from 're2js';
import type { Json, JsonObject } from '../../core/json.ts';
import { type FieldError, invalid, notSupported, required, tooLong, tooMany, typeInvalid } from '../field-error.ts';
import { isJsonArray, isJsonObject, jsonEqual, member } from '../patch/json-object.ts';
import { hasFormat } from './formats.ts';
import type { JsonSchema } from './json-schema.ts';

/**
 * What is wrong with a custom resource (or a part of it, which stands at `field`), in the words of kube-openapi's
 * validation. Server-side list types are checked apart, by listErrors. What stood in `old` already, at the same place, is
 * not held against the value (validation ratcheting, KEP-4008).
 */
export function schemaErrors(schema: JsonSchema, value: Json, field = '', old?: Json): readonly FieldError[] {
  return new Check(field).value(schema, value, '', old).errors;
}

interface Result {
  readonly errors: FieldError[];
  /** Checks that were made and passed: the alternative with most of them explains best why none fits. */
  matches: number;
}

class Check {
  readonly #field: string;

  constructor(field: string) {
    this.#field = field;
  }

  value(schema: JsonSchema, value: Json, path: string, old?: Json): Result {
    const result: Result = { errors: [], matches: 0 };
    if (old !== undefined && jsonEqual(old, value)) return { errors: [], matches: 1 };
    const typeError = this.#type(schema, value, path);
    if (typeError !== null) result.errors.push(typeError);
    if (value === null) return result;
    this.#alternatives(schema, value, path, result);
    if (typeof value === 'string') this.#string(schema, value, path, result);
    if (typeof value === 'number') this.#number(schema, value, path, result);
    if (isJsonArray(value)) this.#list(schema, value, path, result, old);
    if (schema.enum !== undefined && !schema.enum.some((allowed) => jsonEqual(allowed, value))) {
      const values = schema.enum.map((allowed) => (typeof allowed === 'string' ? allowed : JSON.stringify(allowed)));
      result.errors.push(notSupported(this.#at(path), value, values));
    }
    if (isJsonObject(value)) this.#object(schema, value, path, result, old);
    if (result.errors.length === 0) result.matches++;
    return result;
  }

  #at(path: string): string {
    const separator = this.#field === '' || path === '' || path.startsWith('[') ? '' : '.';
    return `${this.#field}${separator}${path}` || '<nil>';
  }

  /** An error that belongs to no field of its own. */
  #general(message: string): FieldError {
    return invalid(this.#field || '<nil>', '', message);
  }

  #says(path: string, message: string): string {
    return `${path} in body ${message}`;
  }

  #type(schema: JsonSchema, value: Json, path: string): FieldError | null {
    const actual = typeOf(value);
    if (value === null && schema.nullable === true) return null;
    if (schema['x-kubernetes-int-or-string']) {
      if (actual === 'integer' || actual === 'string') return null;
      return this.#wrongType('integer,string', actual, path);
    }
    const { type } = schema;
    if (type === undefined || type === '' || type === actual) return null;
    if (type === 'number' && actual === 'integer') return null;
    return this.#wrongType(type, actual, path);
  }

  #wrongType(wanted: string, actual: string, path: string): FieldError {
    return typeInvalid(this.#at(path), actual, this.#says(path, `must be of type ${wanted}: "${actual}"`));
  }

  #alternatives(schema: JsonSchema, value: Json, path: string, result: Result): void {
    if (schema.anyOf !== undefined && schema.anyOf.length > 0) {
      const { best, valid } = this.#tryAll(schema.anyOf, value, path);
      if (valid === 0) {
        result.errors.push(this.#general(`"${path}" must validate at least one schema (anyOf)`), ...best);
      }
    }
    if (schema.oneOf !== undefined && schema.oneOf.length > 0) {
      const { best, valid } = this.#tryAll(schema.oneOf, value, path);
      const found = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`;
      if (valid !== 1) {
        result.errors.push(this.#general(`"${path}" must validate one and only one schema (oneOf). ${found}`));
        if (valid === 0) result.errors.push(...best);
      }
    }
    if (schema.allOf !== undefined && schema.allOf.length > 0) {
      const failures = schema.allOf.map((part) => this.value(part, value, path).errors);
      result.errors.push(...failures.flat());
      if (failures.some((errors) => errors.length > 0)) {
        const none = failures.every((errors) => errors.length > 0) ? '. None validated' : '';
        result.errors.push(this.#general(`"${path}" must validate all the schemas (allOf)${none}`));
      }
    }
    if (schema.not !== undefined && this.value(schema.not, value, path).errors.length === 0) {
      result.errors.push(this.#general(`"${path}" must not validate the schema (not)`));
    }
  }

  #tryAll(schemas: readonly JsonSchema[], value: Json, path: string): { best: readonly FieldError[]; valid: number } {
    let best: Result | undefined;
    let valid = 0;
    for (const schema of schemas) {
      const tried = this.value(schema, value, path);
      if (tried.errors.length === 0) valid++;
      else if (best === undefined || tried.matches > best.matches) best = tried;
    }
    return { best: best?.errors ?? [], valid };
  }

  #string(schema: JsonSchema, text: string, path: string, result: Result): void {
    const error = this.#stringError(schema, text, path);
    if (error !== null) result.errors.push(error);
    if (schema.format !== undefined && !hasFormat(schema.format, text)) {
      const message = this.#says(path, `must be of type ${schema.format}: ${JSON.stringify(text)}`);
      result.errors.push(typeInvalid(this.#at(path), text, message));
    }
  }

  #stringError({ maxLength, minLength, pattern }: JsonSchema, text: string, path: string): FieldError | null {
    const length = maxLength === undefined && minLength === undefined ? 0 : [...text].length;
    if (maxLength !== undefined && length > maxLength) return tooLong(this.#at(path), maxLength);
    if (minLength !== undefined && length < minLength) {
      return invalid(this.#at(path), text, this.#says(path, `should be at least ${minLength} chars long`));
    }
    if (pattern === undefined || pattern === '' || compiled(pattern).matcher(text).find()) return null;
    return invalid(this.#at(path), text, this.#says(path, `should match '${pattern}'`));
  }

  #number(schema: JsonSchema, value: number, path: string, result: Result): void {
    const add = (message: string) => result.errors.push(invalid(this.#at(path), value, this.#says(path, message)));
    const range = rangeError(schema, value);
    if (range !== null) result.errors.push(this.#general(`Checked value must be of type ${range} in ${path}`));
    const { multipleOf, minimum, maximum } = schema;
    if (multipleOf !== undefined && !isMultiple(value, multipleOf)) add(`should be a multiple of ${multipleOf}`);
    if (minimum !== undefined) {
      if (schema.exclusiveMinimum === true ? value <= minimum : value < minimum) {
        add(`should be greater than ${schema.exclusiveMinimum === true ? '' : 'or equal to '}${minimum}`);
      }
    }
    if (maximum !== undefined) {
      if (schema.exclusiveMaximum === true ? value >= maximum : value > maximum) {
        add(`should be less than ${schema.exclusiveMaximum === true ? '' : 'or equal to '}${maximum}`);
      }
    }
  }

  #list(schema: JsonSchema, items: readonly Json[], path: string, result: Result, old?: Json): void {
    const { items: itemSchema, minItems, maxItems } = schema;
    if (itemSchema !== undefined) {
      for (const [i, item] of items.entries()) {
        this.#merge(result, this.value(itemSchema, item, `${path}[${i}]`, formerItem(schema, item, old)));
      }
    }
    if (minItems !== undefined && items.length < minItems) {
      const message = this.#says(path, `should have at least ${minItems} items`);
      result.errors.push(invalid(this.#at(path), items.length, message));
    }
    if (maxItems !== undefined && items.length > maxItems) {
      result.errors.push(tooMany(this.#at(path), items.length, maxItems));
    }
  }

  #object(schema: JsonSchema, object: JsonObject, path: string, result: Result, old?: Json): void {
    const former = (name: string) => (isJsonObject(old) ? member(old, name) : undefined);
    const names = Object.keys(object);
    const { minProperties, maxProperties } = schema;
    if (minProperties !== undefined && names.length < minProperties) {
      const message = this.#says(path, `should have at least ${minProperties} properties`);
      result.errors.push(invalid(this.#at(path), names.length, message));
      return;
    }
    if (maxProperties !== undefined && names.length > maxProperties) {
      result.errors.push(tooMany(this.#at(path), names.length, maxProperties));
      return;
    }
    for (const name of schema.required ?? []) {
      if (!Object.hasOwn(object, name)) result.errors.push(required(this.#at(below(path, name))));
    }
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      if (!Object.hasOwn(object, name)) continue;
      this.#merge(result, this.value(property, object[name] as Json, below(path, name), former(name)));
    }
    const { additionalProperties } = schema;
    if (typeof additionalProperties !== 'object') return;
    for (const name of names) {
      if (schema.properties !== undefined && Object.hasOwn(schema.properties, name)) continue;
      this.#merge(result, this.value(additionalProperties, object[name] as Json, below(path, name), former(name)));
    }
  }

  #merge(result: Result, part: Result): void {
    result.errors.push(...part.errors);
    result.matches += part.matches;
  }
}

// Only the items of keyed lists can be told to be the same as before.
function formerItem(schema: JsonSchema, item: Json, old: Json | undefined): Json | undefined {
  if (schema['x-kubernetes-list-type'] !== 'map' || !isJsonArray(old) || !isJsonObject(item)) return undefined;
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  return old.find(
    (one) => isJsonObject(one) && keys.every((key) => jsonEqual(member(one, key) ?? null, member(item, key) ?? null)),
  );
}

function below(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function typeOf(value: Json): string {
  if (value === null) return 'null';
  if (isJsonArray(value)) return 'array';
  // Beyond int64, a decoder keeps what is written as an integer as a float.
  if (typeof value === 'number') return Number.isInteger(value) && Math.abs(value) < 2 ** 63 ? 'integer' : 'number';
  return typeof value;
}

/** Why the number doesn't fit the schema's type and format, in the words of go-openapi; null when it does. */
function rangeError({ type, format }: JsonSchema, value: number): string | null {
  if (type === 'integer') {
    if (!Number.isInteger(value)) return `integer ${format ? `with format ${format}` : '(default format)'}`;
    if (format === 'int32' && (value > 2147483647 || value < -2147483648)) return 'integer with format int32';
  }
  if (type === 'number' && format === 'float' && Math.abs(value) > 3.4028234663852886e38) {
    return 'number with format float';
  }
  return null;
}

function isMultiple(value: number, factor: number): boolean {
  const quotient = value / factor;
  return Number.isInteger(quotient) || Math.abs(quotient - Math.round(quotient)) < 1e-9;
}

const patterns = new Map<string, RE2JS>();
/** Patterns that are kept compiled. */
const maxPatterns = 1000;

function compiled(pattern: string): RE2JS {
  let expression = patterns.get(pattern);
  if (expression === undefined) {
    expression = RE2JS.compile(pattern);
    if (patterns.size >= maxPatterns) patterns.clear();
    patterns.set(pattern, expression);
  }
  return expression;
}
