import type { IndexFunction } from '../client/informer.ts';
import type { EndpointSlice } from '../kube/types.gen.ts';

/** Slices by `namespace/service`; one index for all parts of the network that look slices up. */
export const slicesByService: Readonly<Record<'network-service', IndexFunction<EndpointSlice>>> = {
  'network-service': (slice) => [
    `${slice.metadata.namespace}/${slice.metadata.labels?.['kubernetes.io/service-name']}`,
  ],
};
