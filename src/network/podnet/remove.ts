import { applyBatch } from '../../engines/iproute2/batch.ts';
import { compileChange } from '../../engines/iproute2/change.ts';
import { observeNetwork } from '../../engines/iproute2/observe.ts';
import { deleteTable } from '../../engines/nftables/nft.ts';

const nothing = { devices: [], routes: [], neighbours: [], forwarding: [] };

/** Takes the pod network off this machine: its devices with what hangs on them, its routes, its table. Idempotent. */
export async function removePodnet(table: string): Promise<void> {
  const { devices, entries } = compileChange(nothing, await observeNetwork(new Set()));
  const refusals = [...(await applyBatch('ip', entries)), ...(await applyBatch('ip', devices))];
  // A route goes with its device, perhaps before its turn came.
  const [refusal] = refusals.filter(({ reason }) => !/No such process|Cannot find device/.test(reason));
  if (refusal !== undefined) throw new Error(`${refusal.line}: ${refusal.reason}`);
  await deleteTable('inet', table);
}
