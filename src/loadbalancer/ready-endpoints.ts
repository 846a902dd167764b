import type { EndpointSlice } from '../kube/types.gen.ts';

const serviceNameLabel = 'kubernetes.io/service-name';

/** The key of the Service that a slice belongs to; undefined for a slice of none. */
export function serviceKeyOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[serviceNameLabel];
  return name === undefined ? undefined : `${metadata.namespace}/${name}`;
}

/** Names of the nodes with a ready endpoint, by the Service's key (empty: a node is not named). A Service without any is not there. */
export function readyEndpoints(slices: readonly EndpointSlice[]): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const slice of slices) {
    const key = serviceKeyOf(slice);
    if (key === undefined) continue;
    for (const { conditions, nodeName = '' } of slice.endpoints ?? []) {
      if (conditions?.ready === false) continue;
      const names = found.get(key) ?? new Set();
      found.set(key, names.add(nodeName));
    }
  }
  return found;
}
