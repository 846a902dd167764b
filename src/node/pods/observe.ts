import type { Cri } from '../../engines/containerd/cri.ts';
import { isNotFound } from '../../engines/containerd/cri.ts';
import {
  ContainerState,
  NamespaceMode,
  type PodSandbox,
  type RuntimeContainer,
  type RuntimeContainerStatus,
  SandboxState,
} from '../../engines/containerd/cri-messages.ts';
import { annotations, labels } from './identity.ts';
import type { ContainerInstance, InstanceState, RuntimePod, RuntimeSandbox } from './runtime-pod.ts';

/** Reads a pod's state out of the runtime. Statuses of ended containers never change and are kept. */
export interface PodObserver {
  inspect(pod: { readonly uid: string; readonly name: string; readonly namespace: string }): Promise<RuntimePod>;
  /** A word that changes when any container or sandbox of the pod changes, for all pods there are, by uid. */
  fingerprints(): Promise<ReadonlyMap<string, PodSummary>>;
}

export interface PodSummary {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly fingerprint: string;
}

export function createPodObserver(cri: Cri): PodObserver {
  /** Ended instances by container id; entries go when their container is no longer listed. */
  const ended = new Map<string, ContainerInstance>();

  async function inspectContainer(container: RuntimeContainer): Promise<ContainerInstance | null> {
    const known = ended.get(container.id);
    if (known !== undefined) return known;
    try {
      const { status } = await cri.containerStatus({ containerId: container.id });
      if (status === undefined) return null;
      const instance = instanceOf(container, status);
      if (instance.state === 'exited') ended.set(container.id, instance);
      return instance;
    } catch (thrown) {
      // It was removed since it was listed.
      if (isNotFound(thrown)) return null;
      throw thrown;
    }
  }

  async function inspectSandbox(sandbox: PodSandbox, isNewest: boolean): Promise<RuntimeSandbox | null> {
    const base = {
      id: sandbox.id,
      attempt: sandbox.metadata?.attempt ?? 0,
      createdAt: toMs(sandbox.createdAt),
      isReady: sandbox.state === SandboxState.ready,
    };
    // Of former sandboxes only their being there matters.
    if (!isNewest && !base.isReady) return { ...base, usesHostNetwork: false, ips: [] };
    try {
      const { status } = await cri.podSandboxStatus({ podSandboxId: sandbox.id });
      const ip = status?.network?.ip ?? '';
      const others = (status?.network?.additionalIps ?? []).map((item) => item.ip);
      return {
        ...base,
        isReady: status?.state === SandboxState.ready,
        usesHostNetwork: status?.linux?.namespaces?.options?.network === NamespaceMode.node,
        ips: [ip, ...others].filter((item) => item !== ''),
      };
    } catch (thrown) {
      if (isNotFound(thrown)) return null;
      throw thrown;
    }
  }

  return {
    async inspect({ uid, name, namespace }) {
      const filter = { labelSelector: { [labels.podUid]: uid } };
      const [{ items }, { containers }] = await Promise.all([
        cri.listPodSandbox({ filter }),
        cri.listContainers({ filter }),
      ]);
      const byAge = items.toSorted((a, b) => b.createdAt - a.createdAt);
      const [sandboxes, instances] = await Promise.all([
        Promise.all(byAge.map((sandbox, index) => inspectSandbox(sandbox, index === 0))),
        Promise.all(containers.map(inspectContainer)),
      ]);
      return {
        uid,
        name,
        namespace,
        sandboxes: sandboxes.filter((sandbox) => sandbox !== null),
        containers: instances
          .filter((instance) => instance !== null)
          .toSorted((a, b) => b.createdAt - a.createdAt || b.restartCount - a.restartCount),
      };
    },

    async fingerprints() {
      const [{ items }, { containers }] = await Promise.all([cri.listPodSandbox({}), cri.listContainers({})]);
      const listed = new Set(containers.map((container) => container.id));
      for (const id of ended.keys()) if (!listed.has(id)) ended.delete(id);
      const parts = new Map<string, { name: string; namespace: string; words: string[] }>();
      for (const { id, state, labels: of } of [...items, ...containers]) {
        const uid = of[labels.podUid];
        if (uid === undefined) continue;
        const entry = parts.get(uid) ?? {
          name: of[labels.podName] ?? '',
          namespace: of[labels.podNamespace] ?? '',
          words: [],
        };
        entry.words.push(`${id}:${state}`);
        parts.set(uid, entry);
      }
      const summaries = [...parts].map(
        ([uid, { name, namespace, words }]) =>
          [uid, { uid, name, namespace, fingerprint: words.sort().join(' ') }] as const,
      );
      return new Map(summaries);
    },
  };
}

const states: Readonly<Record<number, InstanceState>> = {
  [ContainerState.created]: 'created',
  [ContainerState.running]: 'running',
  [ContainerState.exited]: 'exited',
  [ContainerState.unknown]: 'unknown',
};

function instanceOf(container: RuntimeContainer, status: RuntimeContainerStatus): ContainerInstance {
  return {
    id: status.id,
    name: status.labels[labels.containerName] ?? status.metadata?.name ?? '',
    sandboxId: container.podSandboxId,
    state: states[status.state] ?? 'unknown',
    createdAt: toMs(status.createdAt),
    startedAt: toMs(status.startedAt),
    finishedAt: toMs(status.finishedAt),
    exitCode: status.exitCode,
    reason: status.reason,
    message: status.message,
    image: status.image?.image ?? '',
    imageRef: status.imageRef,
    logPath: status.logPath,
    annotations: status.annotations,
    restartCount: Number(status.annotations[annotations.restartCount] ?? status.metadata?.attempt ?? 0),
  };
}

/** CRI's zero time is 0 or Go's zero time, which lies before the epoch. */
function toMs(nanoseconds: number): number {
  return nanoseconds <= 0 ? 0 : nanoseconds / 1e6;
}
