import { existsSync } from 'node:fs';
import type { Client } from '../client/client.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { Haproxy, type HaproxyOptions } from '../engines/haproxy/haproxy.ts';
import { ingressNamespace } from '../ingress/certificate-copies.ts';
import { ingressClasses } from '../ingress/classes.ts';
import { IngressController } from '../ingress/controller.ts';
import { makeDefaultCertificate } from '../ingress/default-certificate.ts';
import type { NodeCondition } from '../ingress/node-condition.ts';
import { NodeIngress } from '../ingress/node-ingress.ts';
import * as rights from '../ingress/rights.ts';
import {
  clusterrolebindings,
  clusterroles,
  ingressclasses,
  namespaces,
  rolebindings,
  roles,
  secrets,
} from '../kube/resources.gen.ts';
import type { Informers } from '../runtime/controller.ts';
import type { Manager } from '../runtime/manager.ts';
import { ensureLatest, ensureThere } from './ensure.ts';
import type { Progress } from './progress.ts';

/** Where each node serves Ingresses. */
export const ingressPorts = { http: 80, https: 443 } as const;

/** Whether Ingresses are served at all: `--disable=traefik` says no, as in k3s. */
export function servesIngress({ disable }: { readonly disable: readonly string[] }): boolean {
  return !disable.includes('traefik');
}

/** Makes what Ingresses need in the API, and shows on each where it is reached. `client` may make roles. */
export async function startIngress({
  client,
  manager,
  clock,
}: {
  readonly client: Client;
  readonly manager: Manager;
  readonly clock: Clock;
}): Promise<void> {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: ingressNamespace } };
  await Promise.all([
    ensureThere(client, namespaces, namespace),
    ensureLatest(client, clusterroles, rights.controllerRole),
    ensureLatest(client, clusterrolebindings, rights.controllerBinding),
    ensureLatest(client, clusterroles, rights.nodeRole),
    ensureLatest(client, clusterrolebindings, rights.nodeBinding),
    ...ingressClasses.map((one) => ensureThere(client, ingressclasses, one)),
  ]);
  // What is in the namespace comes after it.
  await Promise.all([
    ensureLatest(client, roles, rights.copierRole),
    ensureLatest(client, rolebindings, rights.copierBinding),
    ensureLatest(client, roles, rights.nodeCertificatesRole),
    ensureLatest(client, rolebindings, rights.nodeCertificatesBinding),
    ensureThere(client, secrets, makeDefaultCertificate(clock.now())),
  ]);
  await manager.run([new IngressController(ingressPorts)]);
}

export interface ServeIngressOptions {
  readonly informers: Informers;
  readonly progress: Progress;
  readonly condition: NodeCondition;
  readonly clusterDns: readonly string[];
  readonly folder: string;
  readonly runFolder: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Serves Ingresses on this node. What stands in the way (no haproxy, a port that another program holds) is told and tried
 * again, and does not keep the node from its other work.
 */
export function createNodeIngress({ progress, condition, clusterDns, ...options }: ServeIngressOptions): NodeIngress {
  return new NodeIngress({
    ...options,
    ports: ingressPorts,
    nameServers: clusterDns,
    onStatus: (status) => {
      progress.report('Ingress', status.isWell ? 'running' : 'failed', status.message);
      condition.tell(status);
    },
  });
}

/** Ends the HAProxy that a node has left running. */
export async function endIngress(options: HaproxyOptions): Promise<void> {
  if (existsSync(options.folder)) await new Haproxy(options).stop();
}
