import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { WatchHub } from '../cache/hub.ts';
import { definitionHooks } from '../custom-resources/definition-hooks.ts';
import { AddressRange } from './address-range.ts';
import { namespaceHooks } from './namespaces.ts';
import type { WriteHooks } from './registry.ts';
import { ServiceAllocator } from './service-ip.ts';

export interface HookOptions {
  readonly hub: WatchHub;
  readonly clock: Clock;
  readonly log: Log;
  readonly serviceCidrs: readonly string[];
  readonly nodePorts: { readonly first: number; readonly last: number } | undefined;
  readonly eventTtlSeconds: number | undefined;
}

const defaultEventTtlSeconds = 3600;
const defaultNodePorts = { first: 30000, last: 32767 };

export interface BuiltinHooks {
  readonly hooks: ReadonlyMap<string, WriteHooks>;
  readonly services: ServiceAllocator;
}

/** What built-in kinds do besides writing their own object. */
export function builtinHooks(options: HookOptions): BuiltinHooks {
  const { hub, clock, log } = options;
  const events: WriteHooks = { leaseSeconds: () => options.eventTtlSeconds ?? defaultEventTtlSeconds };
  const services = new ServiceAllocator({
    hub,
    ranges: options.serviceCidrs.map((cidr) => new AddressRange(cidr)),
    nodePorts: options.nodePorts ?? defaultNodePorts,
    log,
    now: () => clock.now(),
  });
  const hooks = new Map<string, WriteHooks>([
    ['customresourcedefinitions.apiextensions.k8s.io', definitionHooks],
    ['events', events],
    ['events.events.k8s.io', events],
    ['namespaces', namespaceHooks],
    ['services', services],
  ]);
  return { hooks, services };
}
