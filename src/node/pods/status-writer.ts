import type { Client } from '../../client/client.ts';
import { pods } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { Pod, PodStatus } from '../../kube/types.gen.ts';
import { sameStatus } from './status.ts';

/** Tries of one write against others who change the same pod; then the caller's next sync goes on. */
const triesMax = 5;

/**
 * Writes a pod's status when it changed and resolves with the pod as it then stands; null when the pod is no more (or is
 * another one of the same name). `compute` gives the status for a pod, for the write is repeated on the newest one when
 * somebody else was faster: so nobody's condition is lost.
 */
export async function writeStatus(
  client: Client,
  pod: Pod,
  compute: (pod: Pod) => PodStatus,
  signal: AbortSignal,
): Promise<Pod | null> {
  const { namespace = '', name = '', uid } = pod.metadata;
  let current = pod;
  for (let tries = 0; ; tries += 1) {
    const status = compute(current);
    if (sameStatus(current.status, status)) return current;
    try {
      return await client.update(pods, { ...current, status }, { subresource: 'status', signal });
    } catch (thrown) {
      if (isReason(thrown, 'NotFound')) return null;
      if (!isReason(thrown, 'Conflict') || tries >= triesMax) throw thrown;
    }
    try {
      current = await client.get(pods, { namespace, name }, { signal });
    } catch (thrown) {
      if (isReason(thrown, 'NotFound')) return null;
      throw thrown;
    }
    if (current.metadata.uid !== uid) return null;
  }
}
