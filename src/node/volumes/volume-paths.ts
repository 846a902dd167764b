import { join } from 'node:path';

/** The folders of a pod's volumes, laid out as kubelet does, because other tools look there. */
export const volumeFolders = { volumes: 'volumes', subPaths: 'volume-subpaths' } as const;

/** Volume plugins by the names under which their folders stand. */
export type VolumePlugin = 'empty-dir' | 'configmap' | 'secret' | 'downward-api' | 'projected' | 'local-volume' | 'nfs';

export function volumeFolder(podsFolder: string, podUid: string, plugin: VolumePlugin, name: string): string {
  return join(podsFolder, podUid, volumeFolders.volumes, `kubernetes.io~${plugin}`, name);
}

/** Where one volumeMount with a subPath is bound. */
export function subPathFolder(
  podsFolder: string,
  podUid: string,
  volume: string,
  container: string,
  index: number,
): string {
  return join(podsFolder, podUid, volumeFolders.subPaths, volume, container, String(index));
}
