import { isExternallyAccessible } from '../defaults/service.ts';
import { type Draft, draft } from '../draft.ts';
import { services } from '../resources.gen.ts';
import type { Service, ServiceSpec } from '../types.gen.ts';
import { isSemanticallyEqual } from './equal.ts';
import { clearStatus, restore } from './status.ts';

type Spec = Draft<ServiceSpec> | ServiceSpec;

export function prepareServiceForCreate(service: Draft<Service>): void {
  clearStatus(services, service);
  const spec = service.spec;
  if (spec?.clusterIP && (spec.clusterIPs ?? []).length === 0) spec.clusterIPs = [spec.clusterIP];
}

/** Keeps what was allocated when the client leaves it out, and drops what a new type has no use for. */
export function prepareServiceForUpdate(service: Draft<Service>, old: Service): void {
  restore(service, old, 'status');
  if (service.spec === undefined || old.spec === undefined) return;
  keepAllocated(service.spec, old.spec);
  alignClusterIps(service.spec, old.spec);
  trimToOneFamily(service.spec, old.spec);
  dropOfOtherType(service.spec, old.spec);
}

/** A Service that gives its second family up need not say which: what it repeats unchanged is cut to the first. */
function trimToOneFamily(spec: Draft<ServiceSpec>, old: ServiceSpec): void {
  const wasDual = old.ipFamilyPolicy === 'PreferDualStack' || old.ipFamilyPolicy === 'RequireDualStack';
  if (!wasDual || spec.ipFamilyPolicy !== 'SingleStack') return;
  for (const member of ['clusterIPs', 'ipFamilies'] as const) {
    const list = spec[member];
    if (list?.length === 2 && isSemanticallyEqual(list, old[member])) spec[member] = list.slice(0, 1);
  }
}

function needsClusterIp(spec: Spec): boolean {
  return spec.type !== 'ExternalName';
}

function needsNodePort(spec: Spec): boolean {
  return spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
}

/** A load balancer that keeps traffic local asks nodes for their health on this port. */
export function needsHealthCheckPort(spec: Spec): boolean {
  return spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
}

function keepAllocated(spec: Draft<ServiceSpec>, old: ServiceSpec): void {
  if (needsClusterIp(spec) && needsClusterIp(old)) {
    if (!spec.clusterIP && old.clusterIP) spec.clusterIP = old.clusterIP;
    if ((spec.clusterIPs ?? []).length === 0 && spec.clusterIP === old.clusterIP && old.clusterIPs !== undefined) {
      spec.clusterIPs = [...old.clusterIPs];
    }
    if (old.ipFamilyPolicy !== undefined) spec.ipFamilyPolicy ??= old.ipFamilyPolicy;
    if (old.ipFamilies !== undefined) spec.ipFamilies ??= [...old.ipFamilies];
  }
  if (needsNodePort(spec) && needsNodePort(old)) keepNodePorts(spec, old);
  if (needsHealthCheckPort(spec) && needsHealthCheckPort(old) && old.healthCheckNodePort) {
    spec.healthCheckNodePort ??= old.healthCheckNodePort;
  }
}

function keepNodePorts(spec: Draft<ServiceSpec>, old: ServiceSpec): void {
  const key = (port: { readonly protocol?: string; readonly port: number }) => `${port.protocol}/${port.port}`;
  const taken = new Set((spec.ports ?? []).map((port) => `${port.protocol}/${port.nodePort ?? 0}`));
  const former = new Map((old.ports ?? []).map((port) => [key(port), port.nodePort ?? 0]));
  for (const port of spec.ports ?? []) {
    if (port.nodePort) continue;
    const nodePort = former.get(key(port)) ?? 0;
    if (nodePort === 0 || taken.has(`${port.protocol}/${nodePort}`)) continue;
    port.nodePort = nodePort;
    taken.add(`${port.protocol}/${nodePort}`);
  }
}

// clusterIP and clusterIPs[0] say the same: a client that changes only one of them means both.
function alignClusterIps(spec: Draft<ServiceSpec>, old: ServiceSpec): void {
  const isSameIp = (spec.clusterIP ?? '') === (old.clusterIP ?? '');
  const areSameIps = isSemanticallyEqual(spec.clusterIPs, old.clusterIPs);
  if (!isSameIp && areSameIps) {
    if (!spec.clusterIP) delete spec.clusterIPs;
    else if ((spec.clusterIPs ?? []).length > 0 && old.clusterIP) {
      spec.clusterIPs = [spec.clusterIP, ...(spec.clusterIPs ?? []).slice(1)];
    }
  } else if (isSameIp && !areSameIps && (spec.clusterIPs ?? []).length === 0) delete spec.clusterIP;
}

// A value is dropped when the old type needed it, the new one does not, and the client sent it back unchanged.
function dropOfOtherType(spec: Draft<ServiceSpec>, old: ServiceSpec): void {
  if (needsClusterIp(old) && !needsClusterIp(spec)) {
    for (const member of [
      'clusterIP',
      'clusterIPs',
      'ipFamilies',
      'ipFamilyPolicy',
      'internalTrafficPolicy',
    ] as const) {
      dropUnchanged(spec, old, member);
    }
  }
  if (needsNodePort(old) && !needsNodePort(spec) && hasSameNodePorts(spec, old)) {
    for (const port of spec.ports ?? []) delete port.nodePort;
  }
  if (needsHealthCheckPort(old) && !needsHealthCheckPort(spec)) dropUnchanged(spec, old, 'healthCheckNodePort');
  if (old.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    dropUnchanged(spec, old, 'allocateLoadBalancerNodePorts');
    dropUnchanged(spec, old, 'loadBalancerClass');
  }
  if (isExternallyAccessible(old) && !isExternallyAccessible(spec)) dropUnchanged(spec, old, 'externalTrafficPolicy');
}

function dropUnchanged(spec: Draft<ServiceSpec>, old: ServiceSpec, member: keyof ServiceSpec): void {
  if (isSemanticallyEqual(spec[member], old[member])) delete spec[member];
}

function hasSameNodePorts(spec: Draft<ServiceSpec>, old: ServiceSpec): boolean {
  const ports = (of: Spec) => draft((of.ports ?? []).map((port) => port.nodePort ?? 0));
  const former = new Set(ports(old));
  return ports(spec).every((nodePort) => former.has(nodePort));
}
