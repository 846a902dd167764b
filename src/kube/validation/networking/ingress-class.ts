import { type FieldError, forbidden, notSupported, required, tooLong } from '../../field-error.ts';
import { isDomainPrefixedPath } from '../../names.ts';
import type { IngressClass, IngressClassParametersReference } from '../../types.gen.ts';
import { dnsSubdomain, type Errors, each, immutable, namespaceName } from '../common.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { requiredPathSegment } from '../path-segment.ts';

const controllerBytesMax = 250;

export function validateIngressClass(ingressClass: IngressClass): readonly FieldError[] {
  return [...specErrors(ingressClass)];
}

export function validateIngressClassUpdate(ingressClass: IngressClass, old: IngressClass): readonly FieldError[] {
  const controller = ingressClass.spec?.controller ?? '';
  return [
    ...validateMetaUpdateOfKind(ingressClass.metadata, old.metadata),
    ...immutable(controller, old.spec?.controller ?? '', 'spec.controller'),
    ...validateObjectMeta(ingressClass.metadata, { namespaced: false }),
    ...specErrors(ingressClass),
  ];
}

function* specErrors({ spec }: IngressClass): Errors {
  const { controller = '', parameters } = spec ?? {};
  if (controller === '') yield required('spec.controller');
  else {
    if (Buffer.byteLength(controller) > controllerBytesMax) yield tooLong('spec.controller', controllerBytesMax);
    yield* each(isDomainPrefixedPath(controller), 'spec.controller', controller);
  }
  if (parameters !== undefined) yield* parametersErrors(parameters, 'spec.parameters');
}

function* parametersErrors(parameters: IngressClassParametersReference, field: string): Errors {
  const { apiGroup, kind, name, scope, namespace } = parameters;
  if (apiGroup !== undefined) yield* dnsSubdomain(apiGroup, `${field}.apiGroup`);
  yield* requiredPathSegment(kind, `${field}.kind`);
  yield* requiredPathSegment(name, `${field}.name`);
  if (scope === undefined) yield required(`${field}.scope`);
  else if (scope === 'Namespace') {
    if (namespace === undefined) yield required(`${field}.namespace`, "`parameters.scope` is set to 'Namespace'");
    else yield* namespaceName(namespace, `${field}.namespace`);
  } else if (scope === 'Cluster') {
    if (namespace !== undefined) yield forbidden(`${field}.namespace`, "`parameters.scope` is set to 'Cluster'");
  } else yield notSupported(`${field}.scope`, scope, ['Cluster', 'Namespace']);
}
