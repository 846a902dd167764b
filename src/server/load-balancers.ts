import { randomBytes } from 'node:crypto';
import type { Client } from '../client/client.ts';
import type { Clock } from '../core/clock.ts';
import { clusterrolebindings, clusterroles, namespaces, rolebindings, roles, secrets } from '../kube/resources.gen.ts';
import { ConfigurationController } from '../loadbalancer/addresses/configuration-controller.ts';
import { AddressController } from '../loadbalancer/addresses/controller.ts';
import { keyField, keySecret } from '../loadbalancer/layer2/controller.ts';
import { metallbDefinitions, metallbNamespace } from '../loadbalancer/metallb/kinds.ts';
import {
  announcerBinding,
  announcerRole,
  announcerSecretsBinding,
  announcerSecretsRole,
  loadBalancerBinding,
  loadBalancerRole,
} from '../loadbalancer/rights.ts';
import type { Manager } from '../runtime/manager.ts';
import { ensureDefinitions } from './definitions.ts';
import { ensureLatest, ensureThere } from './ensure.ts';

/** Of the key that the nodes share. */
const sharedKeyBytes = 32;

export interface LoadBalancerOptions {
  /** May define kinds and roles. */
  readonly client: Client;
  readonly manager: Manager;
  readonly clock: Clock;
  /** False: Services that no pool serves get no address (--disable=servicelb). */
  readonly hostPorts: boolean;
  /** Ports of nodes that the cluster needs itself (`TCP/6443`), with who has them. */
  readonly ownPorts: ReadonlyMap<string, string>;
}

/** Gives Services of type LoadBalancer their addresses, from pools or from the nodes. */
export async function startLoadBalancers(options: LoadBalancerOptions): Promise<void> {
  const { client, manager, clock, hostPorts, ownPorts } = options;
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: metallbNamespace } };
  await Promise.all([
    ensureDefinitions(client, metallbDefinitions, clock),
    ensureThere(client, namespaces, namespace),
    ensureLatest(client, clusterroles, loadBalancerRole),
    ensureLatest(client, clusterrolebindings, loadBalancerBinding),
    ensureLatest(client, clusterroles, announcerRole),
    ensureLatest(client, clusterrolebindings, announcerBinding),
  ]);
  // What is in the namespace comes after it.
  const data = { [keyField]: randomBytes(sharedKeyBytes).toString('base64') };
  await Promise.all([
    ensureLatest(client, roles, announcerSecretsRole),
    ensureLatest(client, rolebindings, announcerSecretsBinding),
    ensureThere(client, secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { ...keySecret }, data }),
  ]);
  await manager.run([new AddressController({ hostPorts, ownPorts }), new ConfigurationController()]);
}
