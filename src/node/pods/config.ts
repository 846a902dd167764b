import { basename, join } from 'node:path';
import {
  type ContainerConfig,
  MountPropagation,
  type PodSandboxConfig,
} from '../../engines/containerd/cri-messages.ts';
import type { Pod } from '../../kube/types.gen.ts';
import { expand } from '../environment/expansion.ts';
import type { ContainerMount, EnvironmentVariable } from '../volume-set.ts';
import { type ClusterDns, kernelHostname, podDns, type ResolverConfig } from './dns.ts';
import { annotations, containerHash, labels, podUid, type SpecContainer } from './identity.ts';
import { resourcesKey } from './resize.ts';
import { containerResources } from './resources.ts';
import { containerSecurity, type ImageUser, sandboxSecurity } from './security.ts';

/** What the configurations of all pods of a node have in common. */
export interface NodeSettings {
  readonly clusterDns: ClusterDns;
  readonly hostResolver: ResolverConfig;
  /** E.g. /var/log/pods. */
  readonly logFolder: string;
  readonly seccompFolder: string;
  readonly memoryBytes: number;
}

/** The folder of a pod's logs: `<namespace>_<name>_<uid>`. */
export function podLogFolder(
  logFolder: string,
  pod: { readonly namespace: string; readonly name: string; readonly uid: string },
): string {
  return join(logFolder, `${pod.namespace}_${pod.name}_${pod.uid}`);
}

export function sandboxConfig(pod: Pod, attempt: number, cgroupParent: string, node: NodeSettings): PodSandboxConfig {
  const { name = '', namespace = '' } = pod.metadata;
  const uid = podUid(pod);
  const dns = podDns(pod, node.clusterDns, node.hostResolver);
  return {
    metadata: { name, namespace, uid, attempt },
    // A pod in the node's network has the node's name too.
    ...(pod.spec?.hostNetwork ? {} : { hostname: kernelHostname(pod, node.clusterDns.domain) }),
    logDirectory: podLogFolder(node.logFolder, { namespace, name, uid }),
    dnsConfig: dns,
    labels: { ...pod.metadata.labels, [labels.podName]: name, [labels.podNamespace]: namespace, [labels.podUid]: uid },
    annotations: { ...pod.metadata.annotations },
    linux: {
      cgroupParent,
      securityContext: sandboxSecurity(pod, node.seccompFolder),
      sysctls: Object.fromEntries(
        (pod.spec?.securityContext?.sysctls ?? []).map(({ name: key, value }) => [key.replaceAll('/', '.'), value]),
      ),
    },
  };
}

/** Everything that was found out for one run of a container. */
export interface ContainerPlan {
  readonly spec: SpecContainer;
  readonly restartCount: number;
  /** What the runtime knows the image by. */
  readonly imageRef: string;
  readonly imageUser: ImageUser;
  readonly environment: readonly EnvironmentVariable[];
  readonly mounts: readonly ContainerMount[];
  /** Of an ephemeral container: the instance whose processes it shall see. */
  readonly targetId?: string;
  /** Host file for the termination message. */
  readonly terminationMessageFile: string;
}

const propagations = {
  None: MountPropagation.private,
  HostToContainer: MountPropagation.hostToContainer,
  Bidirectional: MountPropagation.bidirectional,
} as const;

export function containerConfig(pod: Pod, plan: ContainerPlan, node: NodeSettings): ContainerConfig {
  const { container } = plan.spec;
  const variables = new Map(plan.environment.map(({ name, value }) => [name, value]));
  const messagePath = container.terminationMessagePath || '/dev/termination-log';
  const grace = pod.spec?.terminationGracePeriodSeconds ?? 30;
  return {
    metadata: { name: container.name, attempt: plan.restartCount },
    // The name stays with the container, so that the status can tell it; the runtime finds images by it too.
    image: { image: plan.imageRef, annotations: {} },
    command: (container.command ?? []).map((text) => expand(text, variables)),
    args: (container.args ?? []).map((text) => expand(text, variables)),
    workingDir: container.workingDir ?? '',
    envs: plan.environment.map(({ name, value }) => ({ key: name, value })),
    mounts: [
      ...plan.mounts,
      {
        containerPath: messagePath,
        hostPath: plan.terminationMessageFile,
        readOnly: false,
        recursiveReadOnly: false,
        propagation: 'None' as const,
      },
    ].map((mount) => ({
      containerPath: mount.containerPath,
      hostPath: mount.hostPath,
      readonly: mount.readOnly,
      recursiveReadOnly: mount.recursiveReadOnly ?? false,
      propagation: propagations[mount.propagation],
    })),
    labels: {
      [labels.podName]: pod.metadata.name ?? '',
      [labels.podNamespace]: pod.metadata.namespace ?? '',
      [labels.podUid]: podUid(pod),
      [labels.containerName]: container.name,
    },
    annotations: {
      [annotations.containerHash]: containerHash(container),
      [annotations.restartCount]: String(plan.restartCount),
      [annotations.terminationMessagePath]: messagePath,
      [annotations.terminationMessagePolicy]: container.terminationMessagePolicy ?? 'File',
      [annotations.terminationMessageFile]: plan.terminationMessageFile,
      [annotations.gracePeriod]: String(grace),
      [annotations.resources]: resourcesKey(pod, plan.spec, node.memoryBytes),
    },
    logPath: join(basename(container.name), `${plan.restartCount}.log`),
    stdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    tty: container.tty === true,
    linux: {
      resources: containerResources(pod, container, node.memoryBytes),
      securityContext: containerSecurity(pod, container, plan.imageUser, {
        seccompFolder: node.seccompFolder,
        ...(plan.targetId === undefined ? {} : { targetId: plan.targetId }),
      }),
    },
  };
}
