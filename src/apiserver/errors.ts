import { type FieldError, renderFieldError } from '../kube/field-error.ts';
import type { StatusCause, StatusDetails } from '../kube/object.ts';
import { groupResourceOf } from '../kube/resource.ts';
import { StatusError } from '../kube/status-error.ts';

/** A resource as error messages name it; a `Resource` or the target of a request. */
export interface GroupResource {
  readonly group: string;
  readonly plural: string;
}

/** A kind as error messages name it: `Deployment.apps "web" is invalid`. */
export interface GroupKind {
  readonly group: string;
  readonly kind: string;
}

/** An API error with the fields that every one has (k8s.io/apimachinery/pkg/api/errors). */
export function statusError(
  code: number,
  reason: string,
  message: string,
  details?: StatusDetails,
  headers: Readonly<Record<string, string>> = {},
): StatusError {
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason } as const;
  return new StatusError(details === undefined ? { ...status, code } : { ...status, details, code }, headers);
}

function resourceDetails(resource: GroupResource, name: string): StatusDetails {
  return { ...(name && { name }), ...(resource.group && { group: resource.group }), kind: resource.plural };
}

export function badRequest(message: string): StatusError {
  return statusError(400, 'BadRequest', message);
}

export function unauthorized(message = 'Unauthorized'): StatusError {
  return statusError(401, 'Unauthorized', message);
}

/** `pods "web" is forbidden: WHY`. */
export function forbidden(resource: GroupResource, name: string, why: string): StatusError {
  const subject = groupResourceOf(resource) + (name === '' ? '' : ` ${JSON.stringify(name)}`);
  return statusError(403, 'Forbidden', `${subject} is forbidden: ${why}`, resourceDetails(resource, name));
}

export function notFound(resource: GroupResource, name: string): StatusError {
  const message = `${groupResourceOf(resource)} ${JSON.stringify(name)} not found`;
  return statusError(404, 'NotFound', message, resourceDetails(resource, name));
}

export function conflict(resource: GroupResource, name: string, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${groupResourceOf(resource)} ${JSON.stringify(name)}: ${why}`;
  return statusError(409, 'Conflict', message, resourceDetails(resource, name));
}

/** `Pod "web" is invalid: [spec.a: ..., spec.b: ...]`, with one cause for each error. */
export function invalid(kind: GroupKind, name: string, errors: readonly FieldError[]): StatusError {
  const texts = [...new Set(errors.map(renderFieldError))];
  const text = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const qualified = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  const causes: StatusCause[] = errors.map(({ type, field, message }) => ({ reason: type, message, field }));
  return statusError(422, 'Invalid', `${qualified} ${JSON.stringify(name)} is invalid: ${text}`, {
    ...(name && { name }),
    ...(kind.group && { group: kind.group }),
    ...(kind.kind && { kind: kind.kind }),
    causes,
  });
}

/** 500 in Kubernetes' words; `why` is what went wrong, without secrets. */
export function internalServerError(why: string): StatusError {
  return statusError(500, 'InternalError', `Internal error occurred: ${why}`, { causes: [{ message: why }] });
}
