import type { Draft } from '../draft.ts';
import type { Service, ServicePort, ServiceSpec } from '../types.gen.ts';

/** Three hours, in seconds. */
const clientAffinitySeconds = 10800;

/** Defaults of a Service; addresses and node ports are the registry's to allocate. */
export function setServiceDefaults(service: Draft<Service>): void {
  const { spec } = service;
  if (spec === undefined) return;
  spec.sessionAffinity ??= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP') {
    spec.sessionAffinityConfig ??= {};
    spec.sessionAffinityConfig.clientIP ??= {};
    spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= clientAffinitySeconds;
  }
  spec.type ??= 'ClusterIP';
  for (const port of spec.ports ?? []) setPortDefaults(port);
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ??= 'Cluster';
  if (spec.type === 'ClusterIP' || spec.type === 'NodePort' || spec.type === 'LoadBalancer') {
    spec.internalTrafficPolicy ??= 'Cluster';
  }
  if (spec.type !== 'LoadBalancer') return;
  spec.allocateLoadBalancerNodePorts ??= true;
  for (const ingress of service.status?.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP';
}

function setPortDefaults(port: Draft<ServicePort>): void {
  port.protocol ??= 'TCP';
  if (!port.targetPort) port.targetPort = port.port;
}

/** True when traffic from outside the cluster can reach it: the traffic policy for such traffic then means something. */
export function isExternallyAccessible(spec: Draft<ServiceSpec> | ServiceSpec): boolean {
  if (spec.type === 'LoadBalancer' || spec.type === 'NodePort') return true;
  return spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0;
}
