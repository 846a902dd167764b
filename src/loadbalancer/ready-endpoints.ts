import type { EndpointSlice } from '../kube/types.gen.ts';

const serviceNameLabel = 'kubernetes.io/service-name';

/** The key of the Service that a slice belongs to; undefined for a slice of none. */
export function serviceKeyOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[serviceNameLabel];
  return name === undefined ? undefined : `${metadata.namespace}/${name}`;
}

/**
 * Names of the nodes with an endpoint that takes connections, by the Service's key (empty: a node is not named). Those are the
 * ready ones; where all of them are about to end, the ones that still serve (KEP-1669). A Service without any is not there.
 */
export function readyEndpoints(slices: readonly EndpointSlice[]): ReadonlyMap<string, ReadonlySet<string>> {
  const ready = new Map<string, Set<string>>();
  const ending = new Map<string, Set<string>>();
  for (const slice of slices) {
    const key = serviceKeyOf(slice);
    if (key === undefined) continue;
    for (const { conditions, nodeName = '' } of slice.endpoints ?? []) {
      const isReady = conditions?.ready !== false;
      if (!isReady && conditions?.serving !== true) continue;
      const found = isReady ? ready : ending;
      const names = found.get(key) ?? new Set();
      found.set(key, names.add(nodeName));
    }
  }
  return new Map([...ending, ...ready]);
}
