import { withCondition } from '../../kube/conditions.ts';
import { isPodFinished } from '../../kube/pod-phase.ts';
import { pods } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import { formatTime } from '../../kube/time.ts';
import type { Pod, PodCondition } from '../../kube/types.gen.ts';
import type { ControllerContext } from '../../runtime/controller.ts';
import { nameOf } from './ownership.ts';

export interface Disruption {
  readonly reason: string;
  readonly message: string;
  /** Also says that the pod has failed: for pods whose node can't say it. */
  readonly fails?: boolean;
  readonly gracePeriodSeconds?: number;
}

/** Deletes a pod for a reason that lies outside of it, which a condition tells to those who count its failures. */
export async function disruptPod(
  { client, clock }: ControllerContext,
  pod: Pod,
  { reason, message, fails, gracePeriodSeconds }: Disruption,
): Promise<void> {
  const { uid } = pod.metadata;
  const lastTransitionTime = formatTime(clock.now());
  const conditions = withCondition<PodCondition>(pod.status?.conditions, {
    type: 'DisruptionTarget',
    status: 'True',
    reason,
    message,
    lastTransitionTime,
  });
  const isFinished = isPodFinished(pod);
  const phase = fails && !isFinished ? { phase: 'Failed' } : {};
  try {
    if (!isFinished) {
      // A patch, since that is all that the garbage collector's role allows; the uid holds it to this pod.
      const told = conditions.filter(({ type }) => type === 'DisruptionTarget');
      const body = { ...(uid === undefined ? {} : { metadata: { uid } }), status: { conditions: told, ...phase } };
      await client.patch(pods, nameOf(pod), { type: 'strategic', body }, { subresource: 'status' });
    }
    await client.delete(pods, nameOf(pod), {
      ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
      ...(uid === undefined ? {} : { preconditions: { uid } }),
    });
  } catch (thrown) {
    if (!isReason(thrown, 'NotFound')) throw thrown;
  }
}
