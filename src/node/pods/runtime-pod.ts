/** Times are milliseconds since the epoch, 0 where there is none. Lists are newest first. */
export interface RuntimeSandbox {
  readonly id: string;
  readonly attempt: number;
  readonly createdAt: number;
  readonly isReady: boolean;
  readonly usesHostNetwork: boolean;
  readonly ips: readonly string[];
}

export type InstanceState = 'created' | 'running' | 'exited' | 'unknown';

/** One run of a container. */
export interface ContainerInstance {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  readonly state: InstanceState;
  readonly createdAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly exitCode: number;
  /** The runtime's word: `Completed`, `Error`, `OOMKilled`, `StartError`. */
  readonly reason: string;
  readonly message: string;
  /** As the pod's spec has it. */
  readonly image: string;
  readonly imageRef: string;
  readonly logPath: string;
  /** What was asked for when it was made: hash, restart count and the like. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly restartCount: number;
}

/** Everything that the runtime knows of one pod. */
export interface RuntimePod {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly sandboxes: readonly RuntimeSandbox[];
  readonly containers: readonly ContainerInstance[];
}

export function emptyRuntimePod(identity: {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
}): RuntimePod {
  return { ...identity, sandboxes: [], containers: [] };
}

/** The newest instance of a container; with `sandboxId`, of those in that sandbox. */
export function newestInstance(pod: RuntimePod, name: string, sandboxId?: string): ContainerInstance | undefined {
  return pod.containers.find(
    (instance) => instance.name === name && (sandboxId === undefined || instance.sandboxId === sandboxId),
  );
}

/** The sandbox in which the pod lives: the newest one, ready or not. */
export function currentSandbox(pod: RuntimePod): RuntimeSandbox | undefined {
  return pod.sandboxes[0];
}

export function runningInstances(pod: RuntimePod): readonly ContainerInstance[] {
  return pod.containers.filter((instance) => instance.state === 'running');
}
