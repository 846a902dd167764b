import { forbidden, invalid, notSupported, required } from '../../field-error.ts';
import { isEmptySelector, matchesLabelSelector } from '../../label-selector.ts';
import { shownMember } from '../../schema/empty-members.ts';
import type { LabelSelector, PodTemplateSpec } from '../../types.gen.ts';
import type { Errors } from '../common.ts';
import type { PodRules } from '../core/pod/rules.ts';
import { validatePodTemplateSpec } from '../core/pod/template.ts';
import { internalForm } from '../internal-form.ts';
import { validateLabelSelector } from '../label-selector.ts';

/** A selector that Kubernetes can't turn into requirements. */
export function isUnusableSelector(selector: LabelSelector | undefined): boolean {
  return !validateLabelSelector(selector, '').next().done;
}

/** The labels of the template must be such that the selector finds its pods. An absent selector finds none. */
export function* selectorMatchesTemplate(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec,
  field: string,
): Errors {
  const labels = template.metadata?.labels;
  if (selector !== undefined && isEmptySelector(selector)) return;
  if (!matchesLabelSelector(selector, labels)) {
    yield invalid(
      `${field}.metadata.labels`,
      shownMember(template.metadata, 'labels'),
      '`selector` does not match template `labels`',
    );
  }
}

/** The selector of a Deployment or ReplicaSet, and the template whose pods it must find. */
export function* validateSelectorAndTemplate(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec,
  rules: PodRules,
): Errors {
  if (selector === undefined) yield required('spec.selector');
  else {
    yield* validateLabelSelector(selector, 'spec.selector');
    if (isEmptySelector(selector)) {
      // Upstream says so of ReplicaSets too.
      yield invalid('spec.selector', selectorForm(selector), 'empty selector is invalid for deployment');
    }
  }
  if (isUnusableSelector(selector)) yield invalid('spec.selector', selectorForm(selector), 'invalid label selector');
  else yield* validateReplicaTemplate(template, selector, 'spec.template', rules);
}

/** The template of a workload whose pods always run. */
export function* validateReplicaTemplate(
  template: PodTemplateSpec,
  selector: LabelSelector | undefined,
  field: string,
  rules: PodRules,
): Errors {
  yield* selectorMatchesTemplate(selector, template, field);
  yield* validatePodTemplateSpec(template, field, rules);
  yield* alwaysRunning(template, field, 'ReplicaSet');
}

export function* alwaysRunning({ spec }: PodTemplateSpec, field: string, kind: string): Errors {
  const { restartPolicy = '', activeDeadlineSeconds } = spec ?? {};
  if (restartPolicy !== 'Always') yield notSupported(`${field}.spec.restartPolicy`, restartPolicy, ['Always']);
  if (activeDeadlineSeconds !== undefined) {
    const detail = `activeDeadlineSeconds in ${kind} is not Supported`;
    yield forbidden(`${field}.spec.activeDeadlineSeconds`, detail);
  }
}

/** A selector as messages show it. */
export function selectorForm(selector: LabelSelector | undefined): unknown {
  return internalForm('LabelSelector', selector);
}
