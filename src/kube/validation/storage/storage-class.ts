import { duplicate, type FieldError, notSupported, required } from '../../field-error.ts';
import { shownMember } from '../../schema/empty-members.ts';
import type { StorageClass, TopologySelectorLabelRequirement, TopologySelectorTerm } from '../../types.gen.ts';
import { type Errors, immutable, qualifiedName } from '../common.ts';
import { semanticallyEqual } from '../internal-form.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { validateParameters, validateProvisioner } from './parameters.ts';

const reclaimPolicies = ['Delete', 'Retain'];
const bindingModes = ['Immediate', 'WaitForFirstConsumer'];

export function validateStorageClass(storageClass: StorageClass): readonly FieldError[] {
  return [...classErrors(storageClass)];
}

export function validateStorageClassUpdate(storageClass: StorageClass, old: StorageClass): readonly FieldError[] {
  const { metadata, parameters, provisioner = '', reclaimPolicy, volumeBindingMode } = storageClass;
  return [
    ...validateObjectMeta(metadata, { namespaced: false }),
    ...classErrors(storageClass),
    ...validateMetaUpdateOfKind(metadata, old.metadata),
    ...immutable(parameters, old.parameters, 'parameters', shownMember(storageClass, 'parameters')),
    ...immutable(provisioner, old.provisioner ?? '', 'provisioner'),
    ...immutable(reclaimPolicy, old.reclaimPolicy, 'reclaimPolicy'),
    ...immutable(volumeBindingMode, old.volumeBindingMode, 'volumeBindingMode'),
  ];
}

function* classErrors(storageClass: StorageClass): Errors {
  const { reclaimPolicy = '', volumeBindingMode: mode, allowedTopologies = [] } = storageClass;
  yield* validateProvisioner(storageClass.provisioner, 'provisioner');
  yield* validateParameters(storageClass.parameters, 'parameters', true);
  if (reclaimPolicy !== '' && !reclaimPolicies.includes(reclaimPolicy)) {
    yield notSupported('reclaimPolicy', reclaimPolicy, reclaimPolicies);
  }
  if (mode === undefined) yield required('volumeBindingMode');
  else if (!bindingModes.includes(mode)) yield notSupported('volumeBindingMode', mode, bindingModes);
  yield* topologiesErrors(allowedTopologies, 'allowedTopologies');
}

function* topologiesErrors(terms: readonly TopologySelectorTerm[], field: string): Errors {
  // An empty term is a duplicate of each place that upstream sets aside for the terms.
  const seen: Readonly<Record<string, readonly string[]>>[] = terms.map(() => ({}));
  for (const [index, { matchLabelExpressions: requirements = [] }] of terms.entries()) {
    const path = `${field}[${index}].matchLabelExpressions`;
    const values: Record<string, readonly string[]> = {};
    for (const [position, requirement] of requirements.entries()) {
      yield* requirementErrors(requirement, `${path}[${position}]`);
      const { key = '' } = requirement;
      if (Object.hasOwn(values, key)) yield duplicate(`${path}[${position}].key`, key);
      values[key] = [...new Set(requirement.values ?? [])].sort();
    }
    for (const other of seen) if (semanticallyEqual(other, values)) yield duplicate(path, '');
    seen.push(values);
  }
}

function* requirementErrors(requirement: Partial<TopologySelectorLabelRequirement>, field: string): Errors {
  const { key = '', values = [] } = requirement;
  if (values.length === 0) yield required(`${field}.values`);
  for (const [index, value] of values.entries()) {
    if (values.indexOf(value) < index) yield duplicate(`${field}.values[${index}]`, value);
  }
  yield* qualifiedName(key, `${field}.key`);
}
