import type { Container, Pod } from '../kube/types.gen.ts';

/** A directory, file or device of the host, as a container shall see it: CRI's Mount. */
export interface ContainerMount {
  readonly containerPath: string;
  /** Absolute, with every symbolic link inside a volume already resolved (subPath must not escape). */
  readonly hostPath: string;
  readonly readOnly: boolean;
  /** Read-only for submounts too (KEP-3857). */
  readonly recursiveReadOnly?: boolean;
  readonly propagation: 'None' | 'HostToContainer' | 'Bidirectional';
}

/**
 * The volumes of this node's pods: made before a pod's containers, kept up to date while it runs, removed when it
 * is gone. All that it knows is on disk and in the kernel's mount table, so that a new process carries on.
 */
export interface VolumeSet extends AsyncDisposable {
  /**
   * Makes every volume of the pod available. Idempotent and quick when nothing is to do; called at each sync of a pod
   * that may run containers. Throws TransientError while a source is missing (its message becomes a FailedMount Event:
   * `MountVolume.SetUp failed for volume "config" : configmap "web" not found`), TerminalError when only a change of
   * some object can help. Either way the pod waits in ContainerCreating and this is called again.
   */
  prepare(pod: Pod, signal: AbortSignal): Promise<void>;
  /**
   * The mounts of one container, after `prepare`: volumeMounts with subPath and subPathExpr resolved. `environment` is
   * what EnvironmentResolver gave for it. Throws as CreateContainerConfigError does (code `CONTAINER_CONFIG`).
   * The agent itself adds /etc/hosts, /dev/termination-log and the sandbox's resolv.conf.
   */
  mounts(
    pod: Pod,
    container: Container,
    environment: readonly EnvironmentVariable[],
    signal: AbortSignal,
  ): Promise<readonly ContainerMount[]>;
  /** Unmounts and removes everything of the pod; the containers are gone. Idempotent; throws to be called again. */
  cleanup(podUid: string): Promise<void>;
  /**
   * Takes off what is mounted for the pod and keeps its files, as a shutdown of the machine would; the containers are
   * gone, and the next `prepare` mounts anew.
   */
  unmount(podUid: string): Promise<void>;
  /** The uids of pods that have anything on disk; the agent cleans up those that no pod object and no container owns. */
  podUids(): Promise<readonly string[]>;
}

export interface EnvironmentVariable {
  readonly name: string;
  readonly value: string;
}
