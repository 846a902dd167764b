import type { Client } from '../client/client.ts';
import type { InformerOptions } from '../client/informer.ts';
import { createInformer, type InformerEnvironment, type RunningInformer } from '../client/informer-impl.ts';
import type { KubeObject } from '../kube/object.ts';
import { apiVersionOf, type Resource } from '../kube/resource.ts';
import type { Informers } from './controller.ts';

/** One running informer for each resource and selection, made when first asked for. */
export interface SharedInformers extends Informers, AsyncDisposable {
  of<T extends KubeObject>(resource: Resource<T>, options?: InformerOptions<T>): RunningInformer<T>;
  /** The unselected informer of a resource, if somebody asked for it. */
  standing(resource: Resource): RunningInformer<KubeObject> | undefined;
}

export function createSharedInformers(client: Client, environment: InformerEnvironment): SharedInformers {
  const running = new Map<string, RunningInformer<KubeObject>>();
  return {
    of<T extends KubeObject>(resource: Resource<T>, options: InformerOptions<T> = {}): RunningInformer<T> {
      const id = identityOf(resource, options);
      // The map holds informers of all kinds; the resource in its key says which.
      let informer = running.get(id) as RunningInformer<T> | undefined;
      if (informer) {
        informer.addIndexes(options.indexes ?? {});
        return informer;
      }
      informer = createInformer(client, resource, options, environment);
      running.set(id, informer as unknown as RunningInformer<KubeObject>);
      return informer;
    },
    standing: (resource) => running.get(identityOf(resource, {})),
    async [Symbol.asyncDispose]() {
      await Promise.all([...running.values()].map((informer) => informer[Symbol.asyncDispose]()));
      running.clear();
    },
  };
}

function identityOf(resource: Resource, options: InformerOptions<never>): string {
  const { namespace = '', labelSelector = '', fieldSelector = '' } = options;
  return [apiVersionOf(resource), resource.plural, namespace, labelSelector, fieldSelector].join('\0');
}
