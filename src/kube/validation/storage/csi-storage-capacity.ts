import type { FieldError } from '../../field-error.ts';
import { nameIsDnsSubdomain } from '../../names.ts';
import { parseQuantity } from '../../quantity.ts';
import type { CSIStorageCapacity } from '../../types.gen.ts';
import { type Errors, each, immutable } from '../common.ts';
import { internalForm } from '../internal-form.ts';
import { hasInvalidSelector, validateLabelSelector } from '../label-selector.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { nonNegativeQuantity } from '../resources.ts';

export function validateCsiStorageCapacity(capacity: CSIStorageCapacity): readonly FieldError[] {
  return [...capacityErrors(capacity, false)];
}

export function validateCsiStorageCapacityUpdate(
  capacity: CSIStorageCapacity,
  old: CSIStorageCapacity,
): readonly FieldError[] {
  const topology = internalForm('LabelSelector', capacity.nodeTopology);
  return [
    ...validateObjectMeta(capacity.metadata, { namespaced: true }),
    ...capacityErrors(capacity, hasInvalidSelector(old.nodeTopology)),
    ...validateMetaUpdateOfKind(capacity.metadata, old.metadata),
    ...immutable(topology, internalForm('LabelSelector', old.nodeTopology), 'nodeTopology'),
    ...immutable(capacity.storageClassName ?? '', old.storageClassName ?? '', 'storageClassName'),
  ];
}

function* capacityErrors(capacity: CSIStorageCapacity, allowInvalidValues: boolean): Errors {
  const { nodeTopology, storageClassName = '' } = capacity;
  yield* validateLabelSelector(nodeTopology, 'nodeTopology', allowInvalidValues);
  yield* each(nameIsDnsSubdomain(storageClassName, false), 'storageClassName', storageClassName);
  if (capacity.capacity !== undefined) yield* nonNegativeQuantity(parseQuantity(capacity.capacity), 'capacity');
}
