import type { ChangeHandler } from '../client/informer.ts';
import type { KubeObject } from '../kube/object.ts';
import type { ObjectKey, Resource } from '../kube/resource.ts';

/**
 * Synchronous reads of the newest state from the watch cache, for authentication, authorization and admission.
 * Results are shared and readonly.
 */
export interface ClusterReader {
  get<T extends KubeObject>(resource: Resource<T>, key: ObjectKey): T | undefined;
  list<T extends KubeObject>(resource: Resource<T>, namespace?: string): readonly T[];
  /** Called for each change, also for what is there when it subscribes. Handlers must not throw or block. */
  subscribe<T extends KubeObject>(resource: Resource<T>, handler: ChangeHandler<T>): Disposable;
}
