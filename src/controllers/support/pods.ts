import { describeError } from '../../core/errors.ts';
import { findCondition } from '../../kube/conditions.ts';
import type { KubeObject } from '../../kube/object.ts';
import { isPodFinished } from '../../kube/pod-phase.ts';
import { pods } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import { parseTime } from '../../kube/time.ts';
import type { Pod, PodTemplateSpec } from '../../kube/types.gen.ts';
import type { ControllerContext } from '../../runtime/controller.ts';
import { controllerReference, nameOf } from './ownership.ts';

/** Neither ended nor about to be deleted: what counts as a replica. */
export function isPodActive(pod: Pod): boolean {
  return !isPodFinished(pod) && pod.metadata.deletionTimestamp === undefined;
}

/** Asked to go, not yet gone, and still counted by the kubelet. */
export function isPodTerminating(pod: Pod): boolean {
  return !isPodFinished(pod) && pod.metadata.deletionTimestamp !== undefined;
}

export function isPodReady(pod: Pod): boolean {
  return findCondition(pod.status?.conditions, 'Ready')?.status === 'True';
}

/** When the pod became ready, in milliseconds since the epoch. */
export function readySinceMs(pod: Pod): number | undefined {
  const ready = findCondition(pod.status?.conditions, 'Ready');
  return ready?.status === 'True' ? parseTime(ready.lastTransitionTime) : undefined;
}

/** Ready for at least `minReadySeconds`. */
export function isPodAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  if (!isPodReady(pod)) return false;
  if (minReadySeconds === 0) return true;
  const since = readySinceMs(pod);
  return since !== undefined && since + minReadySeconds * 1000 <= nowMs;
}

/** Milliseconds until the next of `pods` becomes available by the passing of time alone; undefined when none will. */
export function nextAvailabilityMs(pods: readonly Pod[], minReadySeconds: number, nowMs: number): number | undefined {
  if (minReadySeconds === 0) return undefined;
  const waits = pods
    .filter((pod) => !isPodAvailable(pod, minReadySeconds, nowMs))
    .map((pod) => readySinceMs(pod))
    .filter((since) => since !== undefined)
    .map((since) => since + minReadySeconds * 1000 - nowMs);
  return waits.length === 0 ? undefined : Math.min(...waits);
}

/** The pod that a template asks for, controlled by `owner`; `name` absent lets the server make one. */
export function podFromTemplate(template: PodTemplateSpec, owner: KubeObject, name?: string): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...(name === undefined ? { generateName: `${owner.metadata.name ?? ''}-` } : { name }),
      namespace: owner.metadata.namespace ?? '',
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...(finalizers ? { finalizers } : {}),
      ownerReferences: [controllerReference(owner)],
    },
    ...(template.spec ? { spec: template.spec } : {}),
  };
}

/** Creates a pod and tells so on its owner. */
export async function createPod(context: ControllerContext, owner: KubeObject, pod: Pod): Promise<Pod> {
  try {
    const created = await context.client.create(pods, pod);
    context.events.event(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata.name ?? ''}`);
    return created;
  } catch (thrown) {
    const isClosing = isReason(thrown, 'Forbidden') && thrown.message.includes('because it is being terminated');
    if (!isClosing) context.events.event(owner, 'Warning', 'FailedCreate', `Error creating: ${describeError(thrown)}`);
    throw thrown;
  }
}

/** Deletes a pod and tells so on its owner; a pod that is gone already is what was wanted. */
export async function deletePod(context: ControllerContext, owner: KubeObject, pod: Pod): Promise<void> {
  try {
    const { uid } = pod.metadata;
    await context.client.delete(pods, nameOf(pod), uid === undefined ? {} : { preconditions: { uid } });
  } catch (thrown) {
    // A conflict means that another pod bears the name now.
    if (isReason(thrown, 'NotFound', 'Conflict')) return;
    context.events.event(owner, 'Warning', 'FailedDelete', `Error deleting: ${describeError(thrown)}`);
    throw thrown;
  }
  context.events.event(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name ?? ''}`);
}
