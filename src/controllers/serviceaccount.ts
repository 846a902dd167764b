import { keyOf } from '../kube/resource.ts';
import { namespaces, serviceaccounts } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import { type Controller, done, watchOf } from '../runtime/controller.ts';

const name = 'default';

/** Gives each active namespace its ServiceAccount `default`. */
export const serviceAccountController: Controller = {
  name: 'service-account-controller',
  watches: [
    watchOf(namespaces, (namespace) => [keyOf(namespace)]),
    watchOf(serviceaccounts, ({ metadata }) => (metadata.name === name ? [metadata.namespace ?? ''] : [])),
  ],
  async reconcile(key, { informers, client }) {
    const namespace = informers.of(namespaces).get(key);
    if (namespace?.status?.phase !== 'Active' || informers.of(serviceaccounts).get(`${key}/${name}`)) return done;
    try {
      const metadata = { name, namespace: key };
      await client.create(serviceaccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
    } catch (thrown) {
      if (!isReason(thrown, 'AlreadyExists')) throw thrown;
    }
    return done;
  },
};
