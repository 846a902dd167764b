import type { FieldError } from '../../field-error.ts';
import type { ResourceClaimTemplate, ResourceV1ResourceClaim } from '../../types.gen.ts';
import { immutable } from '../common.ts';
import { internalForm } from '../internal-form.ts';
import { validateMetaUpdateOfKind, validateObjectMeta, validateTemplateMeta } from '../meta.ts';
import { validateDeviceClaim } from './device-claim.ts';

export function validateResourceClaim({ spec }: ResourceV1ResourceClaim): readonly FieldError[] {
  return [...validateDeviceClaim(spec?.devices ?? {}, 'spec.devices', false)];
}

/** What is claimed never changes. */
export function validateResourceClaimUpdate(
  claim: ResourceV1ResourceClaim,
  old: ResourceV1ResourceClaim,
): readonly FieldError[] {
  return [
    ...validateObjectMeta(claim.metadata, { namespaced: true }),
    ...validateMetaUpdateOfKind(claim.metadata, old.metadata),
    ...immutable(
      internalForm('ResourceClaimSpec', claim.spec ?? {}),
      internalForm('ResourceClaimSpec', old.spec ?? {}),
      'spec',
    ),
  ];
}

export function validateResourceClaimTemplate(template: ResourceClaimTemplate): readonly FieldError[] {
  return templateErrors(template, false);
}

function templateErrors({ spec }: ResourceClaimTemplate, isStored: boolean): readonly FieldError[] {
  return [
    ...validateTemplateMeta(spec?.metadata, 'spec.metadata'),
    ...validateDeviceClaim(spec?.spec?.devices ?? {}, 'spec.spec.devices', isStored),
  ];
}

export function validateResourceClaimTemplateUpdate(
  template: ResourceClaimTemplate,
  old: ResourceClaimTemplate,
): readonly FieldError[] {
  return [
    ...validateMetaUpdateOfKind(template.metadata, old.metadata),
    ...templateErrors(template, true),
    ...immutable(
      internalForm('ResourceClaimTemplateSpec', template.spec ?? {}),
      internalForm('ResourceClaimTemplateSpec', old.spec ?? {}),
      'spec',
    ),
  ];
}
