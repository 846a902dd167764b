/**
 * The errors that rooms throw at each other. Every error says what happened (`message`), why (`cause`) and what the
 * reader can do about it (`hint`); `code` is stable and is what programs compare. They are wrapped at boundaries and
 * logged once, at the top.
 */
export class WherryError extends Error {
  /** Stable identifier, e.g. `PORT_IN_USE`. */
  readonly code: string;
  /** What the reader can do, an imperative sentence; the CLI prints it behind `Try: `. */
  readonly hint: string | undefined;

  constructor(code: string, message: string, options: { readonly cause?: unknown; readonly hint?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint;
  }
}

/** The same call may succeed later: a controller backs off and tries again. */
export class TransientError extends WherryError {}

/** The same call will fail again until somebody changes something: becomes a condition and an Event, is not retried. */
export class TerminalError extends WherryError {}

/** Turns whatever was thrown into an Error, so that callers can read `message`. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/**
 * The message of an error and of the errors that caused it, joined by `: `, outermost first. A cause that only says
 * again what stands already, with or without a code in front (`2 UNKNOWN: ...`), is left out.
 */
export function describeError(thrown: unknown): string {
  const parts: string[] = [];
  for (let error: unknown = thrown; error !== undefined && parts.length < 8; ) {
    const { message, cause } = toError(error);
    const isSaid = parts.some((part) => part.includes(message) || message.endsWith(part));
    if (message !== '' && !isSaid) parts.push(message);
    error = cause;
  }
  return parts.join(': ');
}

/** The `code` of a Node.js system error (`ENOENT`) or of a WherryError; undefined for anything else. */
export function errorCode(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
