/** A node of a test: an API server without security, and the proxy that keeps this namespace's Service rules. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApiServer } from '../../../src/apiserver/api-server.ts';
import { createClient } from '../../../src/client/client-impl.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { createLog } from '../../../src/core/log.ts';
import { openSqliteBackend } from '../../../src/datastore/sqlite/backend.ts';
import { builtinKinds } from '../../../src/kube/kinds/all.ts';
import type { KubeObject } from '../../../src/kube/object.ts';
import type { Resource } from '../../../src/kube/resource.ts';
import {
  endpointslices,
  events,
  ipaddresses,
  namespaces,
  nodes,
  pods,
  services,
} from '../../../src/kube/resources.gen.ts';
import { isReason } from '../../../src/kube/status-error.ts';
import type { EndpointSlice } from '../../../src/kube/types.gen.ts';
import { ServiceProxy } from '../../../src/network/services/service-proxy.ts';
import { createEventRecorder } from '../../../src/runtime/event-recorder.ts';
import { createSharedInformers } from '../../../src/runtime/shared-informers.ts';
import { serveCalls } from './rpc.ts';
import { Written } from './written.ts';

export interface NodeOptions {
  /** The datastore's, kept between starts; absent: one that goes away. */
  readonly directory?: string;
  readonly nodeIps: readonly string[];
  readonly clusterCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
  readonly nodePortAddresses?: readonly string[];
}

const options: NodeOptions = JSON.parse(process.argv[2] ?? '');
const resources = new Map(
  [services, endpointslices, pods, nodes, events, ipaddresses].map((resource) => [
    resource.kind,
    resource as unknown as Resource,
  ]),
);
const user = { name: 'admin', groups: ['system:masters', 'system:authenticated'] };
{
  await using stack = new AsyncDisposableStack();
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'wherry-services-'));
  if (options.directory === undefined) stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const log = createLog('warn');
  const backend = stack.use(await openSqliteBackend({ directory }));
  const server = stack.use(
    await createApiServer({
      backend,
      log,
      kinds: builtinKinds,
      serviceCidrs: options.serviceCidrs,
      security: () => ({
        authenticators: [{ identify: () => null, authenticate: async () => null }],
        authorizers: [
          { decide: () => ({ allowed: true, reason: '' }), authorize: async () => ({ allowed: true, reason: '' }) },
        ],
        admission: [],
      }),
    }),
  );
  const client = createClient(server.transport(user, 'test'));
  await client
    .create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } })
    .catch((error: unknown) => {
      if (!isReason(error, 'AlreadyExists')) throw error;
    });
  const informers = stack.use(createSharedInformers(client, { clock: systemClock, log }));
  const recorder = stack.use(createEventRecorder({ client, clock: systemClock, log, component: 'kube-proxy' }));
  const proxy = stack.use(
    new ServiceProxy({
      ...options,
      informers,
      events: recorder,
      clock: systemClock,
      log,
      nodeName: 'here',
      nodePortAddresses: options.nodePortAddresses ?? [],
      ownAddresses: new Set(),
      table: 'wherry',
      healthPort: 10256,
    }),
  );
  await proxy.start();
  const of = (kind: string | undefined): Resource => {
    const resource = resources.get(kind ?? '');
    if (resource === undefined) throw new Error(`there is no ${kind}`);
    return resource;
  };
  const nameOf = ({ metadata }: KubeObject) => ({ namespace: metadata.namespace ?? '', name: metadata.name ?? '' });
  let written: Written | undefined;
  const ipOf = async (name: string) =>
    (await client.get(services, { namespace: 'default', name })).spec?.clusterIP ?? '';
  await serveCalls({
    create: (object: KubeObject) => client.create(of(object.kind), object),
    update: (object: KubeObject) => client.update(of(object.kind), object),
    status: (object: KubeObject) => client.update(of(object.kind), object, { subresource: 'status' }),
    remove: (object: KubeObject) => client.delete(of(object.kind), nameOf(object)),
    get: (object: KubeObject) => client.get(of(object.kind), nameOf(object)),
    label: ({ name, labels }: { readonly name: string; readonly labels: Readonly<Record<string, string>> }) =>
      client.patch(nodes, { name }, { type: 'merge', body: { metadata: { labels } } }),
    taint: ({ name, key }: { readonly name: string; readonly key: string }) =>
      client.patch(nodes, { name }, { type: 'merge', body: { spec: { taints: [{ key, effect: 'NoSchedule' }] } } }),
    /** Many Services of two endpoints, for measurements; resolves when the kernel has the last. */
    fill: async ({ from, to }: { readonly from: number; readonly to: number }) => {
      written ??= stack.use(new Written());
      let next = from;
      const worker = async () => {
        for (let i = next++; i < to; i = next++) {
          const name = `many-${i}`;
          const spec = { ports: [{ port: 80, protocol: 'TCP' }] };
          const metadata = { name, namespace: 'default' };
          await client.create(services, { apiVersion: 'v1', kind: 'Service', metadata, spec });
          await client.create(endpointslices, sliceOf(name, ['10.42.1.2', '10.42.1.3']));
        }
      };
      await Promise.all(Array.from({ length: 16 }, worker));
      // The last one comes once all others are there.
      const ip = await ipOf(`many-${to - 1}`);
      const done = written.until(ip, '10.42.1.4');
      await client.update(endpointslices, sliceOf(`many-${to - 1}`, ['10.42.1.2', '10.42.1.4']));
      await done;
    },
    /** Milliseconds from the call that changes an endpoint until the kernel shows it. */
    timeChange: async ({ index }: { readonly index: number }) => {
      const ip = await ipOf(`many-${index}`);
      const done = written?.until(ip, '10.42.1.9');
      const began = performance.now();
      await client.update(endpointslices, sliceOf(`many-${index}`, ['10.42.1.2', '10.42.1.9']));
      await done;
      return performance.now() - began;
    },
    pid: () => process.pid,
    list: async ({ kind }: { readonly kind: string }) => (await client.list(of(kind))).items,
  });
}
process.exit(0);

function sliceOf(name: string, endpoints: readonly string[]): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    endpoints: endpoints.map((address) => ({ addresses: [address], nodeName: 'there' })),
  };
}
