import { duplicate, type FieldError, required } from '../../field-error.ts';
import type { RuntimeClass, Toleration } from '../../types.gen.ts';
import { dnsLabel, type Errors, immutable } from '../common.ts';
import { validateTolerations } from '../core/pod/scheduling.ts';
import { internalForm, semanticallyEqual } from '../internal-form.ts';
import { validateLabels } from '../label-selector.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { validateContainerResourceName, validateResourceRequirements } from '../resources.ts';

export function validateRuntimeClass(runtimeClass: RuntimeClass): readonly FieldError[] {
  return [...classErrors(runtimeClass)];
}

export function validateRuntimeClassUpdate(runtimeClass: RuntimeClass, old: RuntimeClass): readonly FieldError[] {
  return [
    ...validateObjectMeta(runtimeClass.metadata, { namespaced: false }),
    ...classErrors(runtimeClass),
    ...validateMetaUpdateOfKind(runtimeClass.metadata, old.metadata),
    ...immutable(runtimeClass.handler ?? '', old.handler ?? '', 'handler'),
  ];
}

function* classErrors({ handler = '', overhead, scheduling }: RuntimeClass): Errors {
  if (handler === '') yield required('handler');
  else yield* dnsLabel(handler, 'handler');
  if (overhead?.podFixed !== undefined) {
    yield* validateResourceRequirements({ limits: overhead.podFixed }, 'overhead', {
      validateName: validateContainerResourceName,
      podClaimNames: new Set(),
      allowIndivisibleHugePages: false,
    });
  }
  if (scheduling === undefined) return;
  yield* validateLabels(scheduling.nodeSelector, 'scheduling.nodeSelector');
  yield* tolerationsErrors(scheduling.tolerations ?? [], 'scheduling.tolerations');
}

function* tolerationsErrors(tolerations: readonly Toleration[], field: string): Errors {
  yield* validateTolerations(tolerations, field);
  const forms = tolerations.map((toleration) => internalForm('Toleration', toleration));
  for (const [index, form] of forms.entries()) {
    if (forms.slice(0, index).some((other) => semanticallyEqual(other, form)))
      yield duplicate(`${field}[${index}]`, form);
  }
}
