import type { Container, Pod } from '../kube/types.gen.ts';
import type { EnvironmentVariable } from './volume-set.ts';

/** What the downward API can tell beyond the pod object. */
export interface PodAddresses {
  readonly podIPs: readonly string[];
  readonly hostIPs: readonly string[];
}

/**
 * Resolves `env` and `envFrom` of a container, and the service links, in Kubernetes' order of precedence, with $(NAME)
 * expanded. Throws WherryError with code `CONTAINER_CONFIG` when a source that is not optional is missing; its message is
 * Kubernetes' (`configmap "web" not found`, `couldn't find key x in Secret ns/name`) and becomes the message
 * of the waiting state CreateContainerConfigError. Called again at the next sync.
 */
export interface EnvironmentResolver {
  resolve(pod: Pod, container: Container, addresses: PodAddresses): Promise<readonly EnvironmentVariable[]>;
}

/** The code of errors that leave a container waiting in CreateContainerConfigError. */
export const containerConfigError = 'CONTAINER_CONFIG';
