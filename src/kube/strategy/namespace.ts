import type { Draft } from '../draft.ts';
import type { Namespace } from '../types.gen.ts';
import { restore } from './status.ts';

/** Holds a namespace until all that it contains is deleted. */
const kubernetesFinalizer = 'kubernetes';

export function prepareNamespaceForCreate(namespace: Draft<Namespace>): void {
  namespace.status = { phase: 'Active' };
  namespace.spec ??= {};
  const finalizers = namespace.spec.finalizers ?? [];
  namespace.spec.finalizers = finalizers.includes(kubernetesFinalizer)
    ? finalizers
    : [...finalizers, kubernetesFinalizer];
  setNameLabel(namespace);
}

/** Finalizers change through the `finalize` endpoint only. */
export function prepareNamespaceForUpdate(namespace: Draft<Namespace>, old: Namespace): void {
  restore(namespace, old, 'spec');
  restore(namespace, old, 'status');
  setNameLabel(namespace);
}

export function finalizeNamespace(namespace: Draft<Namespace>, old: Namespace): void {
  restore(namespace, old, 'status');
}

/** Every namespace can be selected by its name. */
function setNameLabel({ metadata }: Draft<Namespace>): void {
  metadata.labels ??= {};
  metadata.labels['kubernetes.io/metadata.name'] = metadata.name ?? '';
}
