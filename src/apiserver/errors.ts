import { type FieldError, renderFieldError } from '../kube/field-error.ts';
import type { Status, StatusCause, StatusDetails } from '../kube/object.ts';
import { StatusError } from '../kube/status-error.ts';

/** How errors name a resource: `deployments.apps`. */
export interface GroupResource {
  readonly group: string;
  readonly plural: string;
}

/** How errors name a kind: `Deployment.apps`. */
export interface GroupKind {
  readonly group: string;
  readonly kind: string;
}

interface Failure {
  readonly code: number;
  readonly reason?: string;
  readonly message: string;
  readonly details?: StatusDetails;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Builds the Status of a failed request; the members stand in the order of metav1.Status. */
export function failure({ code, reason, message, details, headers }: Failure): StatusError {
  const status: Status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    ...(reason === undefined ? {} : { reason }),
    ...(details === undefined ? {} : { details }),
    code,
  };
  return new StatusError(status, headers);
}

function qualified(group: string, name: string): string {
  return group === '' ? name : `${name}.${group}`;
}

function detailsOf(name: string, group: string, kind: string, more: Partial<StatusDetails> = {}): StatusDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(group === '' ? {} : { group }),
    ...(kind === '' ? {} : { kind }),
    ...more,
  };
}

const quote = (text: string) => JSON.stringify(text);

export function notFound(resource: GroupResource, name: string): StatusError {
  return failure({
    code: 404,
    reason: 'NotFound',
    message: `${qualified(resource.group, resource.plural)} ${quote(name)} not found`,
    details: detailsOf(name, resource.group, resource.plural),
  });
}

export function alreadyExists(resource: GroupResource, name: string): StatusError {
  return failure({
    code: 409,
    reason: 'AlreadyExists',
    message: `${qualified(resource.group, resource.plural)} ${quote(name)} already exists`,
    details: detailsOf(name, resource.group, resource.plural),
  });
}

/** A generated name that was taken: the client may simply try again. */
export function generateNameConflict(resource: GroupResource, name: string): StatusError {
  return failure({
    code: 409,
    reason: 'AlreadyExists',
    message: `${qualified(resource.group, resource.plural)} ${quote(name)} already exists, the server was not able to generate a unique name for the object`,
    details: detailsOf(name, resource.group, resource.plural, { retryAfterSeconds: 1 }),
    headers: { 'retry-after': '1' },
  });
}

export const objectModified =
  'the object has been modified; please apply your changes to the latest version and try again';

export function conflict(resource: GroupResource, name: string, why: string = objectModified): StatusError {
  return failure({
    code: 409,
    reason: 'Conflict',
    message: `Operation cannot be fulfilled on ${qualified(resource.group, resource.plural)} ${quote(name)}: ${why}`,
    details: detailsOf(name, resource.group, resource.plural),
  });
}

export function invalid(kind: GroupKind, name: string, errors: readonly FieldError[]): StatusError {
  const causes: StatusCause[] = errors.map((e) => ({ reason: e.type, message: e.message, field: e.field }));
  const texts = [...new Set(errors.map(renderFieldError))];
  const text = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  return failure({
    code: 422,
    reason: 'Invalid',
    message: `${qualified(kind.group, kind.kind)} ${quote(name)} is invalid: ${text}`,
    details: detailsOf(name, kind.group, kind.kind, { causes }),
  });
}

export function badRequest(message: string): StatusError {
  return failure({ code: 400, reason: 'BadRequest', message });
}

export function unauthorized(message = 'Unauthorized'): StatusError {
  return failure({ code: 401, reason: 'Unauthorized', message });
}

/** `why` as the authorizer or an admission plugin words it. */
export function forbidden(resource: GroupResource, name: string, why: string): StatusError {
  const subject = qualified(resource.group, resource.plural);
  const message =
    subject === '' ? `forbidden: ${why}` : `${subject}${name === '' ? '' : ` ${quote(name)}`} is forbidden: ${why}`;
  return failure({
    code: 403,
    reason: 'Forbidden',
    message,
    details: detailsOf(name, resource.group, resource.plural),
  });
}

/** The path leads nowhere. */
export function noSuchResource(): StatusError {
  return failure({
    code: 404,
    reason: 'NotFound',
    message: 'the server could not find the requested resource',
    details: {},
  });
}

/** The path exists, but not for this HTTP method. */
export function methodNotAllowed(): StatusError {
  return failure({
    code: 405,
    reason: 'MethodNotAllowed',
    message: 'the server does not allow this method on the requested resource',
    details: {},
  });
}

/** The resource exists and the verb does, but not together. */
export function methodNotSupported(resource: GroupResource, verb: string): StatusError {
  return failure({
    code: 405,
    reason: 'MethodNotAllowed',
    message: `${verb} is not supported on resources of kind ${quote(qualified(resource.group, resource.plural))}`,
    details: detailsOf('', resource.group, resource.plural),
  });
}

export function notAcceptable(available: readonly string[]): StatusError {
  return failure({
    code: 406,
    reason: 'NotAcceptable',
    message: `406: Not Acceptable\n\nAvailable representations: ${available.join(', ')}`,
    details: {},
  });
}

/** The media type is served, but not with the conversion (`as=`) that was asked. */
export function conversionNotAcceptable(message: string): StatusError {
  return failure({ code: 406, reason: 'NotAcceptable', message });
}

/** An object that has no protobuf form. */
export function notMarshalable(kind: string): StatusError {
  return failure({ code: 406, reason: 'NotAcceptable', message: `object *${kind} ${noProtobuf}` });
}

/** Upstream's words for what has no protobuf form; the Go type of the object stands before them. */
export const noProtobuf =
  'does not implement the protobuf marshalling interface and cannot be encoded to a protobuf message';

export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  return failure({
    code: 415,
    reason: 'UnsupportedMediaType',
    message: `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  });
}

/** A patch of a media type that the resource does not take. */
export function unsupportedPatchType(): StatusError {
  return failure({
    code: 415,
    reason: 'UnsupportedMediaType',
    message: '415: Unsupported Media Type',
    details: {},
  });
}

export function entityTooLarge(limitBytes: number): StatusError {
  return failure({
    code: 413,
    reason: 'RequestEntityTooLarge',
    message: `Request entity too large: limit is ${limitBytes}`,
  });
}

/** The revision asked for is no longer kept. */
export function expired(message: string): StatusError {
  return failure({ code: 410, reason: 'Expired', message });
}

export function resourceVersionTooOld(requested: number, oldest: number): StatusError {
  return expired(`too old resource version: ${requested} (${oldest})`);
}

export function resourceVersionTooLarge(requested: number, current: number): StatusError {
  return failure({
    code: 504,
    reason: 'Timeout',
    message: `Timeout: Too large resource version: ${requested}, current: ${current}`,
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
    headers: { 'retry-after': '1' },
  });
}

export function requestTimeout(verb: string): StatusError {
  return failure({
    code: 504,
    reason: 'Timeout',
    message: `Timeout: request did not complete within requested timeout - context deadline exceeded`,
    details: { kind: verb },
  });
}

export function tooManyRequests(message: string, retryAfterSeconds: number): StatusError {
  return failure({
    code: 429,
    reason: 'TooManyRequests',
    message,
    details: retryAfterSeconds > 0 ? { retryAfterSeconds } : {},
    ...(retryAfterSeconds > 0 ? { headers: { 'retry-after': String(retryAfterSeconds) } } : {}),
  });
}

export function serviceUnavailable(message: string): StatusError {
  return failure({ code: 503, reason: 'ServiceUnavailable', message });
}

export function internalError(message: string): StatusError {
  return failure({
    code: 500,
    reason: 'InternalError',
    message: `Internal error occurred: ${message}`,
    details: { causes: [{ message }] },
  });
}

/** A plain Go error without a reason: upstream answers 500 with its text. */
export function plainError(message: string): StatusError {
  return failure({ code: 500, message });
}

/** The Status that answers a finished deletion. */
export function deletedStatus(resource: GroupResource, name: string, uid: string | undefined): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: detailsOf(name, resource.group, resource.plural, uid === undefined ? {} : { uid }),
  };
}

/** Any other failure, its parts as they stand on the wire. */
export function statusError(code: number, reason: string, message: string, details?: StatusDetails): StatusError {
  return failure({ code, reason, message, ...(details === undefined ? {} : { details }) });
}
