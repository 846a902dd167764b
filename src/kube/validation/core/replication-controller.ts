import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import { matchesLabels } from '../../label-selector.ts';
import { shownMember } from '../../schema/empty-members.ts';
import type { PodTemplateSpec, ReplicationController } from '../../types.gen.ts';
import { type Errors, nonNegative } from '../common.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';
import { type ReplicaCounts, validateReplicaCounts } from '../replica-counts.ts';
import { type PodRules, templateRules } from './pod/rules.ts';
import { validatePodTemplateSpec } from './pod/template.ts';

export function validateReplicationController(controller: ReplicationController): readonly FieldError[] {
  return [...specErrors(controller, templateRules())];
}

function* specErrors({ spec = {} }: ReplicationController, rules: PodRules): Errors {
  const { selector = {}, template } = spec;
  yield* nonNegative(spec.minReadySeconds, 'spec.minReadySeconds');
  if (Object.keys(selector).length === 0) yield required('spec.selector');
  yield* nonNegative(spec.replicas, 'spec.replicas');
  if (template === undefined) yield required('spec.template');
  else yield* templateErrors(template, selector, rules);
}

function* templateErrors(
  template: PodTemplateSpec,
  selector: Readonly<Record<string, string>>,
  rules: PodRules,
): Errors {
  const labels = template.metadata?.labels;
  if (!matchesLabels(selector, labels)) {
    yield invalid(
      'spec.template.metadata.labels',
      shownMember(template.metadata, 'labels'),
      '`selector` does not match template `labels`',
    );
  }
  yield* validatePodTemplateSpec(template, 'spec.template', rules);
  const { restartPolicy = '', activeDeadlineSeconds } = template.spec ?? {};
  if (restartPolicy !== 'Always') {
    yield notSupported('spec.template.spec.restartPolicy', restartPolicy, ['Always']);
  }
  if (activeDeadlineSeconds !== undefined) {
    const detail = 'activeDeadlineSeconds in ReplicationController is not Supported';
    yield forbidden('spec.template.spec.activeDeadlineSeconds', detail);
  }
}

export function validateReplicationControllerUpdate(
  controller: ReplicationController,
  old: ReplicationController,
): readonly FieldError[] {
  const rules = templateRules(old.spec?.template);
  return [...validateMetaUpdateOfKind(controller.metadata, old.metadata), ...specErrors(controller, rules)];
}

export function validateReplicationControllerStatusUpdate(
  controller: ReplicationController,
  old: ReplicationController,
): readonly FieldError[] {
  const counts: ReplicaCounts = controller.status ?? {};
  return [...validateMetaUpdateOfKind(controller.metadata, old.metadata), ...validateReplicaCounts(counts)];
}
