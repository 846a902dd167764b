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
  await ensureDefinitions(client, metallbDefinitions, clock);
  await ensureThere(client, namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: metallbNamespace } });
  await ensureLatest(client, clusterroles, loadBalancerRole);
  await ensureLatest(client, clusterrolebindings, loadBalancerBinding);
  await ensureLatest(client, clusterroles, announcerRole);
  await ensureLatest(client, clusterrolebindings, announcerBinding);
  await ensureLatest(client, roles, announcerSecretsRole);
  await ensureLatest(client, rolebindings, announcerSecretsBinding);
  const data = { [keyField]: randomBytes(sharedKeyBytes).toString('base64') };
  await ensureThere(client, secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { ...keySecret }, data });
  await manager.run([new AddressController({ hostPorts, ownPorts }), new ConfigurationController()]);
}
