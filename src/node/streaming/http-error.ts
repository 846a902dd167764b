import { WherryError } from '../../core/errors.ts';

/** An answer other than success of the node's HTTP API: its status and its body, a line of text. */
export class HttpError extends WherryError {
  readonly status: number;

  constructor(status: number, message: string, cause?: unknown) {
    super('NODE_HTTP', message, cause === undefined ? {} : { cause });
    this.status = status;
  }
}
