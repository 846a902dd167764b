import { keyOf } from '../kube/resource.ts';
import type { Ingress, IngressClass } from '../kube/types.gen.ts';

/** `spec.controller` of the IngressClasses that are served here. */
export const ingressController = 'wherry.dev/ingress';
/** How a class was named before IngressClass existed; still in many manifests. */
const classAnnotation = 'kubernetes.io/ingress.class';
const defaultClassAnnotation = 'ingressclass.kubernetes.io/is-default-class';

/** The Ingresses that are to be served: those of a class of ours, the oldest first, which is who keeps what two of them want. */
export function servedIngresses(ingresses: readonly Ingress[], classes: readonly IngressClass[]): readonly Ingress[] {
  const own = classes.filter(({ spec }) => spec?.controller === ingressController);
  const names = new Set(own.map(({ metadata }) => metadata.name));
  // One that is older than its class was never given the default one.
  const takesUnnamed = own.some(({ metadata }) => metadata.annotations?.[defaultClassAnnotation] === 'true');
  return ingresses
    .filter(({ metadata, spec }) => {
      if (metadata.deletionTimestamp !== undefined) return false;
      const name = spec?.ingressClassName ?? metadata.annotations?.[classAnnotation];
      return name === undefined || name === '' ? takesUnnamed : names.has(name);
    })
    .toSorted((a, b) => (rankOf(a) < rankOf(b) ? -1 : 1));
}

function rankOf(ingress: Ingress): string {
  return `${ingress.metadata.creationTimestamp ?? ''} ${keyOf(ingress)}`;
}

/** The classes that Wherry brings: `traefik` is what manifests for k3s say. */
export const ingressClasses: readonly IngressClass[] = [
  {
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass' },
    metadata: { name: 'wherry', annotations: { [defaultClassAnnotation]: 'true' } },
    spec: { controller: ingressController },
  },
  {
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass' },
    metadata: { name: 'traefik' },
    spec: { controller: ingressController },
  },
];
