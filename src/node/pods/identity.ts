import { createHash } from 'node:crypto';
import type { Container, EphemeralContainer, Pod } from '../../kube/types.gen.ts';

/** Labels and annotations by which kubelets find their pods in a runtime again; other tools (crictl, log shippers) read them too. */
export const labels = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  containerName: 'io.kubernetes.container.name',
} as const;

export const annotations = {
  containerHash: 'io.kubernetes.container.hash',
  restartCount: 'io.kubernetes.container.restartCount',
  terminationMessagePath: 'io.kubernetes.container.terminationMessagePath',
  terminationMessagePolicy: 'io.kubernetes.container.terminationMessagePolicy',
  gracePeriod: 'io.kubernetes.pod.terminationGracePeriod',
  /** Where on the host the termination message file of this instance is. */
  terminationMessageFile: 'wherry.dev/termination-message-file',
  /** The resources with which this instance was made. */
  resources: 'wherry.dev/resources',
} as const;

export type ContainerKind = 'init' | 'sidecar' | 'ordinary' | 'ephemeral';

/** A container of a pod's spec, of whatever list, with its role. */
export interface SpecContainer {
  readonly kind: ContainerKind;
  readonly container: Container;
  /** Of an ephemeral container: whose process namespace it joins. */
  readonly targetContainerName?: string;
}

export function initContainers(pod: Pod): readonly SpecContainer[] {
  return (pod.spec?.initContainers ?? []).map((container) => ({
    kind: container.restartPolicy === 'Always' ? 'sidecar' : 'init',
    container,
  }));
}

export function ordinaryContainers(pod: Pod): readonly SpecContainer[] {
  return (pod.spec?.containers ?? []).map((container) => ({ kind: 'ordinary', container }));
}

export function ephemeralContainers(pod: Pod): readonly SpecContainer[] {
  return (pod.spec?.ephemeralContainers ?? []).map((container: EphemeralContainer) => {
    const { targetContainerName, ...rest } = container;
    return { kind: 'ephemeral', container: rest, ...(targetContainerName ? { targetContainerName } : {}) };
  });
}

/** In the order in which they start: init containers and sidecars, ephemeral ones, ordinary ones. */
export function allContainers(pod: Pod): readonly SpecContainer[] {
  return [...initContainers(pod), ...ephemeralContainers(pod), ...ordinaryContainers(pod)];
}

export function podUid(pod: Pod): string {
  return pod.metadata.uid ?? '';
}

/** `name_namespace(uid)`: how Kubernetes' messages name a pod. */
export function formatPod(pod: Pod): string {
  return `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;
}

/** The field of the pod that an Event about a container is about. */
export function containerFieldPath({ kind, container }: SpecContainer): string {
  const list = {
    init: 'initContainers',
    sidecar: 'initContainers',
    ordinary: 'containers',
    ephemeral: 'ephemeralContainers',
  };
  return `spec.${list[kind]}{${container.name}}`;
}

/**
 * Tells whether a running container still is what the spec asks for. Only what can change in a running pod and needs a
 * restart is in it: name and image (resources are changed in place, KEP-1287).
 */
export function containerHash(container: Container): string {
  return createHash('sha256')
    .update(JSON.stringify([container.name, container.image]))
    .digest('hex')
    .slice(0, 8);
}
