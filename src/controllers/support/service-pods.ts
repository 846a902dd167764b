import { matchesLabels } from '../../kube/label-selector.ts';
import { runningContainers } from '../../kube/pod-containers.ts';
import { isPodFinished } from '../../kube/pod-phase.ts';
import { keyOf } from '../../kube/resource.ts';
import { pods, services } from '../../kube/resources.gen.ts';
import type { Pod, Service, ServicePort } from '../../kube/types.gen.ts';
import type { Informers } from '../../runtime/controller.ts';
import { isPodReady } from './pods.ts';

/** Services whose selector takes the pod in: the keys to wake when it changes. */
export function serviceKeysOf(pod: Pod, informers: Informers): readonly string[] {
  return informers
    .of(services)
    .list(pod.metadata.namespace)
    .filter(({ spec }) => isSelecting(spec?.selector) && matchesLabels(spec?.selector, pod.metadata.labels))
    .map(keyOf);
}

/** A Service without a selector has endpoints that somebody else keeps. */
export function isSelecting(selector: Readonly<Record<string, string>> | undefined): boolean {
  return Object.keys(selector ?? {}).length > 0;
}

/** The pods behind a Service; undefined where its endpoints are not ours to keep: somebody else's, or none at all. */
export function selectedPods({ metadata, spec }: Service, informers: Informers): readonly Pod[] | undefined {
  const { selector, type } = spec ?? {};
  if (metadata.deletionTimestamp !== undefined || !isSelecting(selector) || type === 'ExternalName') return undefined;
  return informers
    .of(pods)
    .list(metadata.namespace)
    .filter((pod) => matchesLabels(selector, pod.metadata.labels));
}

/** True for a pod that has an address and has not ended. */
export function isAddressable(pod: Pod): boolean {
  return !isPodFinished(pod) && podAddresses(pod).length > 0;
}

export function podAddresses(pod: Pod): readonly string[] {
  const { podIPs, podIP } = pod.status ?? {};
  if (podIPs && podIPs.length > 0) return podIPs.map(({ ip }) => ip).filter((ip) => ip !== '');
  return podIP ? [podIP] : [];
}

export function isIPv6(address: string): boolean {
  return address.includes(':');
}

/** The pod's address of the family, `IPv4` or `IPv6`. */
export function podAddressOf(pod: Pod, family: string): string | undefined {
  return podAddresses(pod).find((address) => isIPv6(address) === (family === 'IPv6'));
}

/** Services of old servers name no families; theirs is that of the cluster IP. */
export function familiesOf(service: Service): readonly string[] {
  const { ipFamilies, clusterIP } = service.spec ?? {};
  if (ipFamilies && ipFamilies.length > 0) return ipFamilies;
  return [clusterIP && isIPv6(clusterIP) ? 'IPv6' : 'IPv4'];
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None';
}

/** The number that the port has in this pod; undefined when none of its containers names it. Sidecars count too. */
export function targetPort(pod: Pod, port: ServicePort): number | undefined {
  const target = port.targetPort ?? port.port;
  // Zero is how a target port that was never set is written by some clients.
  if (typeof target === 'number') return target === 0 ? port.port : target;
  const protocol = port.protocol ?? 'TCP';
  for (const container of runningContainers(pod.spec)) {
    const found = container.ports?.find((one) => one.name === target && (one.protocol ?? 'TCP') === protocol);
    if (found) return found.containerPort;
  }
  return undefined;
}

/** The host name that the pod has under the Service's name. */
export function hostnameUnder(pod: Pod, service: Service): string | undefined {
  const { hostname, subdomain } = pod.spec ?? {};
  const isUnder =
    hostname && subdomain === service.metadata.name && pod.metadata.namespace === service.metadata.namespace;
  return isUnder ? hostname : undefined;
}

/** True when traffic may go to the pod, or its Service wants it whatever its state. */
export function isReadyFor(service: Service, pod: Pod): boolean {
  return service.spec?.publishNotReadyAddresses === true || isPodReady(pod);
}

export function podReference(pod: Pod) {
  const { namespace = '', name = '', uid = '' } = pod.metadata;
  return { kind: 'Pod', namespace, name, uid };
}
