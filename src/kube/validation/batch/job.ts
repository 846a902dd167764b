import { type FieldError, invalid, required } from '../../field-error.ts';
import { matchesLabelSelector } from '../../label-selector.ts';
import { isDns1123Label } from '../../names.ts';
import type { Container, Job, JobSpec, PodSpec, PodTemplateSpec } from '../../types.gen.ts';
import { isUnusableSelector, selectorForm } from '../apps/replica-template.ts';
import { type Errors, fieldIsImmutable, immutable } from '../common.ts';
import { type PodRules, templateRules } from '../core/pod/rules.ts';
import { equalInternally, internalForm } from '../internal-form.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { validateJobSpec } from './job-spec.ts';
import { isJobConditionTrue } from './job-status.ts';

/** A Job without a spec is one with an empty one. */
const noSpec: JobSpec = { template: {} };

export function validateJob(job: Job): readonly FieldError[] {
  return [...jobErrors(job, templateRules())];
}

function* jobErrors(job: Job, rules: PodRules): Errors {
  const { metadata, spec = noSpec } = job;
  yield* generatedSelectorErrors(job);
  yield* validateJobSpec(spec, 'spec', rules);
  if (spec.completionMode === 'Indexed' && spec.completions !== undefined && spec.completions > 0) {
    const name = metadata.name ?? '';
    const longest = `${name}-${spec.completions - 1}`;
    if (isDns1123Label(longest).length > 0) {
      yield invalid('metadata.name', name, `will not able to create pod with invalid DNS label: ${longest}`);
    }
  }
}

/** A selector that the server makes must be the one that it makes, and the template must carry its labels. */
function* generatedSelectorErrors({ metadata, spec = noSpec }: Job): Errors {
  const { selector, template } = spec;
  if (spec.manualSelector === true || selector === undefined) return;
  const { uid = '', name = '' } = metadata;
  if (uid === '') yield required('metadata.uid');
  const expected = {
    'controller-uid': uid,
    'job-name': name,
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': name,
  };
  const labels = template?.metadata?.labels;
  for (const [key, value] of Object.entries(expected)) {
    const field = `spec.template.metadata.labels[${key}]`;
    if (labels?.[key] === undefined) yield required(field, `must be '${value}'`);
    else if (labels[key] !== value) yield invalid(field, labels, `must be '${value}'`);
  }
  if (!isUnusableSelector(selector) && !matchesLabelSelector(selector, expected)) {
    yield invalid('spec.selector', selectorForm(selector), '`selector` not auto-generated');
  }
}

export function validateJobUpdate(job: Job, old: Job): readonly FieldError[] {
  return [...updateErrors(job, old)];
}

function* updateErrors(job: Job, old: Job): Errors {
  const { metadata, spec = noSpec } = job;
  const { spec: oldSpec = noSpec } = old;
  const rules = templateRules(oldSpec.template);
  yield* validateObjectMeta(metadata, { namespaced: true });
  yield* jobErrors(job, rules);
  yield* validateMetaUpdateOfKind(metadata, old.metadata);
  yield* validateJobSpec(spec, 'spec', rules);
  yield* completionsErrors(spec, oldSpec);
  yield* immutable(selectorForm(spec.selector), selectorForm(oldSpec.selector), 'spec.selector');
  const oldTemplate = mayChangeTemplate(old) ? withMutableParts(spec.template, oldSpec.template) : oldSpec.template;
  if (!equalInternally('PodTemplateSpec', spec.template, oldTemplate)) {
    yield invalid('spec.template', internalForm('PodTemplateSpec', spec.template ?? {}), fieldIsImmutable);
  }
  yield* immutable(spec.completionMode ?? null, oldSpec.completionMode ?? null, 'spec.completionMode');
  yield* immutableForm('PodFailurePolicy', spec.podFailurePolicy, oldSpec.podFailurePolicy, 'spec.podFailurePolicy');
  yield* immutable(
    spec.backoffLimitPerIndex ?? null,
    oldSpec.backoffLimitPerIndex ?? null,
    'spec.backoffLimitPerIndex',
  );
  yield* immutable(spec.managedBy ?? null, oldSpec.managedBy ?? null, 'spec.managedBy');
  yield* immutableForm('SuccessPolicy', spec.successPolicy, oldSpec.successPolicy, 'spec.successPolicy');
}

function* immutableForm(type: string, value: object | undefined, old: object | undefined, field: string): Errors {
  if (!equalInternally(type, value, old)) yield invalid(field, internalForm(type, value), fieldIsImmutable);
}

/** The size of an indexed Job may change, if its parallelism goes along. */
function* completionsErrors(spec: JobSpec, old: JobSpec): Errors {
  const { completions, parallelism } = spec;
  if (spec.completionMode !== 'Indexed') {
    yield* immutable(completions ?? null, old.completions ?? null, 'spec.completions');
    return;
  }
  if (completions === undefined || completions === old.completions || completions === parallelism) return;
  yield invalid('spec.completions', completions, 'can only be modified in tandem with spec.parallelism');
}

/** A Job that is suspended and has no pods may still be told where, and with what, its pods shall run. */
function mayChangeTemplate({ spec, status }: Job): boolean {
  if (spec?.suspend !== true || (status?.active ?? 0) > 0) return false;
  return status?.startTime === undefined || isJobConditionTrue(status, 'Suspended');
}

function withMutableParts(template: PodTemplateSpec, old: PodTemplateSpec): PodTemplateSpec {
  const { labels, annotations } = template.metadata ?? {};
  const { nodeSelector, tolerations, schedulingGates } = template.spec ?? {};
  const oldSpec: PodSpec = old.spec ?? { containers: [] };
  const { affinity, ...rest } = oldSpec;
  const { nodeAffinity } = template.spec?.affinity ?? {};
  const { nodeAffinity: _, ...others } = affinity ?? {};
  const kept = { ...others, ...(nodeAffinity !== undefined && { nodeAffinity }) };
  const hasAffinity = template.spec?.affinity !== undefined || Object.keys(kept).length > 0;
  return Object.assign({}, old, {
    metadata: Object.assign({}, old.metadata, { labels, annotations }),
    spec: Object.assign({}, rest, {
      nodeSelector,
      tolerations,
      schedulingGates,
      affinity: hasAffinity ? kept : undefined,
      containers: withResources(template.spec?.containers, oldSpec.containers),
      initContainers: withResources(template.spec?.initContainers, oldSpec.initContainers),
    }),
  });
}

/** The old containers with the resources of the new ones of the same names. */
function withResources(
  containers: readonly Container[] | undefined,
  old: readonly Container[] | undefined,
): readonly Container[] | undefined {
  return old?.map((container) => {
    const now = containers?.find(({ name }) => name === container.name);
    return now === undefined ? container : Object.assign({}, container, { resources: now.resources });
  });
}
