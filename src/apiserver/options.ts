import { type FieldError, forbidden, invalid as invalidField, notSupported } from '../kube/field-error.ts';
import { parseGoDuration } from '../kube/go-duration.ts';
import { badRequest, invalid, plainError } from './errors.ts';
import type { Query } from './query.ts';
import { isTrue } from './request-info.ts';

/** metav1.ListOptions of a list, a watch or a deletion of a collection. */
export interface ListOptions {
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly watch: boolean;
  readonly allowWatchBookmarks: boolean;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
  readonly timeoutSeconds: number | undefined;
  /** 0: no limit. */
  readonly limit: number;
  readonly continue: string;
  readonly sendInitialEvents: boolean | undefined;
}

export const noListOptions: ListOptions = {
  labelSelector: '',
  fieldSelector: '',
  watch: false,
  allowWatchBookmarks: false,
  resourceVersion: '',
  resourceVersionMatch: '',
  timeoutSeconds: undefined,
  limit: 0,
  continue: '',
  sendInitialEvents: undefined,
};

/** Throws BadRequest for numbers that are none, Invalid for options that don't go together. */
export function parseListOptions(query: Query, watch: boolean): ListOptions {
  if (query.isEmpty && !watch) return noListOptions;
  const timeoutSeconds = integer(query.get('timeoutSeconds'));
  const limit = integer(query.get('limit')) ?? 0;
  const sendInitialEvents = query.get('sendInitialEvents');
  const options: ListOptions = {
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
    watch,
    allowWatchBookmarks: isTrue(query.get('allowWatchBookmarks')),
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
    timeoutSeconds,
    limit: Math.max(limit, 0),
    continue: query.get('continue') ?? '',
    sendInitialEvents: sendInitialEvents === undefined ? undefined : isTrue(sendInitialEvents),
  };
  const errors = watch ? watchErrors(options) : listErrors(options);
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', errors);
  return options;
}

function listErrors(options: ListOptions): readonly FieldError[] {
  const errors: FieldError[] = [];
  const match = options.resourceVersionMatch;
  const refuse = (why: string) => errors.push(forbidden('resourceVersionMatch', why));
  if (match !== '') {
    if (options.resourceVersion === '') refuse('resourceVersionMatch is forbidden unless resourceVersion is provided');
    if (options.continue !== '') refuse('resourceVersionMatch is forbidden when continue is provided');
    if (match !== 'Exact' && match !== 'NotOlderThan') {
      errors.push(notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']));
    }
    if (match === 'Exact' && options.resourceVersion === '0') {
      refuse('resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
    }
  }
  if (options.sendInitialEvents !== undefined) {
    errors.push(forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  }
  return errors;
}

function watchErrors(options: ListOptions): readonly FieldError[] {
  const errors: FieldError[] = [];
  const match = options.resourceVersionMatch;
  const refuse = (why: string) => errors.push(forbidden('resourceVersionMatch', why));
  if (options.sendInitialEvents !== undefined && match !== 'NotOlderThan') {
    refuse('sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  }
  if (match !== '') {
    if (options.sendInitialEvents === undefined) {
      refuse('resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided');
    }
    if (match !== 'NotOlderThan') errors.push(notSupported('resourceVersionMatch', match, ['NotOlderThan']));
    if (options.continue !== '') refuse('resourceVersionMatch is forbidden when continue is provided');
  }
  return errors;
}

/** A signed 64-bit integer; undefined when absent. Throws BadRequest with the words of Go's strconv. */
export function integer(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const parsing = `strconv.ParseInt: parsing ${JSON.stringify(text)}`;
  if (!/^[+-]?[0-9]+$/.test(text)) throw badRequest(`${parsing}: invalid syntax`);
  const value = BigInt(text);
  if (BigInt.asIntN(64, value) !== value) throw badRequest(`${parsing}: value out of range`);
  return Number(value);
}

/** A resourceVersion as a revision; 0 for none. Lists answer BadRequest for a malformed one, everything else a plain 500. */
export function parseResourceVersion(text: string, verb: 'list' | 'other'): number {
  if (text === '' || text === '0') return 0;
  if (/^[0-9]+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  const why = /^[0-9]+$/.test(text) ? 'value out of range' : 'invalid syntax';
  const value = JSON.stringify(text);
  const message = `resourceVersion: Invalid value: ${value}: strconv.ParseUint: parsing ${value}: ${why}`;
  throw verb === 'list' ? badRequest(`invalid resource version: ${message}`) : plainError(message);
}

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

/** metav1.CreateOptions, UpdateOptions and PatchOptions. */
export interface WriteOptions {
  readonly dryRun: boolean;
  /** Empty when the client gave none: then its user agent names it. */
  readonly fieldManager: string;
  readonly fieldValidation: FieldValidation;
  readonly force: boolean | undefined;
}

/** Throws Invalid in upstream's words. `kind` names the options in the error. */
export function parseWriteOptions(
  query: Query,
  kind: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions',
  patchType?: string,
): WriteOptions {
  const dryRun = query.all('dryRun');
  const fieldManager = query.get('fieldManager') ?? '';
  const fieldValidation = query.get('fieldValidation') ?? '';
  const forceText = query.get('force');
  const errors: FieldError[] = [];
  const isApply = patchType === 'application/apply-patch+yaml' || patchType === 'application/apply-patch+cbor';
  if (kind === 'PatchOptions') {
    if (isApply && fieldManager === '') {
      errors.push({
        type: 'FieldValueRequired',
        field: 'fieldManager',
        message: 'Required value: is required for apply patch',
      });
    }
    if (!isApply && forceText !== undefined) {
      errors.push(forbidden('force', 'may not be specified for non-apply patch'));
    }
  }
  errors.push(...fieldManagerErrors(fieldManager), ...dryRunErrors(dryRun), ...fieldValidationErrors(fieldValidation));
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind }, '', errors);
  return {
    dryRun: dryRun.length > 0,
    fieldManager,
    fieldValidation: fieldValidation === '' ? 'Warn' : (fieldValidation as FieldValidation),
    force: forceText === undefined ? undefined : isTrue(forceText),
  };
}

export function dryRunErrors(dryRun: readonly string[]): readonly FieldError[] {
  if (dryRun.every((value) => value === 'All')) return [];
  return [notSupported('dryRun', dryRun, ['All'])];
}

function fieldManagerErrors(manager: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (Buffer.byteLength(manager) > 128) {
    errors.push({
      type: 'FieldValueTooLong',
      field: 'fieldManager',
      message: 'Too long: may not be more than 128 bytes',
    });
  }
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(manager)) {
    errors.push(invalidField('fieldManager', manager, 'should only contain printable characters'));
  }
  return errors;
}

function fieldValidationErrors(value: string): readonly FieldError[] {
  const supported = ['', 'Ignore', 'Strict', 'Warn'];
  return supported.includes(value) ? [] : [notSupported('fieldValidation', value, supported)];
}

/** A duration as Go writes it, in milliseconds; null for text that is none. */
export function parseDurationMs(text: string): number | null {
  const { nanoseconds } = parseGoDuration(text);
  return nanoseconds === undefined ? null : nanoseconds / 1e6;
}
