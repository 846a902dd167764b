import { invalid, required } from '../field-error.ts';
import { nameIsPathSegment } from '../names.ts';
import type { Errors } from './common.ts';

/** What can stand as one element of a URL's path. */
export function* pathSegment(value: string, field: string): Errors {
  for (const message of nameIsPathSegment(value, false)) yield invalid(field, value, message);
}

/** The same where the empty value is missing rather than wrong. */
export function* requiredPathSegment(value: string | undefined, field: string): Errors {
  if (value === undefined || value === '') yield required(field);
  else yield* pathSegment(value, field);
}
