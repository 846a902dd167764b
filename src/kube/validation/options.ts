import { type FieldError, forbidden, invalid, notSupported, required, wholeObject } from '../field-error.ts';
import type { Errors } from './common.ts';
import { nonNegative } from './common.ts';
import { validateFieldManager } from './meta.ts';

/** The options of requests that lists and watches, writes and deletions check; paths are the names of query parameters. */
export interface ListRequestOptions {
  readonly watch: boolean;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
  readonly continue: string;
  readonly sendInitialEvents?: boolean;
}

/** Of meta.k8s.io ListOptions: which combinations of versions, matches and pages make sense. */
export function validateListOptions(options: ListRequestOptions): readonly FieldError[] {
  return [...(options.watch ? watchErrors(options) : listErrors(options))];
}

function* listErrors(options: ListRequestOptions): Errors {
  const { resourceVersionMatch: match, resourceVersion } = options;
  const field = 'resourceVersionMatch';
  if (match !== '') {
    if (resourceVersion === '') {
      yield forbidden(field, 'resourceVersionMatch is forbidden unless resourceVersion is provided');
    }
    yield* matchWithContinue(options);
    if (match !== 'Exact' && match !== 'NotOlderThan') yield notSupported(field, match, ['Exact', 'NotOlderThan', '']);
    if (match === 'Exact' && resourceVersion === '0') {
      yield forbidden(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
    }
  }
  if (options.sendInitialEvents !== undefined) {
    yield forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list');
  }
}

function* watchErrors(options: ListRequestOptions): Errors {
  const { resourceVersionMatch: match, sendInitialEvents } = options;
  const field = 'resourceVersionMatch';
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan') {
    yield forbidden(field, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  }
  if (match === '') return;
  if (sendInitialEvents === undefined) {
    yield forbidden(field, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided');
  }
  if (match !== 'NotOlderThan') yield notSupported(field, match, ['NotOlderThan']);
  yield* matchWithContinue(options);
}

function* matchWithContinue(options: ListRequestOptions): Errors {
  if (options.continue !== '') {
    yield forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided');
  }
}

export interface WriteRequestOptions {
  readonly dryRun: readonly string[];
  readonly fieldManager: string;
  readonly fieldValidation: string;
}

/** Of CreateOptions and UpdateOptions. */
export function validateWriteOptions(options: WriteRequestOptions): readonly FieldError[] {
  return [...writeErrors(options)];
}

function* writeErrors(options: WriteRequestOptions): Errors {
  yield* validateFieldManager(options.fieldManager, 'fieldManager');
  yield* validateDryRun(options.dryRun);
  if (!['', 'Ignore', 'Strict', 'Warn'].includes(options.fieldValidation)) {
    yield notSupported('fieldValidation', options.fieldValidation, ['', 'Ignore', 'Strict', 'Warn']);
  }
}

export interface PatchRequestOptions extends WriteRequestOptions {
  readonly force?: boolean;
  /** Server-side apply. */
  readonly apply: boolean;
}

/** Of PatchOptions. */
export function validatePatchOptions(options: PatchRequestOptions): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (!options.apply && options.force !== undefined) {
    errors.push(forbidden('force', 'may not be specified for non-apply patch'));
  }
  if (options.apply && options.fieldManager === '')
    errors.push(required('fieldManager', 'is required for apply patch'));
  return [...errors, ...writeErrors(options)];
}

export interface DeleteRequestOptions {
  readonly dryRun: readonly string[];
  readonly orphanDependents?: boolean;
  readonly propagationPolicy?: string;
}

/** Of DeleteOptions. */
export function validateDeleteOptions(options: DeleteRequestOptions): readonly FieldError[] {
  return [...deleteErrors(options)];
}

function* deleteErrors({ dryRun, orphanDependents, propagationPolicy: policy }: DeleteRequestOptions): Errors {
  const policies = ['Foreground', 'Background', 'Orphan'];
  if (orphanDependents !== undefined && policy !== undefined) {
    yield invalid('propagationPolicy', policy, 'orphanDependents and deletionPropagation cannot be both set');
  }
  if (policy !== undefined && !policies.includes(policy)) {
    yield notSupported('propagationPolicy', policy, [...policies, 'nil']);
  }
  yield* validateDryRun(dryRun);
}

function* validateDryRun(dryRun: readonly string[]): Errors {
  if (!dryRun.every((value) => value === 'All')) yield notSupported('dryRun', dryRun, ['All']);
}

/** What a client may ask of a container's log, as the query gives it. */
export interface LogRequestOptions {
  readonly tailLines?: number;
  readonly limitBytes?: number;
  readonly sinceSeconds?: number;
  readonly sinceTime?: string;
}

/** PodLogOptions. */
export function validateLogOptions(options: LogRequestOptions): readonly FieldError[] {
  const { tailLines, limitBytes, sinceSeconds, sinceTime } = options;
  const errors = [...nonNegative(tailLines, 'tailLines')];
  const mustBePositive = 'must be greater than 0';
  if (limitBytes !== undefined && limitBytes < 1) errors.push(invalid('limitBytes', limitBytes, mustBePositive));
  if (sinceSeconds === undefined) return errors;
  if (sinceTime !== undefined) {
    errors.push(forbidden(wholeObject, 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  } else if (sinceSeconds < 1) errors.push(invalid('sinceSeconds', sinceSeconds, mustBePositive));
  return errors;
}
