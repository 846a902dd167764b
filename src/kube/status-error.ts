import { WherryError } from '../core/errors.ts';
import type { Status } from './object.ts';

/**
 * An API error: what the API server answers and what a client throws. `status` is the metav1.Status on the wire.
 * Constructors for each reason stand in errors of the API server; a client builds one from the body that it got.
 */
export class StatusError extends WherryError {
  readonly status: Status;
  /** Headers that belong to the answer, e.g. `retry-after`. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: Status, headers: Readonly<Record<string, string>> = {}) {
    super(status.reason ?? 'Unknown', status.message ?? 'unknown error');
    this.status = status;
    this.headers = headers;
  }

  /** The HTTP status code, 500 when the server gave none. */
  get httpCode(): number {
    return this.status.code ?? 500;
  }
}

/** True when `thrown` is a StatusError with this reason, e.g. `isReason(error, 'NotFound')`. */
export function isReason(thrown: unknown, ...reasons: readonly string[]): thrown is StatusError {
  return thrown instanceof StatusError && reasons.includes(thrown.status.reason ?? '');
}
