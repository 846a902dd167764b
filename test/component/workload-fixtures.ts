import { pods } from '../../src/kube/resources.gen.ts';
import { isReason } from '../../src/kube/status-error.ts';
import type { Deployment, Pod, PodTemplateSpec } from '../../src/kube/types.gen.ts';
import type { ControlPlane } from './control-plane.ts';

/** A pod template of one container. */
export function template(labels: Record<string, string>, image = 'nginx:1'): PodTemplateSpec {
  return { metadata: { labels }, spec: { containers: [{ name: 'c', image }] } };
}

/** A Deployment whose pods bear the label `app`. */
export function deployment(namespace: string, name: string, replicas: number): Deployment {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: { replicas, selector: { matchLabels: labels }, template: template(labels) },
  };
}

/** Does what a node agent would: the pod runs and is ready. */
export async function makeReady(plane: ControlPlane, pod: Pod): Promise<void> {
  const { name = '', namespace = '' } = pod.metadata;
  const now = new Date().toISOString();
  const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: now }];
  const body = { status: { phase: 'Running', conditions } };
  try {
    await plane.client.patch(pods, { namespace, name }, { type: 'strategic', body }, { subresource: 'status' });
  } catch (thrown) {
    if (!isReason(thrown, 'NotFound')) throw thrown;
  }
}

/** Makes each pod of a namespace ready that ever appears, and lets go those that are deleted. */
export function kubelet(plane: ControlPlane, namespace: string): Disposable {
  return plane.manager.of(pods).subscribe(({ current }) => {
    if (!current || current.metadata.namespace !== namespace) return;
    const { name = '', deletionTimestamp } = current.metadata;
    if (deletionTimestamp !== undefined) {
      void plane.client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0 }).catch(() => {});
    } else if (current.status?.phase === 'Pending') {
      void makeReady(plane, current).catch(() => {});
    }
  });
}
