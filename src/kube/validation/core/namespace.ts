import { type FieldError, invalid } from '../../field-error.ts';
import { nameIsDnsLabel } from '../../names.ts';
import type { Namespace } from '../../types.gen.ts';
import { type Errors, qualifiedName } from '../common.ts';
import { finalizerOfKubernetes, validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';

export function validateNamespace(namespace: Namespace): readonly FieldError[] {
  return [...createErrors(namespace)];
}

function* createErrors({ spec }: Namespace): Errors {
  for (const finalizer of spec?.finalizers ?? []) yield* finalizerErrors(finalizer, 'spec.finalizers');
}

function* finalizerErrors(finalizer: string, field: string): Errors {
  yield* qualifiedName(finalizer, field);
  yield* finalizerOfKubernetes(finalizer, field);
}

export function validateNamespaceUpdate(namespace: Namespace, old: Namespace): readonly FieldError[] {
  return [
    ...validateObjectMeta(namespace.metadata, { namespaced: false, validateName: nameIsDnsLabel }),
    ...createErrors(namespace),
    ...validateMetaUpdateOfKind(namespace.metadata, old.metadata),
  ];
}

/** The phase says whether the namespace is being deleted, and nothing else. */
export function validateNamespaceStatusUpdate(namespace: Namespace, old: Namespace): readonly FieldError[] {
  const { phase = '' } = namespace.status ?? {};
  const deleted = namespace.metadata.deletionTimestamp !== undefined;
  const [expected, state] = deleted ? ['Terminating', 'not empty'] : ['Active', 'empty'];
  const detail = `may only be '${expected}' if \`deletionTimestamp\` is ${state}`;
  return [
    ...validateMetaUpdateOfKind(namespace.metadata, old.metadata),
    ...(phase === expected ? [] : [invalid('status.Phase', phase, detail)]),
  ];
}

/** The finalize endpoint. */
export function validateNamespaceFinalizeUpdate(namespace: Namespace, old: Namespace): readonly FieldError[] {
  const finalizers = namespace.spec?.finalizers ?? [];
  return [
    ...validateMetaUpdateOfKind(namespace.metadata, old.metadata),
    ...finalizers.flatMap((finalizer, index) => [...finalizerErrors(finalizer, `spec.finalizers[${index}]`)]),
  ];
}
