import { type FieldError, invalid, notSupported, required } from '../../field-error.ts';
import { parseIp } from '../../ip.ts';
import { isDns1123Subdomain, isPortName, isWildcardDns1123Subdomain, nameIsDnsSubdomain } from '../../names.ts';
import { shownMember } from '../../schema/empty-members.ts';
import type {
  HTTPIngressPath,
  HTTPIngressRuleValue,
  Ingress,
  IngressBackend,
  IngressRule,
  IngressServiceBackend,
  IngressSpec,
  IngressTLS,
  TypedLocalObjectReference,
} from '../../types.gen.ts';
import { validateIp } from '../addresses.ts';
import { dnsLabel, dnsSubdomain, type Errors, each, portNumber } from '../common.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { requiredPathSegment } from '../path-segment.ts';

const classAnnotation = 'kubernetes.io/ingress.class';
const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix'];
const wrongSequences = ['//', '/./', '/../', '%2f', '%2F'];
const wrongEndings = ['/..', '/.'];

interface IngressRules {
  readonly allowInvalidSecretName: boolean;
  readonly allowInvalidWildcardRules: boolean;
}

const strictRules: IngressRules = { allowInvalidSecretName: false, allowInvalidWildcardRules: false };

export function validateIngress({ metadata, spec = {} }: Ingress): readonly FieldError[] {
  return [...specErrors(spec, strictRules), ...classErrors(metadata.annotations?.[classAnnotation], spec)];
}

export function validateIngressUpdate(ingress: Ingress, old: Ingress): readonly FieldError[] {
  return [
    ...validateMetaUpdateOfKind(ingress.metadata, old.metadata),
    ...validateObjectMeta(ingress.metadata, { namespaced: true }),
    ...specErrors(ingress.spec ?? {}, rulesForUpdate(old.spec ?? {})),
  ];
}

export function validateIngressStatusUpdate(ingress: Ingress, old: Ingress): readonly FieldError[] {
  return [...validateMetaUpdateOfKind(ingress.metadata, old.metadata), ...statusErrors(ingress, old)];
}

/** What an Ingress that stands got wrong by today's rules stays allowed to it. */
function rulesForUpdate({ tls = [], rules = [] }: IngressSpec): IngressRules {
  return {
    allowInvalidSecretName: tls.some(({ secretName = '' }) => !secretNameErrors(secretName, '').next().done),
    allowInvalidWildcardRules: rules.some(
      ({ host = '', http }) => host.includes('*') && http !== undefined && !httpErrors(http, '').next().done,
    ),
  };
}

function* classErrors(annotation: string | undefined, { ingressClassName }: IngressSpec): Errors {
  if (annotation === undefined || ingressClassName === undefined || annotation === ingressClassName) return;
  const detail = 'must match `ingressClassName` when both are specified';
  yield invalid(`annotations.${classAnnotation}`, annotation, detail);
}

function* specErrors(spec: IngressSpec, options: IngressRules): Errors {
  const { rules = [], defaultBackend, tls = [], ingressClassName } = spec;
  if (rules.length === 0 && defaultBackend === undefined) {
    yield invalid('spec', shownMember(spec, 'rules'), 'either `defaultBackend` or `rules` must be specified');
  }
  if (defaultBackend !== undefined) yield* backendErrors(defaultBackend, 'spec.defaultBackend');
  for (const [index, rule] of rules.entries()) yield* ruleErrors(rule, `spec.rules[${index}]`, options);
  for (const [index, one] of tls.entries()) yield* tlsErrors(one, `spec.tls[${index}]`, options);
  if (ingressClassName !== undefined) {
    yield* each(nameIsDnsSubdomain(ingressClassName, false), 'spec.ingressClassName', ingressClassName);
  }
}

function* tlsErrors({ hosts = [], secretName = '' }: IngressTLS, field: string, options: IngressRules): Errors {
  for (const [index, host] of hosts.entries()) yield* hostErrors(host, `${field}.hosts[${index}]`);
  if (!options.allowInvalidSecretName) yield* secretNameErrors(secretName, `${field}.secretName`);
}

function* secretNameErrors(name: string, field: string): Errors {
  if (name !== '') yield* dnsSubdomain(name, field);
}

function hostErrors(host: string, field: string): Errors {
  return each(host.includes('*') ? isWildcardDns1123Subdomain(host) : isDns1123Subdomain(host), field, host);
}

function* ruleErrors({ host = '', http }: IngressRule, field: string, options: IngressRules): Errors {
  if (host !== '') {
    if (parseIp(host) !== undefined) {
      yield invalid(`${field}.host`, host, 'must be a DNS name, not an IP address');
    }
    yield* hostErrors(host, `${field}.host`);
  }
  if (http === undefined || (options.allowInvalidWildcardRules && host.includes('*'))) return;
  yield* httpErrors(http, `${field}.http`);
}

function* httpErrors({ paths = [] }: Partial<HTTPIngressRuleValue>, field: string): Errors {
  if (paths.length === 0) yield required(`${field}.paths`);
  for (const [index, path] of paths.entries()) yield* pathErrors(path, `${field}.paths[${index}]`);
}

function* pathErrors({ pathType, path = '', backend }: Partial<HTTPIngressPath>, field: string): Errors {
  if (pathType === undefined) {
    yield required(`${field}.pathType`, 'pathType must be specified');
    return;
  }
  if (!pathTypes.includes(pathType)) yield notSupported(`${field}.pathType`, pathType, pathTypes);
  else if (pathType !== 'ImplementationSpecific') yield* strictPathErrors(path, `${field}.path`);
  else if (path !== '') yield* absolute(path, `${field}.path`);
  yield* backendErrors(backend ?? {}, `${field}.backend`);
}

function* absolute(path: string, field: string): Errors {
  if (!path.startsWith('/')) yield invalid(field, path, 'must be an absolute path');
}

function* strictPathErrors(path: string, field: string): Errors {
  yield* absolute(path, field);
  for (const sequence of wrongSequences) {
    if (path.includes(sequence)) yield invalid(field, path, `must not contain '${sequence}'`);
  }
  for (const ending of wrongEndings) {
    if (path.endsWith(ending)) yield invalid(field, path, `cannot end with '${ending}'`);
  }
}

function* backendErrors({ resource, service }: IngressBackend, field: string): Errors {
  if (resource !== undefined && service !== undefined) {
    yield invalid(field, '', 'cannot set both resource and service backends');
  } else if (resource !== undefined) yield* resourceErrors(resource, `${field}.resource`);
  else if (service !== undefined) yield* serviceErrors(service, field);
  else yield invalid(field, '', 'resource or service backend is required');
}

function* serviceErrors({ name = '', port }: IngressServiceBackend, field: string): Errors {
  if (name === '') yield required(`${field}.service.name`);
  else yield* dnsLabel(name, `${field}.service.name`);
  const { name: portName = '', number = 0 } = port ?? {};
  if (portName !== '' && number !== 0) yield invalid(field, '', 'cannot set both port name & port number');
  else if (portName !== '') yield* each(isPortName(portName), `${field}.service.port.name`, portName);
  else if (number !== 0) yield* portNumber(number, `${field}.service.port.number`);
  else yield required(field, 'port name or number is required');
}

function* resourceErrors({ apiGroup, kind, name }: TypedLocalObjectReference, field: string): Errors {
  if (apiGroup !== undefined) yield* dnsSubdomain(apiGroup, `${field}.apiGroup`);
  yield* requiredPathSegment(kind, `${field}.kind`);
  yield* requiredPathSegment(name, `${field}.name`);
}

function* statusErrors({ status }: Ingress, old: Ingress): Errors {
  const known = (old.status?.loadBalancer?.ingress ?? []).map(({ ip = '' }) => ip);
  for (const [index, { ip = '', hostname = '' }] of (status?.loadBalancer?.ingress ?? []).entries()) {
    const field = `status.loadBalancer.ingress[${index}]`;
    if (ip !== '') yield* validateIp(ip, `${field}.ip`, known);
    if (hostname === '') continue;
    yield* dnsSubdomain(hostname, `${field}.hostname`);
    if (parseIp(hostname) !== undefined) {
      yield invalid(`${field}.hostname`, hostname, 'must be a DNS name, not an IP address');
    }
  }
}
