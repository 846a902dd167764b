import type {
  CSINode,
  CSIStorageCapacity,
  LabelSelector,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  StorageClass,
} from '../kube/types.gen.ts';
import type { Requests } from './requests.ts';

/** A pod with what scheduling computes from it once. */
export interface PodInfo {
  readonly pod: Pod;
  readonly requests: Requests;
}

/** A node, the pods on it (also those that were only assumed to be there), and their sums. */
export interface NodeInfo {
  readonly node: Node;
  readonly name: string;
  readonly pods: readonly PodInfo[];
  readonly requested: Requests;
  readonly allocatable: Requests;
}

/** The world as one scheduling decision sees it. Nothing in it changes while the decision is made. */
export interface Snapshot {
  readonly nodes: readonly NodeInfo[];
  namespace(name: string): Namespace | undefined;
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  volumes(): readonly PersistentVolume[];
  storageClass(name: string): StorageClass | undefined;
  csiNode(name: string): CSINode | undefined;
  storageCapacities(): readonly CSIStorageCapacity[];
  /** Drivers that publish their capacity (CSIDriver.spec.storageCapacity). */
  publishesCapacity(driver: string): boolean;
  budgets(namespace: string): readonly PodDisruptionBudget[];
  /** The labels by which its Services and its owner select the pod, joined; the default spreading follows them. */
  spreadSelector(pod: Pod): LabelSelector | undefined;
}

/** Why a node, or the whole attempt, is refused. */
export interface Rejection {
  /** In Kubernetes' words; each is counted in the message of FailedScheduling. */
  readonly reasons: readonly string[];
  /** False when removing pods can't help: preemption leaves the node out. */
  readonly resolvable: boolean;
}

/** What a plugin knows about one pod once it has looked at the whole snapshot. */
export interface Prepared {
  filter?(node: NodeInfo): Rejection | null;
  /** Any finite number; `normalize` maps the scores of all candidates to 0..100. */
  score?(node: NodeInfo): number;
  normalize?(scores: readonly number[]): readonly number[];
}

/** One rule of scheduling: a pure function of the pod and the snapshot. */
export interface Plugin {
  readonly name: string;
  /** Weight of the score among the others'. */
  readonly weight: number;
  /** A rejection refuses the pod on every node. */
  prepare(pod: PodInfo, snapshot: Snapshot): Prepared | Rejection;
}

export function isRejection(value: Prepared | Rejection): value is Rejection {
  return 'reasons' in value;
}

export const maxScore = 100;

/** Scales scores so that the largest becomes 100 (or, reversed, 0). */
export function normalizeByMax(scores: readonly number[], reverse = false): readonly number[] {
  const max = Math.max(...scores, 0);
  if (max === 0) return scores.map(() => (reverse ? maxScore : 0));
  return scores.map((score) => {
    const scaled = Math.floor((maxScore * score) / max);
    return reverse ? maxScore - scaled : scaled;
  });
}
