import type { FieldError } from '../../field-error.ts';
import type { PodTemplate } from '../../types.gen.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';
import { templateRules } from './pod/rules.ts';
import { validatePodTemplateSpec } from './pod/template.ts';

export function validatePodTemplate(podTemplate: PodTemplate): readonly FieldError[] {
  return [...validatePodTemplateSpec(podTemplate.template ?? {}, 'template', templateRules())];
}

export function validatePodTemplateUpdate(podTemplate: PodTemplate, old: PodTemplate): readonly FieldError[] {
  return [
    ...validateMetaUpdateOfKind(podTemplate.metadata, old.metadata),
    ...validatePodTemplateSpec(podTemplate.template ?? {}, 'template', templateRules(old.template)),
  ];
}
