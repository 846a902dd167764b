import { keyOf } from '../../kube/resource.ts';
import type { EndpointSlice, Node, Service } from '../../kube/types.gen.ts';
import type { Configuration } from '../configuration.ts';
import { planLayer2 } from '../layer2/plan.ts';
import { poolOf } from '../pools/pool.ts';
import { shownAddresses } from './service.ts';

/** What decides over who hears of an address. */
export interface SilenceInput {
  readonly configuration: Configuration;
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly nodes: readonly Node[];
}

/**
 * Why nobody outside learns where addresses of pools are, by the key of the Service that has them. Services without endpoints,
 * of which that is told elsewhere, and those that somebody announces, are not there. Pure.
 */
export function silentServices(input: SilenceInput): ReadonlyMap<string, string> {
  const { configuration, services } = input;
  const { layer2, bgp } = configuration;
  const silent = new Map<string, string>();
  const planned = new Map(planLayer2({ ...input, nodeName: '' }).map((one) => [one.address, one]));
  for (const service of services) {
    if (service.spec?.type !== 'LoadBalancer') continue;
    for (const address of shownAddresses(service)) {
      const pool = poolOf(configuration.pools, address)?.name;
      if (pool === undefined || bgp.advertisements.some(({ pools }) => pools.has(pool))) continue;
      if (!layer2.some(({ pools }) => pools.has(pool))) {
        const fix = `create one with spec.ipAddressPools: [${pool}]`;
        silent.set(
          keyOf(service),
          `nobody outside learns where ${address} is: no L2Advertisement and no BGPAdvertisement is of the pool ${pool}; ${fix}`,
        );
      } else if (planned.get(address)?.ranked.length === 0) {
        const local = service.spec.externalTrafficPolicy === 'Local' ? ', or has no ready endpoint itself' : '';
        silent.set(
          keyOf(service),
          `no node may answer for ${address}: each is excluded, without pod network, not chosen by the L2Advertisements of the pool ${pool}${local}`,
        );
      }
    }
  }
  return silent;
}
