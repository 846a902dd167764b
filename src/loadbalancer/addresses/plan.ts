import { keyOf } from '../../kube/resource.ts';
import type { Node, Service } from '../../kube/types.gen.ts';
import { nodeAddressesOf, servingNodes } from '../hostport/node-addresses.ts';
import { type Allocation, allocate } from '../pools/allocation.ts';
import type { Pool } from '../pools/pool.ts';
import { addressRequestOf, asksForPool, poolOfServiceAnnotation, shownAddresses, wantsAddress } from './service.ts';

/** The loadBalancerClass that a Service may name to have its addresses from here. */
export const loadBalancerClass = 'metallb.io/metallb';

export interface AddressesInput {
  /** In the order in which they were made. */
  readonly services: readonly Service[];
  readonly pools: readonly Pool[];
  readonly nodes: readonly Node[];
  namespaceLabels(name: string): Readonly<Record<string, string>>;
  /** Names of the nodes with a ready endpoint of the Service. */
  endpointNodes(key: string): ReadonlySet<string>;
  /** Whether Services that no pool serves get the nodes' own addresses (k3s' service load balancer). */
  readonly hostPorts: boolean;
  /** Ports of nodes that belong to the cluster itself, with who has them. */
  readonly ownPorts: ReadonlyMap<string, string>;
}

/** What a Service is to show, and what is to be told of it. */
export interface ServiceAddresses {
  readonly addresses: readonly string[];
  /** The pool that they are of; null: the nodes' own. */
  readonly pool: string | null;
  readonly problem: { readonly reason: string; readonly message: string } | undefined;
}

/** Decides the external addresses of all Services of the cluster. Services that are others' business are not in the answer. */
export function planAddresses(input: AddressesInput): ReadonlyMap<string, ServiceAddresses> {
  const wanting = input.services.filter((service) => wantsAddress(service, loadBalancerClass));
  const requests = wanting.map((service) =>
    addressRequestOf(service, input.namespaceLabels(service.metadata.namespace ?? '')),
  );
  const allocations = allocate(input.pools, requests);
  const planned = new Map<string, ServiceAddresses>();
  const onHosts: Service[] = [];
  for (const service of wanting) {
    const key = keyOf(service);
    const allocation = allocations.get(key);
    if (allocation === undefined) continue;
    if (allocation.ok) planned.set(key, { addresses: allocation.addresses, pool: allocation.pool, problem: undefined });
    else if (mayUseHosts(service, allocation, input)) onHosts.push(service);
    else planned.set(key, refused('AllocationFailed', allocation.message));
  }
  for (const [key, addresses] of hostAddresses(onHosts, input)) planned.set(key, addresses);
  for (const service of input.services) {
    const { annotations } = service.metadata;
    // It was ours, and wants none any more.
    if (planned.has(keyOf(service)) || annotations?.[poolOfServiceAnnotation] === undefined) continue;
    if (service.spec?.type !== 'LoadBalancer')
      planned.set(keyOf(service), { addresses: [], pool: null, problem: undefined });
  }
  return planned;
}

// The nodes' addresses are for Services that no pool is for, not for those that a pool refuses.
function mayUseHosts(service: Service, allocation: Allocation, { hostPorts, pools }: AddressesInput): boolean {
  if (!hostPorts || service.spec?.loadBalancerClass !== undefined || allocation.ok) return false;
  return pools.length === 0 ? !asksForPool(service) : allocation.noPool === true;
}

// The first Service has a port of a node; a later one that wants the same learns from whom it can't have it.
function hostAddresses(services: readonly Service[], input: AddressesInput): ReadonlyMap<string, ServiceAddresses> {
  const planned = new Map<string, ServiceAddresses>();
  const holders = new Map<string, string>();
  // Who shows addresses of nodes already goes first, so that a newer Service takes nothing away.
  const isShown = (service: Service) => (shownAddresses(service).length > 0 ? 0 : 1);
  for (const service of services.toSorted((a, b) => isShown(a) - isShown(b))) {
    const key = keyOf(service);
    const problem = takePorts(service, servingNodes(service, input.nodes), holders, input.ownPorts);
    if (problem !== undefined) {
      planned.set(key, refused('PortTaken', problem));
      continue;
    }
    const addresses = nodeAddressesOf(service, input.nodes, input.endpointNodes(key));
    planned.set(key, {
      addresses,
      pool: null,
      problem: addresses.length > 0 ? undefined : { reason: 'NoNode', message: whyNoNode(service, input) },
    });
  }
  return planned;
}

function takePorts(
  service: Service,
  nodes: readonly Node[],
  holders: Map<string, string>,
  ownPorts: ReadonlyMap<string, string>,
): string | undefined {
  const ports = (service.spec?.ports ?? []).map(({ protocol = 'TCP', port }) => `${protocol}/${port}`);
  for (const port of ports) {
    const owner = ownPorts.get(port);
    if (owner !== undefined)
      return `the port ${port} of the nodes belongs to ${owner}; give the Service another port, or an address of a pool`;
    for (const { metadata } of nodes) {
      const holder = holders.get(`${metadata.name} ${port}`);
      if (holder === undefined) continue;
      return `the port ${port} of the node ${metadata.name} belongs to the Service ${holder}; give the Service another port, or an address of a pool`;
    }
  }
  for (const port of ports) for (const { metadata } of nodes) holders.set(`${metadata.name} ${port}`, keyOf(service));
  return undefined;
}

function whyNoNode(service: Service, { nodes }: AddressesInput): string {
  if (servingNodes(service, nodes).length === 0)
    return 'no node may serve it: none is Ready and has the labels that it asks for';
  if (service.spec?.externalTrafficPolicy === 'Local')
    return 'no node has a ready endpoint, and externalTrafficPolicy is Local';
  return `no node has an address of the family ${(service.spec?.ipFamilies ?? []).join(' or ')}`;
}

function refused(reason: string, message: string): ServiceAddresses {
  return { addresses: [], pool: null, problem: { reason, message } };
}
