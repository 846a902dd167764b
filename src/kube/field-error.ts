import { goJson, goQuote } from './go-json.ts';

/**
 * Validation errors in Kubernetes' own words (k8s.io/apimachinery/pkg/util/validation/field). A path is a string such
 * as `spec.containers[0].name` or `metadata.labels[a/b]`.
 */
export type FieldErrorType =
  | 'FieldValueNotFound'
  | 'FieldValueRequired'
  | 'FieldValueDuplicate'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'InternalError'
  | 'FieldValueTypeInvalid';

export interface FieldError {
  readonly type: FieldErrorType;
  readonly field: string;
  /** What follows the path: `Invalid value: "x": must be ...`; also the message of a Status cause. */
  readonly message: string;
}

const text: Record<FieldErrorType, string> = {
  FieldValueNotFound: 'Not found',
  FieldValueRequired: 'Required value',
  FieldValueDuplicate: 'Duplicate value',
  FieldValueInvalid: 'Invalid value',
  FieldValueNotSupported: 'Unsupported value',
  FieldValueForbidden: 'Forbidden',
  FieldValueTooLong: 'Too long',
  FieldValueTooMany: 'Too many',
  InternalError: 'Internal error',
  FieldValueTypeInvalid: 'Invalid value',
};

/** The path of the object as a whole, as upstream prints it. */
export const wholeObject = '[]';

/** In place of a value that isn't to be shown: `Invalid value: must be ...`. */
export const omitted: unique symbol = Symbol('omitted');

/** `path: message`, as it stands in the message of a Status. */
export function renderFieldError(error: FieldError): string {
  return `${error.field}: ${error.message}`;
}

/** What follows `is invalid: ` in the message of a Status: one error as it is, several in brackets, each text once. */
export function renderFieldErrors(errors: readonly FieldError[]): string {
  const texts = [...new Set(errors.map(renderFieldError))];
  const [only = ''] = texts;
  return texts.length <= 1 ? only : `[${texts.join(', ')}]`;
}

export function required(field: string, detail = ''): FieldError {
  return withoutValue('FieldValueRequired', field, detail);
}

/**
 * Strings are shown quoted, numbers and booleans as they are, absent pointers as null, all else as JSON. Structs of
 * Kubernetes' internal types need their internal form (validation/internal-form.ts).
 */
export function invalid(field: string, value: unknown, detail: string): FieldError {
  return withValue('FieldValueInvalid', field, renderValue(value), detail);
}

export function typeInvalid(field: string, value: unknown, detail: string): FieldError {
  return withValue('FieldValueTypeInvalid', field, renderValue(value), detail);
}

export function duplicate(field: string, value: unknown, detail = ''): FieldError {
  return withValue('FieldValueDuplicate', field, renderValue(value), detail);
}

export function notFound(field: string, value: unknown, detail = ''): FieldError {
  return withValue('FieldValueNotFound', field, renderValue(value), detail);
}

export function forbidden(field: string, detail: string): FieldError {
  return withoutValue('FieldValueForbidden', field, detail);
}

/** `supported` is listed in the message in the order given (upstream mostly sorts it first). */
export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const detail = supported.length === 0 ? '' : `supported values: ${supported.map(goQuote).join(', ')}`;
  // Enumerations are named types in Go, which are shown as JSON also where they are strings.
  const shown = value === undefined ? 'null' : goJson(value);
  return withValue('FieldValueNotSupported', field, shown, detail);
}

export function tooLong(field: string, maxBytes: number): FieldError {
  return withoutValue('FieldValueTooLong', field, `may not be more than ${maxBytes} bytes`);
}

export function tooMany(field: string, actual: number, max: number): FieldError {
  return withValue(
    'FieldValueTooMany',
    field,
    String(actual),
    `must have at most ${max} ${max === 1 ? 'item' : 'items'}`,
  );
}

export function internalError(field: string, detail: string): FieldError {
  return withoutValue('InternalError', field, detail);
}

function withoutValue(type: FieldErrorType, field: string, detail: string): FieldError {
  return { type, field, message: join(text[type], detail) };
}

function withValue(type: FieldErrorType, field: string, value: string, detail: string): FieldError {
  return { type, field, message: join(join(text[type], value), detail) };
}

function join(start: string, rest: string): string {
  return rest === '' ? start : `${start}: ${rest}`;
}

/** A value as Go's field errors print it: strings by %q, null as `null`, structs, lists and maps as JSON; '' when omitted. */
export function renderValue(value: unknown): string {
  if (value === omitted) return '';
  if (value === undefined || value === null) return 'null';
  if (typeof value === 'string') return goQuote(value);
  return typeof value === 'object' ? goJson(value) : String(value);
}
