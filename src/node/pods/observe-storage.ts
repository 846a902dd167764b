import { dirname } from 'node:path';
import type { Cri } from '../../engines/containerd/cri.ts';
import type { Pod } from '../../kube/types.gen.ts';
import { diskUsage } from '../volumes/disk-usage.ts';
import { volumeFolder } from '../volumes/volume-paths.ts';
import { labels, podUid } from './identity.ts';
import type { PodStorage } from './local-storage.ts';
import type { ContainerInstance } from './runtime-pod.ts';

/** Measures what pods take of the disk; one after the other, for it is not urgent. */
export async function observeStorage(
  cri: Cri,
  podsFolder: string,
  pods: readonly Pod[],
  instancesOf: (pod: Pod) => readonly ContainerInstance[],
  signal: AbortSignal,
): Promise<readonly PodStorage[]> {
  const { stats } = await cri.listContainerStats({}, { signal });
  const byPod = Map.groupBy(stats, ({ attributes }) => attributes?.labels[labels.podUid] ?? '');
  const storages: PodStorage[] = [];
  for (const pod of pods) {
    const uid = podUid(pod);
    const volumes = new Map<string, number>();
    for (const { name, emptyDir } of pod.spec?.volumes ?? [])
      if (emptyDir !== undefined && !emptyDir.medium)
        volumes.set(name, await diskUsage(volumeFolder(podsFolder, uid, 'empty-dir', name), signal));
    const containers = new Map<string, number>();
    const add = (name: string, bytes: number) => containers.set(name, (containers.get(name) ?? 0) + bytes);
    for (const { attributes, writableLayer } of byPod.get(uid) ?? [])
      add(attributes?.labels[labels.containerName] ?? '', writableLayer?.usedBytes?.value ?? 0);
    // All runs of a container log into one folder.
    const logs = new Map(
      instancesOf(pod).flatMap(({ name, logPath }) => (logPath === '' ? [] : [[name, dirname(logPath)] as const])),
    );
    for (const [name, folder] of logs) add(name, await diskUsage(folder, signal));
    storages.push({ pod, volumes, containers });
  }
  return storages;
}
