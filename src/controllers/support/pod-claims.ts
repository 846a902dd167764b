import type { Pod } from '../../kube/types.gen.ts';

/** Keys of the claims that a pod uses: those it names, and those that are made for its ephemeral volumes. */
export function claimKeysOf(pod: Pod): readonly string[] {
  const { namespace = '', name = '' } = pod.metadata;
  return (pod.spec?.volumes ?? []).flatMap((volume) => {
    if (volume.persistentVolumeClaim) return [`${namespace}/${volume.persistentVolumeClaim.claimName}`];
    return volume.ephemeral ? [`${namespace}/${name}-${volume.name}`] : [];
  });
}
