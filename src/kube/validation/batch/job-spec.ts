import { invalid, notSupported, required, tooLong } from '../../field-error.ts';
import { isEmptySelector, matchesLabelSelector } from '../../label-selector.ts';
import { isDns1123Subdomain, regexError } from '../../names.ts';
import { shownMember } from '../../schema/empty-members.ts';
import type { JobSpec } from '../../types.gen.ts';
import { isUnusableSelector } from '../apps/replica-template.ts';
import { type Errors, each, nonNegative } from '../common.ts';
import type { PodRules } from '../core/pod/rules.ts';
import { validatePodTemplateSpec } from '../core/pod/template.ts';
import { internalForm } from '../internal-form.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { validatePodFailurePolicy, validateSuccessPolicy } from './job-policies.ts';

const indexedParallelismMax = 100_000;
const failedIndexesMax = 100_000;
const completionsSoftMax = 100_000;
const aboveSoftMaxLimit = 10_000;
const managedByBytesMax = 63;

const pathFormat = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
const pathPattern = new RegExp(`^${pathFormat}$`);

/** The spec of a Job that stands for itself: it must have a selector, and one that finds its pods. */
export function* validateJobSpec(spec: JobSpec, field: string, rules: PodRules): Errors {
  yield* validateJobSpecOfTemplate(spec, field, rules);
  const { selector } = spec;
  if (selector === undefined) yield required(`${field}.selector`);
  else yield* validateLabelSelector(selector, `${field}.selector`);
  if (isUnusableSelector(selector) || (selector !== undefined && isEmptySelector(selector))) return;
  const labels = spec.template?.metadata?.labels;
  if (!matchesLabelSelector(selector, labels)) {
    const detail = '`selector` does not match template `labels`';
    yield invalid(`${field}.template.metadata.labels`, shownMember(spec.template.metadata, 'labels'), detail);
  }
}

/** The spec of a Job without the selector, which Jobs made from templates get later. */
export function* validateJobSpecOfTemplate(spec: JobSpec, field: string, rules: PodRules): Errors {
  yield* nonNegative(spec.parallelism, `${field}.parallelism`);
  yield* nonNegative(spec.completions, `${field}.completions`);
  yield* nonNegative(spec.activeDeadlineSeconds, `${field}.activeDeadlineSeconds`);
  yield* nonNegative(spec.backoffLimit, `${field}.backoffLimit`);
  yield* nonNegative(spec.ttlSecondsAfterFinished, `${field}.ttlSecondsAfterFinished`);
  yield* nonNegative(spec.backoffLimitPerIndex, `${field}.backoffLimitPerIndex`);
  if (spec.maxFailedIndexes !== undefined) {
    yield* nonNegative(spec.maxFailedIndexes, `${field}.maxFailedIndexes`);
    if (spec.backoffLimitPerIndex === undefined) {
      yield required(`${field}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified');
    }
  }
  if (spec.managedBy !== undefined) yield* managedByErrors(spec.managedBy, `${field}.managedBy`);
  yield* completionErrors(spec, field);
  if (spec.podFailurePolicy !== undefined) {
    yield* validatePodFailurePolicy(spec.podFailurePolicy, spec, `${field}.podFailurePolicy`);
  }
  if (spec.successPolicy !== undefined) {
    if (spec.completionMode === 'Indexed') {
      yield* validateSuccessPolicy(spec.successPolicy, spec, `${field}.successPolicy`);
    } else {
      const form = internalForm('SuccessPolicy', spec.successPolicy);
      yield invalid(`${field}.successPolicy`, form, 'requires indexed completion mode');
    }
  }
  yield* replacementErrors(spec, `${field}.podReplacementPolicy`);
  yield* validatePodTemplateSpec(spec.template ?? {}, `${field}.template`, rules);
  yield* restartPolicyErrors(spec, `${field}.template.spec.restartPolicy`);
}

function* managedByErrors(value: string, field: string): Errors {
  yield* controllerNameErrors(value, field);
  if (Buffer.byteLength(value) > managedByBytesMax) yield tooLong(field, managedByBytesMax);
}

function* controllerNameErrors(value: string, field: string): Errors {
  if (value === '') {
    yield required(field);
    return;
  }
  const slash = value.indexOf('/');
  const host = value.slice(0, Math.max(slash, 0));
  const path = value.slice(slash + 1);
  if (host === '' || path === '') {
    yield invalid(field, value, 'must be a domain-prefixed path (such as "acme.io/foo")');
    return;
  }
  yield* each(isDns1123Subdomain(host), field, host);
  if (!pathPattern.test(path)) yield invalid(field, path, regexError('Invalid path', pathFormat));
}

function* completionErrors(spec: JobSpec, field: string): Errors {
  const { completionMode: mode, backoffLimitPerIndex, maxFailedIndexes } = spec;
  if (mode !== undefined && mode !== 'NonIndexed' && mode !== 'Indexed') {
    yield notSupported(`${field}.completionMode`, mode, ['NonIndexed', 'Indexed']);
  }
  if (mode === 'Indexed') yield* indexedErrors(spec, field);
  else if (mode === undefined || mode === 'NonIndexed') {
    const detail = 'requires indexed completion mode';
    if (backoffLimitPerIndex !== undefined) {
      yield invalid(`${field}.backoffLimitPerIndex`, backoffLimitPerIndex, detail);
    }
    if (maxFailedIndexes !== undefined) yield invalid(`${field}.maxFailedIndexes`, maxFailedIndexes, detail);
  }
}

function* indexedErrors(spec: JobSpec, field: string): Errors {
  const { completions, parallelism = 0, maxFailedIndexes, backoffLimitPerIndex } = spec;
  if (completions === undefined) yield required(`${field}.completions`, 'when completion mode is Indexed');
  if (parallelism > indexedParallelismMax) {
    const detail = `must be less than or equal to ${indexedParallelismMax} when completion mode is Indexed`;
    yield invalid(`${field}.parallelism`, parallelism, detail);
  }
  if (completions !== undefined && maxFailedIndexes !== undefined && maxFailedIndexes > completions) {
    yield invalid(`${field}.maxFailedIndexes`, maxFailedIndexes, 'must be less than or equal to completions');
  }
  if (maxFailedIndexes !== undefined && maxFailedIndexes > failedIndexesMax) {
    yield invalid(`${field}.maxFailedIndexes`, maxFailedIndexes, `must be less than or equal to ${failedIndexesMax}`);
  }
  if (completions === undefined || completions <= completionsSoftMax || backoffLimitPerIndex === undefined) return;
  if (maxFailedIndexes === undefined) {
    yield required(`${field}.maxFailedIndexes`, `must be specified when completions is above ${completionsSoftMax}`);
  }
  const detail = `must be less than or equal to ${aboveSoftMaxLimit} when completions are above ${completionsSoftMax} and used with backoff limit per index`;
  if (parallelism > aboveSoftMaxLimit) yield invalid(`${field}.parallelism`, parallelism, detail);
  if (maxFailedIndexes !== undefined && maxFailedIndexes > aboveSoftMaxLimit) {
    yield invalid(`${field}.maxFailedIndexes`, maxFailedIndexes, detail);
  }
}

function* replacementErrors({ podReplacementPolicy: policy, podFailurePolicy }: JobSpec, field: string): Errors {
  if (policy === undefined) return;
  const supported = podFailurePolicy === undefined ? ['Failed', 'TerminatingOrFailed'] : ['Failed'];
  if (!supported.includes(policy)) yield notSupported(field, policy, supported);
}

function* restartPolicyErrors({ template, podFailurePolicy }: JobSpec, field: string): Errors {
  const policy = template?.spec?.restartPolicy ?? '';
  // A policy that Jobs don't want may be one that was set by default, hence "required".
  if (policy === '' || policy === 'Always') yield required(field, 'valid values: "OnFailure", "Never"');
  else if (policy !== 'OnFailure' && policy !== 'Never') yield notSupported(field, policy, ['OnFailure', 'Never']);
  else if (podFailurePolicy !== undefined && policy !== 'Never') {
    yield invalid(field, policy, 'only "Never" is supported when podFailurePolicy is specified');
  }
}
