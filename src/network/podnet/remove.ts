import path from 'node:path';
import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import { applyBatch } from '../../engines/iproute2/batch.ts';
import { compileChange } from '../../engines/iproute2/change.ts';
import { observeNetwork } from '../../engines/iproute2/observe.ts';
import { deleteTable } from '../../engines/nftables/nft.ts';
import { removeCharon } from '../../engines/strongswan/charon.ts';
import { ipsecFolder } from './podnet.ts';

const nothing = { devices: [], routes: [], neighbours: [], forwarding: [] };

/** Takes the pod network off this machine: its programs, its devices with what hangs on them, its routes, its table. Idempotent. */
export async function removePodnet(
  table: string,
  { folder, clock, log }: { readonly folder: string; readonly clock: Clock; readonly log: Log },
): Promise<void> {
  await removeCharon({ folder: path.join(folder, ipsecFolder), clock, log });
  const { devices, entries } = compileChange(nothing, await observeNetwork(new Set()));
  const refusals = [...(await applyBatch('ip', entries)), ...(await applyBatch('ip', devices))];
  // A route goes with its device, perhaps before its turn came.
  const [refusal] = refusals.filter(({ reason }) => !/No such process|Cannot find device/.test(reason));
  if (refusal !== undefined) throw new Error(`${refusal.line}: ${refusal.reason}`);
  await deleteTable('inet', table);
}
