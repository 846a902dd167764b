import { WherryError } from '../../core/errors.ts';
import type { Json } from '../../core/json.ts';
import { maxNesting, nestsDeeper } from './json-object.ts';

/**
 * How the API server answers a patch that can't be applied: `bad-request` 400 with the message, `unprocessable` 422
 * (the server's generic text; the message is for the log), `too-large` 413, `internal` 500 with the message.
 */
export type PatchErrorKind = 'bad-request' | 'unprocessable' | 'too-large' | 'internal';

const codes: Readonly<Record<PatchErrorKind, string>> = {
  'bad-request': 'PATCH_MALFORMED',
  unprocessable: 'PATCH_DOES_NOT_APPLY',
  'too-large': 'PATCH_TOO_LARGE',
  internal: 'PATCH_FAILED',
};

/** A patch that is malformed or doesn't fit the document. Messages are Kubernetes' own words. */
export class PatchError extends WherryError {
  readonly kind: PatchErrorKind;

  constructor(kind: PatchErrorKind, message: string) {
    super(codes[kind], message);
    this.kind = kind;
  }
}

/** Refuses a patch whose nesting would exhaust the stack of those that walk it. */
export function checkNesting(patch: Json): void {
  if (nestsDeeper(patch, maxNesting)) throw new PatchError('bad-request', 'error decoding patch: exceeded max depth');
}
