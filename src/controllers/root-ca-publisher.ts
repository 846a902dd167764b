import { keyOf } from '../kube/resource.ts';
import { configmaps, namespaces } from '../kube/resources.gen.ts';
import type { ConfigMap } from '../kube/types.gen.ts';
import { type Controller, done, watchOf } from '../runtime/controller.ts';
import { isEqual } from './support/equality.ts';

const name = 'kube-root-ca.crt';
const descriptionAnnotation = 'kubernetes.io/description';
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';

/** Puts the certificate authority (PEM) into each namespace, for projected volumes. */
export function createRootCaPublisher(caPem: string): Controller {
  const data = { 'ca.crt': caPem };
  return {
    name: 'root-ca-cert-publisher',
    watches: [
      watchOf(namespaces, (namespace) => [keyOf(namespace)]),
      watchOf(configmaps, ({ metadata }) => (metadata.name === name ? [metadata.namespace ?? ''] : [])),
    ],
    async reconcile(key, { informers, client }) {
      const namespace = informers.of(namespaces).get(key);
      if (namespace?.status?.phase !== 'Active') return done;
      const standing = informers.of(configmaps).get(`${key}/${name}`);
      const annotations = { ...standing?.metadata.annotations, [descriptionAnnotation]: description };
      const wanted: ConfigMap = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        ...standing,
        metadata: { ...(standing?.metadata ?? { name, namespace: key }), annotations },
        data,
      };
      if (!standing) await client.create(configmaps, wanted);
      else if (!isEqual(standing, wanted)) await client.update(configmaps, wanted);
      return done;
    },
  };
}
