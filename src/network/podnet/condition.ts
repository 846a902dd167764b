import type { Client } from '../../client/client.ts';
import type { Clock } from '../../core/clock.ts';
import { findCondition } from '../../kube/conditions.ts';
import { nodes } from '../../kube/resources.gen.ts';
import { formatTime } from '../../kube/time.ts';
import type { Node } from '../../kube/types.gen.ts';

const type = 'NetworkUnavailable';

/** Writes the Node's condition NetworkUnavailable, with Flannel's reason where all is well; nothing when it says so already. */
export async function writeCondition(
  client: Client,
  node: Node,
  { isUp, message }: { readonly isUp: boolean; readonly message: string },
  clock: Clock,
): Promise<void> {
  const status = isUp ? 'False' : 'True';
  const reason = isUp ? 'FlannelIsUp' : 'PodNetworkFailed';
  const former = findCondition(node.status?.conditions, type);
  if (former?.status === status && former.reason === reason && former.message === message) return;
  const now = formatTime(clock.now());
  const since = former?.status === status ? former.lastTransitionTime : undefined;
  const condition = { type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime: since ?? now };
  const body = { status: { conditions: [condition] } };
  await client.patch(nodes, { name: node.metadata.name ?? '' }, { type: 'strategic', body }, { subresource: 'status' });
}
