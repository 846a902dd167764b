import type { ApiServer, ApiServerOptions } from '../api-server.ts';
import type { WriteHooks } from './registry.ts';

const defaultEventTtlSeconds = 3600;

/** What built-in kinds do besides writing their own object. */
export function builtinHooks(_server: ApiServer, options: ApiServerOptions): ReadonlyMap<string, WriteHooks> {
  const events: WriteHooks = { leaseSeconds: () => options.eventTtlSeconds ?? defaultEventTtlSeconds };
  return new Map<string, WriteHooks>([
    ['events', events],
    ['events.events.k8s.io', events],
  ]);
}
