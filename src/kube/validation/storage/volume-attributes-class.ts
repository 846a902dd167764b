import type { FieldError } from '../../field-error.ts';
import { shownMember } from '../../schema/empty-members.ts';
import type { VolumeAttributesClass } from '../../types.gen.ts';
import { immutable } from '../common.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { validateParameters, validateProvisioner } from './parameters.ts';

export function validateVolumeAttributesClass(attributes: VolumeAttributesClass): readonly FieldError[] {
  return [
    ...validateProvisioner(attributes.driverName, 'driverName'),
    ...validateParameters(attributes.parameters, 'parameters', false),
  ];
}

export function validateVolumeAttributesClassUpdate(
  attributes: VolumeAttributesClass,
  old: VolumeAttributesClass,
): readonly FieldError[] {
  const { metadata, driverName = '', parameters } = attributes;
  return [
    ...validateObjectMeta(metadata, { namespaced: false }),
    ...validateVolumeAttributesClass(attributes),
    ...validateMetaUpdateOfKind(metadata, old.metadata),
    ...immutable(driverName, old.driverName ?? '', 'driverName'),
    ...immutable(parameters, old.parameters, 'parameters', shownMember(attributes, 'parameters')),
  ];
}
