import type { Client } from '../client/client.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Controller } from './controller.ts';
import { type ControllerMetrics, type ControllerRunner, createControllerRunner } from './controller-runner.ts';
import { createSharedInformers, type SharedInformers } from './shared-informers.ts';

export interface ManagerOptions {
  /** Feeds the informers, and is what controllers write with unless `clientFor` says otherwise. */
  readonly client: Client;
  /** The client of one controller, by its name: each may act as a user of its own. */
  readonly clientFor?: (controller: string) => Client;
  readonly clock: Clock;
  readonly log: Log;
}

/** Runs controllers over shared informers. */
export interface Manager extends SharedInformers {
  /** Starts controllers; resolves when all of them work. May be called several times. They write with `as` where it is given. */
  run(controllers: readonly Controller[], as?: Client): Promise<void>;
  metrics(): readonly ControllerMetrics[];
  /** Ends controllers (waiting for reconciles under way), then the informers. Idempotent. */
  stop(): Promise<void>;
}

export function createManager(options: ManagerOptions): Manager {
  const { client, clientFor = () => client, clock, log } = options;
  const informers = createSharedInformers(client, { clock, log });
  const runners: ControllerRunner[] = [];
  let stopping: Promise<void> | null = null;

  async function stopAll(): Promise<void> {
    await Promise.all(runners.map((runner) => runner.stop()));
    await informers[Symbol.asyncDispose]();
  }

  function stop(): Promise<void> {
    stopping ??= stopAll();
    return stopping;
  }

  return {
    ...informers,
    async run(controllers, as) {
      const added = controllers.map((controller) =>
        createControllerRunner(controller, { client: as ?? clientFor(controller.name), informers, clock, log }),
      );
      runners.push(...added);
      try {
        await Promise.all(added.map((runner) => runner.start()));
      } catch (thrown) {
        // A stop during the start rejects the wait for the informers; that is the stop's doing and no failure.
        if (!stopping) throw thrown;
      }
    },
    metrics: () => runners.map((runner) => runner.metrics()),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
