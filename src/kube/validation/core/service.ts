import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import { parseIp } from '../../ip.ts';
import { isDns1123Subdomain, nameIsDnsLabel } from '../../names.ts';
import { shownMember } from '../../schema/empty-members.ts';
import type { LoadBalancerIngress, Service, ServicePort, ServiceSpec, SessionAffinityConfig } from '../../types.gen.ts';
import { validateCidr, validateIp, validateNonSpecialIp } from '../addresses.ts';
import {
  dnsLabel,
  dnsSubdomain,
  type Errors,
  each,
  portNumber,
  portNumberOrName,
  qualifiedName,
  requiredValue,
  supportedValue,
} from '../common.ts';
import { internalForm } from '../internal-form.ts';
import { validateLabels } from '../label-selector.ts';
import { validateMetaUpdateOfKind, validateObjectMeta } from '../meta.ts';
import { isHeadless, validateServiceClusterIps } from './service-addresses.ts';

const types: readonly string[] = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const protocols: readonly string[] = ['SCTP', 'TCP', 'UDP'];
const affinitySecondsMax = 86_400;
const hintsAnnotation = 'service.kubernetes.io/topology-aware-hints';
const modeAnnotation = 'service.kubernetes.io/topology-mode';
const sourceRangesAnnotation = 'service.beta.kubernetes.io/load-balancer-source-ranges';

/** A Service whose addresses and ports are allocated already. */
export function validateService(service: Service): readonly FieldError[] {
  return [...createErrors(service)];
}

function* createErrors(service: Service): Errors {
  const { metadata, spec = {} } = service;
  const hints = metadata.annotations?.[hintsAnnotation];
  const mode = metadata.annotations?.[modeAnnotation];
  if (hints !== undefined && mode !== undefined && hints !== mode) {
    const detail = `must match annotations[${hintsAnnotation}] when both are specified`;
    yield invalid(`metadata.annotations[${modeAnnotation}]`, mode, detail);
  }
  yield* validateType(spec);
  yield* validatePorts(spec.ports ?? []);
  yield* validateLabels(spec.selector, 'spec.selector');
  yield* validateSessionAffinity(spec);
  yield* validateServiceClusterIps(spec);
  for (const [index, address] of (spec.externalIPs ?? []).entries()) {
    const path = `spec.externalIPs[${index}]`;
    const errors = [...validateIp(address, path)];
    yield* errors.length > 0 ? errors : validateNonSpecialIp(address, path);
  }
  yield* requiredValue(spec.type, types, 'spec.type');
  yield* validatePortsUsedOnce(spec);
  yield* validateSourceRanges(service);
  yield* validateLoadBalancerFields(spec);
  yield* validateTrafficPolicies(spec);
}

function* validateType(spec: ServiceSpec): Errors {
  const { type = '', ports = [], externalName = '' } = spec;
  const headless = isHeadless(spec);
  if (ports.length === 0 && !headless && type !== 'ExternalName') yield required('spec.ports');
  if (headless && (type === 'LoadBalancer' || type === 'NodePort')) {
    yield invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${type} services`);
  }
  if (type !== 'ExternalName') return;
  const detail = 'may not be set for ExternalName services';
  if ((spec.clusterIPs ?? []).length > 0) yield forbidden('spec.clusterIPs', detail);
  if ((spec.ipFamilies ?? []).length > 0) yield forbidden('spec.ipFamilies', detail);
  if (spec.ipFamilyPolicy !== undefined) yield forbidden('spec.ipFamilyPolicy', detail);
  const name = externalName.endsWith('.') ? externalName.slice(0, -1) : externalName;
  if (name === '') yield required('spec.externalName');
  else yield* dnsSubdomain(name, 'spec.externalName');
}

function* validatePorts(ports: readonly ServicePort[]): Errors {
  const names = new Set<string>();
  for (const [index, servicePort] of ports.entries()) {
    const path = `spec.ports[${index}]`;
    const { name = '', port = 0, targetPort = 0, appProtocol } = servicePort;
    if (name === '' && ports.length > 1) yield required(`${path}.name`);
    else if (name !== '') {
      yield* dnsLabel(name, `${path}.name`);
      if (names.has(name)) yield duplicate(`${path}.name`, name);
      names.add(name);
    }
    yield* portNumber(port, `${path}.port`);
    yield* requiredValue(servicePort.protocol, protocols, `${path}.protocol`);
    yield* portNumberOrName(targetPort, `${path}.targetPort`);
    if (appProtocol !== undefined) yield* qualifiedName(appProtocol, `${path}.appProtocol`);
  }
}

function* validateSessionAffinity({ sessionAffinity = '', sessionAffinityConfig: config }: ServiceSpec): Errors {
  yield* requiredValue(sessionAffinity, ['ClientIP', 'None'], 'spec.sessionAffinity');
  if (sessionAffinity === 'ClientIP') yield* validateClientIp(config, 'spec.sessionAffinityConfig');
  else if (sessionAffinity === 'None' && config !== undefined) {
    yield forbidden('spec.sessionAffinityConfig', 'must not be set when session affinity is None');
  }
}

function* validateClientIp(config: SessionAffinityConfig | undefined, field: string): Errors {
  const detail = 'when session affinity type is ClientIP';
  const seconds = config?.clientIP?.timeoutSeconds;
  if (config === undefined) yield required(field, detail);
  else if (config.clientIP === undefined) yield required(`${field}.clientIP`, detail);
  else if (seconds === undefined) yield required(`${field}.clientIP.timeoutSeconds`, detail);
  else if (seconds <= 0 || seconds > affinitySecondsMax) {
    const range = `must be greater than 0 and less than ${affinitySecondsMax}`;
    yield invalid(`${field}.clientIP.timeoutSeconds`, seconds, range);
  }
}

function* validatePortsUsedOnce({ type, ports = [] }: ServiceSpec): Errors {
  if (type === 'ClusterIP') {
    for (const [index, { nodePort = 0 }] of ports.entries()) {
      if (nodePort !== 0)
        yield forbidden(`spec.ports[${index}].nodePort`, "may not be used when `type` is 'ClusterIP'");
    }
  }
  const nodePorts = new Set<string>();
  for (const [index, { nodePort = 0, protocol }] of ports.entries()) {
    if (nodePort === 0) continue;
    const key = `${protocol}/${nodePort}`;
    if (nodePorts.has(key)) yield duplicate(`spec.ports[${index}].nodePort`, nodePort);
    nodePorts.add(key);
  }
  const used = new Set<string>();
  for (const [index, { port = 0, protocol = '' }] of ports.entries()) {
    const key = `${protocol}/${port}`;
    if (used.has(key)) yield duplicate(`spec.ports[${index}]`, internalForm('ServicePort', { port, protocol }));
    used.add(key);
  }
}

function* validateSourceRanges({ metadata, spec = {} }: Service): Errors {
  const ranges = spec.loadBalancerSourceRanges ?? [];
  const annotation = metadata.annotations?.[sourceRangesAnnotation];
  const refusal = "may only be used when `type` is 'LoadBalancer'";
  if (ranges.length > 0) {
    const field = 'spec.LoadBalancerSourceRanges';
    if (spec.type !== 'LoadBalancer') yield forbidden(field, refusal);
    for (const [index, range] of ranges.entries()) yield* validateCidr(range.trim(), `${field}[${index}]`);
  } else if (annotation !== undefined) {
    const field = `metadata.annotations[${sourceRangesAnnotation}]`;
    if (spec.type !== 'LoadBalancer') yield forbidden(field, refusal);
    if (annotation.trim() === '') return;
    for (const range of annotation.trim().split(',')) yield* validateCidr(range.trim(), field);
  }
}

function* validateLoadBalancerFields(spec: ServiceSpec): Errors {
  const { type, allocateLoadBalancerNodePorts: allocate } = spec;
  if (allocate !== undefined && type !== 'LoadBalancer') {
    yield forbidden('spec.allocateLoadBalancerNodePorts', "may only be used when `type` is 'LoadBalancer'");
  }
  if (allocate === undefined && type === 'LoadBalancer') yield required('allocateLoadBalancerNodePorts');
  yield* validateLoadBalancerClass(spec);
}

function* validateLoadBalancerClass({ type, loadBalancerClass: name }: ServiceSpec): Errors {
  if (name === undefined) return;
  if (type === 'LoadBalancer') yield* qualifiedName(name, 'spec.loadBalancerClass');
  else yield forbidden('spec.loadBalancerClass', "may only be used when `type` is 'LoadBalancer'");
}

function isExternallyAccessible({ type, externalIPs = [] }: ServiceSpec): boolean {
  return type === 'LoadBalancer' || type === 'NodePort' || (type === 'ClusterIP' && externalIPs.length > 0);
}

function needsHealthCheck({ type, externalTrafficPolicy }: ServiceSpec): boolean {
  return type === 'LoadBalancer' && externalTrafficPolicy === 'Local';
}

function* validateTrafficPolicies(spec: ServiceSpec): Errors {
  const { type = '', externalTrafficPolicy: external = '', healthCheckNodePort: port = 0 } = spec;
  const { internalTrafficPolicy: internal, trafficDistribution: distribution } = spec;
  if (isExternallyAccessible(spec)) {
    yield* requiredValue(external, ['Cluster', 'Local'], 'spec.externalTrafficPolicy');
  } else if (external !== '') {
    yield invalid('spec.externalTrafficPolicy', external, 'may only be set for externally-accessible services');
  }
  if (needsHealthCheck(spec)) {
    if (port === 0) yield required('spec.healthCheckNodePort');
    else yield* portNumber(port, 'spec.healthCheckNodePort');
  } else if (port !== 0) {
    const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    yield invalid('spec.healthCheckNodePort', port, detail);
  }
  if (internal === undefined && types.includes(type) && type !== 'ExternalName') {
    yield required('spec.internalTrafficPolicy');
  }
  yield* supportedValue(internal, ['Cluster', 'Local'], 'spec.internalTrafficPolicy');
  const distributions = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];
  yield* supportedValue(distribution, distributions, 'spec.trafficDistribution');
}

export function validateServiceUpdate(service: Service, old: Service): readonly FieldError[] {
  return [...updateErrors(service, old)];
}

function* updateErrors(service: Service, old: Service): Errors {
  const spec = service.spec ?? {};
  const oldSpec = old.spec ?? {};
  yield* validateMetaUpdateOfKind(service.metadata, old.metadata);
  yield* addressesKept(spec, oldSpec);
  yield* familiesKept(spec, oldSpec);
  if (spec.type === 'LoadBalancer' && oldSpec.type === 'LoadBalancer') {
    const { loadBalancerClass: name } = spec;
    if (name !== oldSpec.loadBalancerClass) yield invalid('spec.loadBalancerClass', name ?? null, onceSet);
  }
  yield* validateLoadBalancerClass(spec);
  if (needsHealthCheck(spec) && needsHealthCheck(oldSpec)) {
    if (spec.healthCheckNodePort !== oldSpec.healthCheckNodePort) {
      yield forbidden('spec.healthCheckNodePort', 'field is immutable');
    }
  }
  yield* validateObjectMeta(service.metadata, { namespaced: true, validateName: nameIsDnsLabel });
  yield* createErrors(service);
}

const onceSet = 'may not change once set';

/** The first address stays; a second one may be added, and released under SingleStack. */
function* addressesKept(spec: ServiceSpec, old: ServiceSpec): Errors {
  if (spec.type === 'ExternalName' || old.type === 'ExternalName') return;
  if (isHeadless(spec) && isHeadless(old)) return;
  const addresses = spec.clusterIPs ?? [];
  const before = old.clusterIPs ?? [];
  const shown = shownMember(spec, 'clusterIPs');
  if (addresses.length === before.length) {
    for (const [index, address] of before.entries()) {
      if (address !== addresses[index]) yield invalid(`spec.clusterIPs[${index}]`, shown, onceSet);
    }
    return;
  }
  const field = 'spec.clusterIPs[0]';
  if (before.length > 0 && addresses.length === 0) yield invalid(field, shown, 'primary clusterIP can not be unset');
  if (before.length > 0 && addresses.length > 0 && addresses[0] !== before[0]) yield invalid(field, shown, onceSet);
  if (before.length > addresses.length && addresses.length === 1) yield* released(spec, 'clusterIP');
}

function* familiesKept(spec: ServiceSpec, old: ServiceSpec): Errors {
  if (spec.type === 'ExternalName' || old.type === 'ExternalName') return;
  if (isHeadless(spec) || isHeadless(old)) return;
  const families = spec.ipFamilies ?? [];
  const before = old.ipFamilies ?? [];
  const field = 'spec.ipFamilies[0]';
  if (families.length === before.length) {
    for (const [index, family] of before.entries()) {
      if (family !== families[index]) yield invalid(field, shownMember(spec, 'ipFamilies'), onceSet);
    }
    return;
  }
  if (before.length > families.length && (spec.clusterIPs ?? []).length === 0) {
    yield invalid(field, shownMember(spec, 'ipFamilies'), 'primary ipFamily can not be unset');
  }
  if (before.length > 0 && families.length > 0 && families[0] !== before[0]) {
    yield invalid(field, shownMember(spec, 'clusterIPs'), onceSet);
  }
  if (before.length > families.length && families.length === 1) yield* released(spec, 'ipFamily');
}

function* released({ ipFamilyPolicy: policy }: ServiceSpec, what: string): Errors {
  if (policy === 'SingleStack') return;
  const detail = `must be set to 'SingleStack' when releasing the secondary ${what}`;
  yield invalid('spec.ipFamilyPolicy', policy ?? null, detail);
}

export function validateServiceStatusUpdate(service: Service, old: Service): readonly FieldError[] {
  return [
    ...validateMetaUpdateOfKind(service.metadata, old.metadata),
    ...validateLoadBalancerIngress(
      service.status?.loadBalancer?.ingress ?? [],
      service.spec ?? {},
      'status.loadBalancer.ingress',
    ),
  ];
}

function* validateLoadBalancerIngress(
  ingress: readonly LoadBalancerIngress[],
  spec: ServiceSpec,
  field: string,
): Errors {
  if (spec.type !== 'LoadBalancer' && ingress.length > 0) {
    yield forbidden(field, "may only be used when `spec.type` is 'LoadBalancer'");
    return;
  }
  for (const [index, { ip = '', hostname = '', ipMode }] of ingress.entries()) {
    const path = `${field}[${index}]`;
    if (ip !== '') yield* validateIp(ip, `${path}.ip`);
    if (ipMode === undefined) {
      if (ip !== '') yield required(`${path}.ipMode`, 'must be specified when `ip` is set');
    } else if (ip === '') yield forbidden(`${path}.ipMode`, 'may not be specified when `ip` is not set');
    else if (ipMode !== 'VIP' && ipMode !== 'Proxy') yield notSupported(`${path}.ipMode`, ipMode, ['Proxy', 'VIP']);
    if (hostname === '') continue;
    yield* each(isDns1123Subdomain(hostname), `${path}.hostname`, hostname);
    if (parseIp(hostname) !== undefined) {
      yield invalid(`${path}.hostname`, hostname, 'must be a DNS name, not an IP address');
    }
  }
}
