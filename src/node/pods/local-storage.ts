/** What pods take of the node's disk, which of them takes more than it may, and who goes first when the disk is full. */
import { podLimits, podRequests } from '../../kube/pod-resources.ts';
import { formatQuantity, parseQuantity, quantityValue } from '../../kube/quantity.ts';
import { criticalPriority } from '../../kube/scheduling.ts';
import type { Pod } from '../../kube/types.gen.ts';

/** Bytes on the node's disk that end with the pod. */
export interface PodStorage {
  readonly pod: Pod;
  /** Of emptyDir volumes on disk, by name. */
  readonly volumes: ReadonlyMap<string, number>;
  /** Of containers: what they wrote into their root file systems, and their logs; by name. */
  readonly containers: ReadonlyMap<string, number>;
}

const resource = 'ephemeral-storage';

export function storageBytes({ volumes, containers }: PodStorage): number {
  return [...volumes.values(), ...containers.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** True when the pod has a bound on what it writes, so that it is worth measuring while the disk has room. */
export function isStorageBounded({ spec }: Pod): boolean {
  return (
    (spec?.volumes ?? []).some(({ emptyDir }) => emptyDir?.sizeLimit !== undefined && !emptyDir.medium) ||
    [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].some(
      ({ resources }) => resources?.limits?.[resource] !== undefined,
    )
  );
}

/** Why a pod is evicted for what it wrote, in kubelet's words; undefined while it keeps to its bounds. Pure. */
export function storageExcess(storage: PodStorage): string | undefined {
  const { pod, volumes, containers } = storage;
  for (const { name, emptyDir } of pod.spec?.volumes ?? []) {
    const limit = bytesOf(emptyDir?.sizeLimit);
    if (limit > 0 && (volumes.get(name) ?? 0) > limit)
      return `Usage of EmptyDir volume "${name}" exceeds the limit "${shown(emptyDir?.sizeLimit)}". `;
  }
  const total = podLimits(pod)[resource];
  if (bytesOf(total) > 0 && storageBytes(storage) > bytesOf(total))
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${shown(total)}. `;
  for (const { name, resources } of pod.spec?.containers ?? []) {
    const limit = resources?.limits?.[resource];
    if (bytesOf(limit) > 0 && (containers.get(name) ?? 0) > bytesOf(limit))
      return `Container ${name} exceeded its local ephemeral storage limit "${shown(limit)}". `;
  }
  return undefined;
}

/**
 * The pod to evict when the disk is nearly full: one that takes more than it asked for, of the lowest priority, that is
 * furthest above its request (kubelet's order). Critical pods stay, and those from which nothing is to be had. Pure.
 */
export function chooseStorageVictim(storages: readonly PodStorage[]): PodStorage | undefined {
  const excess = (storage: PodStorage) => storageBytes(storage) - storageRequest(storage.pod);
  const priority = ({ pod }: PodStorage) => pod.spec?.priority ?? 0;
  return storages
    .filter((storage) => priority(storage) < criticalPriority && storageBytes(storage) > 0)
    .toSorted(
      (a, b) => Number(excess(b) > 0) - Number(excess(a) > 0) || priority(a) - priority(b) || excess(b) - excess(a),
    )[0];
}

/** What a pod asked for, in bytes. */
export function storageRequest(pod: Pod): number {
  return bytesOf(podRequests(pod)[resource]);
}

function bytesOf(quantity: string | undefined): number {
  return quantity === undefined ? 0 : quantityValue(parseQuantity(quantity));
}

function shown(quantity: string | undefined): string {
  return quantity === undefined ? '0' : formatQuantity(parseQuantity(quantity));
}
