import { parseKey } from '../../kube/resource.ts';
import type { ControllerContext } from '../../runtime/controller.ts';
import type { Configuration } from '../configuration.ts';
import { ipAddressPools, metallbNamespace } from '../metallb/kinds.ts';
import type { IPAddressPool } from '../metallb/types.ts';
import type { Family } from '../pools/address.ts';
import { capacityOf, type Pool } from '../pools/pool.ts';
import type { ServiceAddresses } from './plan.ts';

/** How much of a pool is given, as its status says. Counts beyond what JSON numbers hold are cut to the largest. Pure. */
export function poolUse(pool: Pool, plan: Iterable<ServiceAddresses>): NonNullable<IPAddressPool['status']> {
  const given = new Set<string>();
  for (const planned of plan)
    if (planned.pool === pool.name) for (const address of planned.addresses) given.add(address);
  const assigned = (family: Family) =>
    [...given].filter((address) => address.includes(':') === (family === 'IPv6')).length;
  const available = (family: Family) => {
    const left = capacityOf(pool, family) - BigInt(assigned(family));
    return Number(left > BigInt(Number.MAX_SAFE_INTEGER) ? BigInt(Number.MAX_SAFE_INTEGER) : left);
  };
  return {
    ...{ assignedIPv4: assigned('IPv4'), assignedIPv6: assigned('IPv6') },
    ...{ availableIPv4: available('IPv4'), availableIPv6: available('IPv6') },
  };
}

/** Writes how much of each pool is given into its status, where that has changed. Pools of the older ConfigMap have none. */
export async function showUse(
  { pools }: Configuration,
  plan: ReadonlyMap<string, ServiceAddresses>,
  { client, informers }: ControllerContext,
): Promise<void> {
  for (const pool of pools) {
    const key = `${metallbNamespace}/${pool.name}`;
    const object = informers.of(ipAddressPools).get(key);
    if (object === undefined) continue;
    const use = poolUse(pool, plan.values());
    const standing: Readonly<Record<string, unknown>> = { ...object.status };
    if (Object.entries(use).every(([name, count]) => standing[name] === count)) continue;
    await client.patch(
      ipAddressPools,
      parseKey(key),
      { type: 'merge', body: { status: use } },
      { subresource: 'status' },
    );
  }
}
