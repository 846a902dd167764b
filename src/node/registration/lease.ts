import type { Client } from '../../client/client.ts';
import type { Clock } from '../../core/clock.ts';
import { leases } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import { formatMicroTime } from '../../kube/time.ts';
import type { Lease, Node } from '../../kube/types.gen.ts';

/** The namespace and the times of node heartbeats (KEP-589): renewed every 10 s, worth 40 s. */
const namespace = 'kube-node-lease';
export const leaseRenewMs = 10_000;
const leaseDurationSeconds = 40;

/** Tells the cluster that this node lives: creates or renews its Lease. */
export async function renewLease(client: Client, node: Node, clock: Clock, signal: AbortSignal): Promise<void> {
  const { name = '', uid = '' } = node.metadata;
  const renewTime = formatMicroTime(clock.now());
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name, uid }];
  let standing: Lease;
  try {
    standing = await client.get(leases, { namespace, name }, { signal });
  } catch (thrown) {
    if (!isReason(thrown, 'NotFound')) throw thrown;
    const lease: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace, ownerReferences },
      spec: { holderIdentity: name, leaseDurationSeconds, renewTime },
    };
    await client.create(leases, lease, { signal });
    return;
  }
  const spec = { ...standing.spec, holderIdentity: name, leaseDurationSeconds, renewTime };
  await client.update(leases, { ...standing, metadata: { ...standing.metadata, ownerReferences }, spec }, { signal });
}
