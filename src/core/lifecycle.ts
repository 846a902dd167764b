import { toError, WherryError } from './errors.ts';
import type { Log } from './log.ts';

/** Something that is started once and stopped once. */
export interface Part {
  readonly name: string;
  /** Resolves when the part serves. */
  start(): Promise<void>;
  /** Resolves when nothing of the part runs any more. Called only after `start` resolved. */
  stop(): Promise<void>;
}

/** Parts that start in order and stop in the reverse order. */
export interface Lifecycle {
  /** Starts all parts; when one fails, those that run are stopped again and the failure is thrown. */
  start(): Promise<void>;
  /** Stops all that runs, also when some fail to stop; then throws an AggregateError of those failures. Idempotent. */
  stop(): Promise<void>;
}

export function createLifecycle(parts: readonly Part[], log: Log): Lifecycle {
  const running: Part[] = [];
  let stopping: Promise<void> | null = null;

  async function stopAll(): Promise<void> {
    const failures: Error[] = [];
    for (let part = running.pop(); part !== undefined; part = running.pop()) {
      try {
        await part.stop();
        log.debug('stopped', { part: part.name });
      } catch (thrown) {
        failures.push(new WherryError('STOP_FAILED', `${part.name} did not stop cleanly`, { cause: toError(thrown) }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'some parts did not stop cleanly');
  }

  async function start(): Promise<void> {
    for (const part of parts) {
      // A stop that was asked for meanwhile ends the start: what runs is being stopped already.
      if (stopping) return;
      try {
        await part.start();
        running.push(part);
        log.debug('started', { part: part.name });
      } catch (thrown) {
        const failure = new WherryError('START_FAILED', `${part.name} did not start`, { cause: toError(thrown) });
        await stopAll().catch((second: unknown) => {
          throw new AggregateError([failure, toError(second)], failure.message);
        });
        throw failure;
      }
    }
  }

  return {
    start,
    stop() {
      stopping ??= stopAll();
      return stopping;
    },
  };
}
