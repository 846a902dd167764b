import { type FieldError, forbidden, invalid, notSupported, required } from '../field-error.ts';
import { byBytes } from '../go-json.ts';
import {
  isConfigMapKey,
  isDns1123Label,
  isDns1123Subdomain,
  isInRange,
  isLabelValue,
  isPortName,
  isPortNumber,
  isQualifiedName,
  isUserId,
} from '../names.ts';
import { semanticallyEqual } from './internal-form.ts';

/** A rule yields the errors that it finds, in upstream's order. */
export type Errors = Generator<FieldError, void, undefined>;

export const fieldIsImmutable = 'field is immutable';
export const mustNotBeNegative = 'must be greater than or equal to 0';
export const mustBePositive = 'must be greater than zero';

/** One error for each message. */
export function* each(messages: readonly string[], field: string, value: unknown): Errors {
  for (const message of messages) yield invalid(field, value, message);
}

export function dnsLabel(value: string, field: string): Errors {
  return each(isDns1123Label(value), field, value);
}

export function dnsSubdomain(value: string, field: string): Errors {
  return each(isDns1123Subdomain(value), field, value);
}

export function qualifiedName(value: string, field: string): Errors {
  return each(isQualifiedName(value), field, value);
}

export function labelValue(value: string, field: string): Errors {
  return each(isLabelValue(value), field, value);
}

/** The name of a namespace is a DNS label. */
export const namespaceName: (value: string, field: string) => Errors = dnsLabel;

export function configMapKey(value: string, field: string): Errors {
  return each(isConfigMapKey(value), field, value);
}

export function portNumber(value: number, field: string): Errors {
  return each(isPortNumber(value), field, value);
}

/** An IntOrString that names a port. */
export function portNumberOrName(value: number | string, field: string): Errors {
  return typeof value === 'number' ? portNumber(value, field) : each(isPortName(value), field, value);
}

export function* nonNegative(value: number | undefined, field: string): Errors {
  if (value !== undefined && value < 0) yield invalid(field, value, mustNotBeNegative);
}

export function inRange(value: number, low: number, high: number, field: string): Errors {
  return each(isInRange(value, low, high), field, value);
}

/** Unix ids of users and groups. */
export function* unixId(value: number | undefined, field: string): Errors {
  if (value !== undefined) yield* each(isUserId(value), field, value);
}

/** A value out of an enumeration, absent or not; `supported` in the order in which upstream lists it. */
export function* supportedValue(value: string | undefined, supported: readonly string[], field: string): Errors {
  if (value !== undefined && !supported.includes(value)) yield notSupported(field, value, supported);
}

/** The same where the empty value is missing rather than wrong. */
export function* requiredValue(value: string | undefined, supported: readonly string[], field: string): Errors {
  if (value === undefined || value === '') yield required(field);
  else yield* supportedValue(value, supported, field);
}

export function* requiredString(value: string | undefined, field: string, detail = ''): Errors {
  if (value === undefined || value === '') yield required(field, detail);
}

export function* immutable(value: unknown, old: unknown, field: string, shown: unknown = value): Errors {
  if (!semanticallyEqual(value, old)) yield invalid(field, shown, fieldIsImmutable);
}

/** Modes of files in volumes. */
export function* fileMode(value: number | undefined, field: string): Errors {
  if (value !== undefined && (value < 0 || value > 0o777)) {
    yield invalid(field, value, 'must be a number between 0 and 0777 (octal), both inclusive');
  }
}

/** Neither absolute nor with `..` among its elements. */
export function* localDescendingPath(path: string, field: string): Errors {
  if (path.startsWith('/')) yield invalid(field, path, 'must be a relative path');
  yield* pathWithoutBacksteps(path, field);
}

export function* pathWithoutBacksteps(path: string, field: string): Errors {
  if (hasBacksteps(path)) yield invalid(field, path, "must not contain '..'");
}

export function hasBacksteps(path: string): boolean {
  return path.split('/').includes('..');
}

/** As localDescendingPath, and it must not start with `..`, which the kubelet uses for itself. */
export function* localNonReservedPath(path: string, field: string): Errors {
  yield* localDescendingPath(path, field);
  if (path.startsWith('..') && !path.startsWith('../')) yield invalid(field, path, "must not start with '..'");
}

/** The entries of a map in the order of their keys, so that errors come in the same order whatever the client wrote. */
export function entriesOf<V>(map: Readonly<Record<string, V>> | undefined): readonly (readonly [string, V])[] {
  return map === undefined ? [] : Object.entries(map).sort(([a], [b]) => byBytes(a, b));
}

/** One of several sources of which an object has exactly one. */
export interface Source {
  readonly present: boolean;
  /** Upstream names some sources otherwise when they stand beside another one than when they are wrong. */
  readonly forbiddenPath: string;
  check(): Errors;
}

/** The first source present is checked, each further one is forbidden; gives the number of sources checked. */
export function* exactlyOne(sources: readonly Source[], tooMany: string): Generator<FieldError, number, undefined> {
  let checked = 0;
  for (const { present, forbiddenPath, check } of sources) {
    if (!present) continue;
    if (checked > 0) yield forbidden(forbiddenPath, tooMany);
    else {
      checked++;
      yield* check();
    }
  }
  return checked;
}

/** A source that may be absent, with the rule for it. */
export function source<T>(
  value: T | undefined,
  path: string,
  rule: (value: T, path: string) => Errors,
  forbiddenPath = path,
): Source {
  return {
    present: value !== undefined,
    forbiddenPath,
    *check() {
      if (value !== undefined) yield* rule(value, path);
    },
  };
}
