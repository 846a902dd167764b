import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from '../../src/client/client-impl.ts';
import { createControllers } from '../../src/controllers/all.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import type { Resource } from '../../src/kube/resource.ts';
import * as kinds from '../../src/kube/resources.gen.ts';
import { isReason } from '../../src/kube/status-error.ts';
import type { Pod } from '../../src/kube/types.gen.ts';
import { createManager } from '../../src/runtime/manager.ts';
import { componentUser } from '../../src/server/component-user.ts';
import { startSecuredServer } from '../testbed/secured-server.ts';

const deadlineMs = 20_000;
const namespace = 'rights';
const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
const once = { spec: { containers: [{ name: 'c', image: 'i' }], restartPolicy: 'Never' } };
const selector = { matchLabels: { app: 'a' } };
const claimSpec = {
  accessModes: ['ReadWriteOnce'],
  storageClassName: 's',
  resources: { requests: { storage: '1Gi' } },
};
const volumeSpec = { ...claimSpec, resources: undefined, capacity: { storage: '5Gi' }, hostPath: { path: '/x' } };

/** One object of each kind that a controller acts on. */
const objects: readonly (readonly [Resource, string, object])[] = [
  [kinds.deployments, 'deployment', { spec: { replicas: 2, selector, template } }],
  [kinds.statefulsets, 'set', { spec: { serviceName: 'x', replicas: 1, selector, template } }],
  [kinds.daemonsets, 'daemon', { spec: { selector, template } }],
  [kinds.jobs, 'job', { spec: { template: once } }],
  [kinds.cronjobs, 'cron', { spec: { schedule: '* * * * *', jobTemplate: { spec: { template: once } } } }],
  [
    kinds.replicationcontrollers,
    'rc',
    { spec: { replicas: 1, selector: { app: 'b' }, template: { ...template, metadata: { labels: { app: 'b' } } } } },
  ],
  [
    kinds.services,
    'service',
    { spec: { selector: { app: 'a' }, ports: [{ port: 80 }], publishNotReadyAddresses: true } },
  ],
  [kinds.poddisruptionbudgets, 'budget', { spec: { minAvailable: 1, selector } }],
  [kinds.resourcequotas, 'quota', { spec: { hard: { 'count/configmaps': '50' } } }],
  [kinds.persistentvolumeclaims, 'claim', { spec: claimSpec }],
  [
    kinds.secrets,
    'token',
    {
      metadata: { annotations: { 'kubernetes.io/service-account.name': 'default' } },
      type: 'kubernetes.io/service-account-token',
    },
  ],
];

test('every controller does its work with the rights of its own bootstrap role', async () => {
  await using started = new AsyncDisposableStack();
  const world = started.use(await startSecuredServer());
  const refused: string[] = [];
  const clientFor = (name: string) => {
    const transport = world.server.transport(componentUser(name));
    return createClient({
      stream: (request) => transport.stream(request),
      async call(request) {
        try {
          return await transport.call(request);
        } catch (error) {
          // Controllers meet namespaces that end; that is no lack of rights.
          const isEnding = error instanceof Error && error.message.includes('it is being terminated');
          if (isReason(error, 'Forbidden') && !isEnding) refused.push(`${name}: ${error.message}`);
          throw error;
        }
      },
    });
  };
  const manager = createManager({ client: world.client, clientFor, clock: systemClock, log: silentLog });
  started.defer(() => manager.stop());
  await manager.run(
    createControllers({
      rootCaPem: 'pem',
      clusterCidrs: ['10.42.0.0/16'],
      signServiceAccountToken: async () => 'signed',
    }),
  );
  const { client } = world;
  const until = async (what: string, holds: () => Promise<boolean>) => {
    for (const end = performance.now() + deadlineMs; !(await holds()); await pause(20)) {
      assert.ok(performance.now() < end, `${what}; refused: ${refused.join('\n')}`);
    }
  };
  const make = async (resource: Resource, name: string, body: object, within?: string) => {
    const { metadata, ...rest } = { metadata: {}, ...body };
    const apiVersion = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
    const identity = { name, ...metadata, ...(within !== undefined && { namespace: within }) };
    await client.create(resource, { apiVersion, kind: resource.kind, metadata: identity, ...rest } as KubeObject);
  };
  const all = <T extends KubeObject>(resource: Resource<T>) => client.list(resource, { namespace });
  await make(kinds.namespaces, namespace, {});
  await make(kinds.nodes, 'node', {});
  await make(kinds.persistentvolumes, 'volume', { spec: volumeSpec });
  await until('a default account', async () => (await all(kinds.serviceaccounts)).items.length > 0);
  for (const [resource, name, body] of objects) await make(resource, name, body, namespace);
  const makers = ['deployment', 'set', 'job', 'rc'];
  await until('pods of each workload', async () => {
    const names = (await all(kinds.pods)).items.map(({ metadata }) => metadata.name ?? '');
    return makers.every((maker) => names.some((name) => name.startsWith(`${maker}-`)));
  });
  await until('a filled token', async () =>
    (await all(kinds.secrets)).items.every(({ data }) => data?.['token'] !== undefined),
  );
  await until('a bound claim', async () =>
    (await all(kinds.persistentvolumeclaims)).items.every(({ status }) => status?.phase === 'Bound'),
  );
  await until(
    'a range of addresses',
    async () => (await client.get(kinds.nodes, { name: 'node' })).spec?.podCIDR !== undefined,
  );
  await until(
    'a counted quota',
    async () => (await client.get(kinds.resourcequotas, { namespace, name: 'quota' })).status?.used !== undefined,
  );
  const run = async ({ metadata }: Pod, index: number) => {
    const podIP = `10.42.0.${index + 2}`;
    const status = {
      phase: 'Running',
      podIP,
      podIPs: [{ ip: podIP }],
      conditions: [{ type: 'Ready', status: 'True' }],
    };
    await client.patch(
      kinds.pods,
      { namespace, name: metadata.name ?? '' },
      { type: 'merge', body: { status } },
      { subresource: 'status' },
    );
  };
  for (const [index, pod] of (await all(kinds.pods)).items.entries()) await run(pod, index);
  await until('endpoints', async () =>
    (await all(kinds.endpointslices)).items.some(({ endpoints }) => (endpoints ?? []).length > 0),
  );
  await client.delete(kinds.nodes, { name: 'node' });
  await client.delete(kinds.namespaces, { name: namespace });
  await until('no namespace', async () =>
    (await client.list(kinds.namespaces)).items.every(({ metadata }) => metadata.name !== namespace),
  );
  assert.deepEqual(refused, []);
});
