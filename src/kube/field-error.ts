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

/** `path: message`, as it stands in the message of a Status. */
export function renderFieldError(error: FieldError): string {
  return `${error.field}: ${error.message}`;
}

export function required(field: string, detail = ''): FieldError {
  return make('FieldValueRequired', field, detail);
}

export function invalid(field: string, value: unknown, detail: string): FieldError {
  return make('FieldValueInvalid', field, detail, value);
}

export function typeInvalid(field: string, value: unknown, detail: string): FieldError {
  return make('FieldValueTypeInvalid', field, detail, value);
}

export function duplicate(field: string, value: unknown): FieldError {
  return make('FieldValueDuplicate', field, '', value);
}

export function notFound(field: string, value: unknown): FieldError {
  return make('FieldValueNotFound', field, '', value);
}

export function forbidden(field: string, detail: string): FieldError {
  return make('FieldValueForbidden', field, detail);
}

/** `supported` is listed in the message in the order given (upstream sorts it first). */
export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const detail =
    supported.length === 0 ? '' : `supported values: ${supported.map((s) => JSON.stringify(s)).join(', ')}`;
  return make('FieldValueNotSupported', field, detail, value);
}

export function tooLong(field: string, maxLength: number): FieldError {
  return make('FieldValueTooLong', field, `may not be more than ${maxLength} bytes`);
}

export function tooMany(field: string, actual: number, max: number): FieldError {
  return make('FieldValueTooMany', field, `must have at most ${max} items`, actual);
}

export function internalError(field: string, detail: string): FieldError {
  return make('InternalError', field, detail);
}

const withoutValue = new Set<FieldErrorType>([
  'FieldValueRequired',
  'FieldValueForbidden',
  'FieldValueTooLong',
  'InternalError',
]);

function make(type: FieldErrorType, field: string, detail: string, value?: unknown): FieldError {
  let message = text[type];
  if (!withoutValue.has(type)) message += `: ${renderValue(value)}`;
  if (detail !== '') message += `: ${detail}`;
  return { type, field, message };
}

/** A value as Go's field errors print it: strings quoted, null as `null`, structs and lists as JSON. */
export function renderValue(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  return typeof value === 'string'
    ? JSON.stringify(value)
    : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value);
}
