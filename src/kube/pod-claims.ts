import type { Pod, Volume } from './types.gen.ts';

/** The name of the claim behind a pod's volume: the one that it names, or the one made for an ephemeral volume. */
export function claimNameOf(podName: string | undefined, volume: Volume): string | undefined {
  if (volume.ephemeral !== undefined) return `${podName ?? ''}-${volume.name}`;
  return volume.persistentVolumeClaim?.claimName;
}

/** The names of all claims that a pod uses, in the order of its volumes. */
export function claimNames({ metadata, spec }: Pod): readonly string[] {
  return (spec?.volumes ?? []).map((volume) => claimNameOf(metadata.name, volume)).filter((name) => name !== undefined);
}

/** Their keys: `namespace/name`. */
export function claimKeysOf(pod: Pod): readonly string[] {
  return claimNames(pod).map((name) => `${pod.metadata.namespace ?? ''}/${name}`);
}
