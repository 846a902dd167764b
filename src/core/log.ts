import { type DestinationStream, pino } from 'pino';

/** Extra facts of a log line; values are plain data. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A leveled, structured log. One line a call, JSON, on the destination given to `createLog`. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log whose lines also carry `fields`; rooms use `{ room: 'scheduler' }`. */
  child(fields: LogFields): Log;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Makes a log that writes to `destination` (standard error when absent). Errors under the key `error` are expanded. */
export function createLog(level: LogLevel, destination?: DestinationStream): Log {
  const options = { level, base: null, errorKey: 'error', timestamp: pino.stdTimeFunctions.isoTime };
  return wrap(pino(options, destination ?? pino.destination({ fd: 2, sync: true })));
}

/** Drops every line; for tests that don't look at logs. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
};

function wrap(logger: pino.Logger): Log {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    child: (fields) => wrap(logger.child(fields)),
  };
}
