import { type FieldError, invalid, notSupported, required } from '../../field-error.ts';
import { isEmptySelector, matchesLabelSelector } from '../../label-selector.ts';
import { shownMember } from '../../schema/empty-members.ts';
import type { DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet } from '../../types.gen.ts';
import { type Errors, immutable, nonNegative } from '../common.ts';
import { type PodRules, templateRules } from '../core/pod/rules.ts';
import { validatePodTemplateSpec } from '../core/pod/template.ts';
import { internalForm } from '../internal-form.ts';
import { hasInvalidSelector, validateLabelSelector } from '../label-selector.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';
import { collisionCountErrors } from './collision-count.ts';
import { notMoreThanAll, numberOf, validateIntOrPercent } from './int-or-percent.ts';
import { alwaysRunning, isUnusableSelector, selectorForm } from './replica-template.ts';

export function validateDaemonSet({ spec }: DaemonSet): readonly FieldError[] {
  return [...specErrors(spec, templateRules())];
}

function* specErrors(spec: DaemonSetSpec | undefined, rules: PodRules): Errors {
  const { selector, template = {}, updateStrategy = {} } = spec ?? {};
  const labels = template.metadata?.labels;
  yield* validateLabelSelector(selector, 'spec.selector', rules.allowInvalidSelectorValues);
  if (!isUnusableSelector(selector) && !matchesLabelSelector(selector, labels)) {
    yield invalid(
      'spec.template.metadata.labels',
      shownMember(template.metadata, 'labels'),
      '`selector` does not match template `labels`',
    );
  }
  if (selector !== undefined && isEmptySelector(selector)) {
    yield invalid('spec.selector', selectorForm(selector), 'empty selector is invalid for daemonset');
  }
  yield* validatePodTemplateSpec(template, 'spec.template', rules);
  yield* alwaysRunning(template, 'spec.template', 'DaemonSet');
  yield* nonNegative(spec?.minReadySeconds, 'spec.minReadySeconds');
  yield* strategyErrors(updateStrategy, 'spec.updateStrategy');
  yield* nonNegative(spec?.revisionHistoryLimit, 'spec.revisionHistoryLimit');
}

function* strategyErrors(strategy: DaemonSetUpdateStrategy, field: string): Errors {
  const { type = '', rollingUpdate } = strategy;
  if (type === 'OnDelete') return;
  if (type !== 'RollingUpdate') {
    yield notSupported(field, internalForm('DaemonSetUpdateStrategy', strategy), ['RollingUpdate', 'OnDelete']);
  } else if (rollingUpdate === undefined) yield required(`${field}.rollingUpdate`);
  else yield* rollingUpdateErrors(rollingUpdate, `${field}.rollingUpdate`);
}

function* rollingUpdateErrors({ maxUnavailable = 0, maxSurge = 0 }: RollingUpdateDaemonSet, field: string): Errors {
  yield* validateIntOrPercent(maxUnavailable, `${field}.maxUnavailable`);
  yield* validateIntOrPercent(maxSurge, `${field}.maxSurge`);
  yield* notMoreThanAll(maxUnavailable, `${field}.maxUnavailable`);
  yield* notMoreThanAll(maxSurge, `${field}.maxSurge`);
  const unavailable = numberOf(maxUnavailable) !== 0;
  const surge = numberOf(maxSurge) !== 0;
  if (unavailable && surge) {
    yield invalid(`${field}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero');
  } else if (!unavailable && !surge) yield required(`${field}.maxUnavailable`, 'cannot be 0 when maxSurge is 0');
}

export function validateDaemonSetUpdate(daemonSet: DaemonSet, old: DaemonSet): readonly FieldError[] {
  const { metadata, spec } = daemonSet;
  const rules = templateRules(old.spec?.template);
  const allowInvalidSelectorValues = rules.allowInvalidSelectorValues || hasInvalidSelector(old.spec?.selector);
  return [
    ...validateMetaUpdateOfKind(metadata, old.metadata),
    ...immutable(selectorForm(spec?.selector), selectorForm(old.spec?.selector), 'spec.selector'),
    ...specErrors(spec, { ...rules, allowInvalidSelectorValues }),
  ];
}

export function validateDaemonSetStatusUpdate(daemonSet: DaemonSet, old: DaemonSet): readonly FieldError[] {
  return [...validateMetaUpdateOfKind(daemonSet.metadata, old.metadata), ...statusErrors(daemonSet, old)];
}

const counts = [
  'currentNumberScheduled',
  'numberMisscheduled',
  'desiredNumberScheduled',
  'numberReady',
  'observedGeneration',
  'updatedNumberScheduled',
  'numberAvailable',
  'numberUnavailable',
  'collisionCount',
] as const;

function* statusErrors({ status }: DaemonSet, old: DaemonSet): Errors {
  for (const name of counts) yield* nonNegative(status?.[name], `status.${name}`);
  yield* collisionCountErrors(status?.collisionCount, old.status?.collisionCount);
}
