import type { FieldError } from '../../field-error.ts';
import type { ReplicaSet, ReplicaSetSpec } from '../../types.gen.ts';
import { type Errors, immutable, nonNegative } from '../common.ts';
import { type PodRules, templateRules } from '../core/pod/rules.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';
import { validateReplicaCounts } from '../replica-counts.ts';
import { selectorForm, validateSelectorAndTemplate } from './replica-template.ts';

export function validateReplicaSet({ spec }: ReplicaSet): readonly FieldError[] {
  return [...specErrors(spec, templateRules())];
}

function* specErrors(spec: ReplicaSetSpec | undefined, rules: PodRules): Errors {
  const { selector, template = {} } = spec ?? {};
  yield* nonNegative(spec?.replicas, 'spec.replicas');
  yield* nonNegative(spec?.minReadySeconds, 'spec.minReadySeconds');
  yield* validateSelectorAndTemplate(selector, template, rules);
}

export function validateReplicaSetUpdate(replicaSet: ReplicaSet, old: ReplicaSet): readonly FieldError[] {
  const { metadata, spec } = replicaSet;
  const rules = templateRules(old.spec?.template);
  return [
    ...validateMetaUpdateOfKind(metadata, old.metadata),
    ...specErrors(spec, rules),
    ...immutable(selectorForm(spec?.selector), selectorForm(old.spec?.selector), 'spec.selector'),
  ];
}

export function validateReplicaSetStatusUpdate(replicaSet: ReplicaSet, old: ReplicaSet): readonly FieldError[] {
  const { metadata, status } = replicaSet;
  return [
    ...validateMetaUpdateOfKind(metadata, old.metadata),
    ...validateReplicaCounts(status ?? {}),
    ...nonNegative(status?.terminatingReplicas, 'status.terminatingReplicas'),
  ];
}
