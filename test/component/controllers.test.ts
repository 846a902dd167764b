import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { reconcileKubernetesService } from '../../src/controllers/kubernetes-service.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import type { Resource } from '../../src/kube/resource.ts';
import {
  configmaps,
  customresourcedefinitions,
  deployments,
  endpoints,
  endpointslices,
  events,
  namespaces,
  nodes,
  persistentvolumeclaims,
  persistentvolumes,
  poddisruptionbudgets,
  pods,
  resourcequotas,
  serviceaccounts,
  services,
  storageclasses,
} from '../../src/kube/resources.gen.ts';
import type { ConfigMap } from '../../src/kube/types.gen.ts';
import { type ControlPlane, startControlPlane, waitFor } from './control-plane.ts';
import { deployment, kubelet } from './workload-fixtures.ts';

let plane: ControlPlane;
before(async () => {
  plane = await startControlPlane();
});
after(async () => await plane[Symbol.asyncDispose]());

function owned(namespace: string, name: string, owner: ConfigMap, blocks = false): ConfigMap {
  const { name: ownerName = '', uid = '' } = owner.metadata;
  const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: ownerName, uid, blockOwnerDeletion: blocks };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, ownerReferences: [reference] } };
}

const named = (all: readonly ConfigMap[], name: string) => all.find(({ metadata }) => metadata.name === name);

test('dependents go with their owner, are set free, or go before it, as the deletion asks', async () => {
  const namespace = await plane.namespace();
  const { client } = plane;
  const make = async (name: string) =>
    client.create(configmaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } });

  const background = await make('background');
  await client.create(configmaps, owned(namespace, 'b-dependent', background));
  await client.delete(configmaps, { namespace, name: 'background' }, { propagationPolicy: 'Background' });
  await waitFor(plane, configmaps, namespace, 'dependent deleted', (all) => !named(all, 'b-dependent'));

  const orphaned = await make('orphan');
  await client.create(configmaps, owned(namespace, 'o-dependent', orphaned));
  await waitFor(plane, configmaps, namespace, 'dependent seen', (all) => named(all, 'o-dependent') !== undefined);
  await client.delete(configmaps, { namespace, name: 'orphan' }, { propagationPolicy: 'Orphan' });
  const left = await waitFor(plane, configmaps, namespace, 'owner gone', (all) => !named(all, 'orphan'));
  assert.deepEqual(named(left, 'o-dependent')?.metadata.ownerReferences ?? [], []);

  const foreground = await make('foreground');
  await client.create(configmaps, owned(namespace, 'f-dependent', foreground, true));
  await waitFor(plane, configmaps, namespace, 'dependent seen', (all) => named(all, 'f-dependent') !== undefined);
  let isOwnerFirst = false;
  using _order = plane.manager.of(configmaps).subscribe(({ key, current }) => {
    if (key === `${namespace}/foreground` && !current) {
      isOwnerFirst = named(plane.manager.of(configmaps).list(namespace), 'f-dependent') !== undefined;
    }
  });
  await client.delete(configmaps, { namespace, name: 'foreground' }, { propagationPolicy: 'Foreground' });
  await waitFor(plane, configmaps, namespace, 'owner gone', (all) => !named(all, 'foreground'));
  assert.equal(isOwnerFirst, false);
});

test('an object whose owner never was is deleted', async () => {
  const namespace = await plane.namespace();
  const ghost = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'ghost', uid: 'no-such-uid' } };
  await plane.client.create(configmaps, owned(namespace, 'lost', ghost));
  await waitFor(plane, configmaps, namespace, 'collected', (all) => !named(all, 'lost'));
});

test('a namespace gets its service account and root CA, and goes when its content has gone', async () => {
  const namespace = await plane.namespace();
  const { client } = plane;
  await waitFor(plane, serviceaccounts, namespace, 'default', (all) =>
    all.some(({ metadata }) => metadata.name === 'default'),
  );
  await waitFor(
    plane,
    configmaps,
    namespace,
    'root CA',
    (all) => named(all, 'kube-root-ca.crt')?.data?.['ca.crt'] === 'pem',
  );
  const metadata = { name: 'held', namespace, finalizers: ['example.org/hold'] };
  await client.create(configmaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata });
  await client.delete(namespaces, { name: namespace });
  const find = (all: readonly { readonly metadata: { readonly name?: string } }[]) =>
    all.find((one) => one.metadata.name === namespace);
  const held = await waitFor(plane, namespaces, undefined, 'conditions', (all) =>
    all.some(
      (one) =>
        one === find(all) &&
        one.status?.conditions?.some(
          ({ type, status }) => type === 'NamespaceFinalizersRemaining' && status === 'True',
        ),
    ),
  );
  const conditions = held.find((one) => one.metadata.name === namespace)?.status?.conditions ?? [];
  const message = (type: string) => conditions.find((condition) => condition.type === type)?.message;
  assert.equal(
    message('NamespaceContentRemaining'),
    'Some resources are remaining: configmaps. has 1 resource instances',
  );
  assert.equal(
    message('NamespaceFinalizersRemaining'),
    'Some content in the namespace has finalizers remaining: example.org/hold in 1 resource instances',
  );
  await client.patch(
    configmaps,
    { namespace, name: 'held' },
    { type: 'merge', body: { metadata: { finalizers: null } } },
  );
  await waitFor(plane, namespaces, undefined, 'namespace gone', (all) => find(all) === undefined);
});

test('a claim of a waiting class waits for its first consumer and says so; a volume made for it binds', async () => {
  const namespace = await plane.namespace();
  const { client } = plane;
  await client.create(storageclasses, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'local' },
    provisioner: 'example.org/local',
    volumeBindingMode: 'WaitForFirstConsumer',
  });
  const key = { namespace, name: 'data' };
  const claim = await client.create(persistentvolumeclaims, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: key,
    spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'local', resources: { requests: { storage: '1Gi' } } },
  });
  const told = await waitFor(plane, events, namespace, 'the Event', (all) =>
    all.some(({ reason }) => reason === 'WaitForFirstConsumer'),
  );
  const waiting = told.find(({ reason }) => reason === 'WaitForFirstConsumer');
  assert.equal(waiting?.message, 'waiting for first consumer to be created before binding');
  assert.equal(waiting?.source?.component, 'persistentvolume-controller');
  const annotations = { 'volume.kubernetes.io/selected-node': 'node-1' };
  await client.patch(persistentvolumeclaims, key, { type: 'merge', body: { metadata: { annotations } } });
  await waitFor(
    plane,
    persistentvolumeclaims,
    namespace,
    'the provisioner is named',
    ([one]) => one?.metadata.annotations?.['volume.kubernetes.io/storage-provisioner'] === 'example.org/local',
  );
  await client.create(persistentvolumes, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'pv-1', annotations: { 'pv.kubernetes.io/provisioned-by': 'example.org/local' } },
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '1Gi' },
      storageClassName: 'local',
      persistentVolumeReclaimPolicy: 'Delete',
      hostPath: { path: '/tmp/x' },
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', ...key, uid: claim.metadata.uid ?? '' },
    },
  });
  await waitFor(plane, persistentvolumeclaims, namespace, 'bound', ([one]) => one?.status?.phase === 'Bound');
  await waitFor(plane, persistentvolumes, undefined, 'bound', ([one]) => one?.status?.phase === 'Bound');
  await client.delete(persistentvolumeclaims, key);
  await waitFor(plane, persistentvolumeclaims, namespace, 'claim gone', (all) => all.length === 0);
  await waitFor(plane, persistentvolumes, undefined, 'released', ([one]) => one?.status?.phase === 'Released');
});

test('the endpoints of a Service follow its pods, and go with it', async () => {
  const namespace = await plane.namespace();
  const { client } = plane;
  await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'edge-2' } });
  const key = { namespace, name: 'web' };
  await client.create(services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: key,
    spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
  });
  await client.create(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...key, labels: { app: 'web' } },
    spec: {
      nodeName: 'edge-2',
      containers: [{ name: 'c', image: 'nginx', ports: [{ name: 'http', containerPort: 8080 }] }],
    },
  });
  const setStatus = (ready: string) =>
    client.patch(
      pods,
      key,
      {
        type: 'strategic',
        body: {
          status: {
            phase: 'Running',
            podIP: '10.42.0.9',
            podIPs: [{ ip: '10.42.0.9' }],
            conditions: [{ type: 'Ready', status: ready }],
          },
        },
      },
      { subresource: 'status' },
    );
  await setStatus('False');
  const isReady =
    (wanted: boolean) =>
    (all: readonly { readonly endpoints?: readonly { readonly conditions?: { readonly ready?: boolean } }[] }[]) =>
      all.some((slice) => slice.endpoints?.[0]?.conditions?.ready === wanted);
  await waitFor(plane, endpointslices, namespace, 'not ready', isReady(false));
  await setStatus('True');
  const slices = await waitFor(plane, endpointslices, namespace, 'ready', isReady(true));
  const slice = slices.find(({ endpoints: found }) => found?.length === 1);
  assert.deepEqual(
    slice?.ports?.map(({ port }) => port),
    [8080],
  );
  assert.deepEqual(
    slice?.endpoints?.map(({ addresses, nodeName }) => [...addresses, nodeName]),
    [['10.42.0.9', 'edge-2']],
  );
  const [target] = await waitFor(
    plane,
    endpoints,
    namespace,
    'Endpoints',
    ([one]) => one?.subsets?.[0]?.addresses !== undefined,
  );
  assert.deepEqual(
    target?.subsets?.[0]?.addresses?.map(({ ip }) => ip),
    ['10.42.0.9'],
  );
  await client.delete(services, key);
  await waitFor(plane, endpointslices, namespace, 'no slices', (all) => all.length === 0);
  await waitFor(plane, endpoints, namespace, 'no Endpoints', (all) => all.length === 0);
});

test('budgets and quotas are counted', async () => {
  const namespace = await plane.namespace();
  const { client } = plane;
  await client.create(resourcequotas, {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'q', namespace },
    spec: { hard: { pods: '5', 'count/deployments.apps': '2' } },
  });
  await client.create(poddisruptionbudgets, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'b', namespace },
    spec: { maxUnavailable: '50%', selector: { matchLabels: { app: 'web' } } },
  });
  using _kubelet = kubelet(plane, namespace);
  await client.create(deployments, deployment(namespace, 'web', 4));
  const [budget] = await waitFor(
    plane,
    poddisruptionbudgets,
    namespace,
    'two may go',
    ([one]) => one?.status?.disruptionsAllowed === 2,
  );
  assert.deepEqual(
    [budget?.status?.expectedPods, budget?.status?.desiredHealthy, budget?.status?.currentHealthy],
    [4, 2, 4],
  );
  const [extra] = plane.manager.of(pods).list(namespace);
  assert.ok(extra);
  // What is deleted is given back at once, and all is counted anew.
  await client.patch(deployments, { namespace, name: 'web' }, { type: 'merge', body: { spec: { replicas: 3 } } });
  const [quota] = await waitFor(
    plane,
    resourcequotas,
    namespace,
    'counted',
    ([one]) => one?.status?.used?.['pods'] === '3',
  );
  assert.equal(quota?.status?.used?.['count/deployments.apps'], '1');
});

test('the Service kubernetes leads to the API servers, and is written only when it differs', async () => {
  const { client } = plane;
  const key = { namespace: 'default', name: 'kubernetes' };
  const options = { clusterIP: '10.43.0.1', addresses: ['192.0.2.2', '192.0.2.1'], port: 6443 };
  await reconcileKubernetesService(client, options);
  const versions = async () => {
    const found = [
      await client.get(services, key),
      await client.get(endpoints, key),
      await client.get(endpointslices, key),
    ];
    return found.map(({ metadata }) => metadata.resourceVersion);
  };
  const before = await versions();
  await reconcileKubernetesService(client, options);
  assert.deepEqual(await versions(), before);
  await reconcileKubernetesService(client, { ...options, addresses: ['192.0.2.3'] });
  const slice = await client.get(endpointslices, key);
  assert.deepEqual(
    slice.endpoints?.map(({ addresses }) => addresses),
    [['192.0.2.3']],
  );
  assert.equal((await client.get(services, key)).spec?.clusterIP, '10.43.0.1');
});

test('objects of a custom resource are collected like all others', async () => {
  const namespace = await plane.namespace();
  const { client } = plane;
  const names = { plural: 'boats', singular: 'boat', kind: 'Boat', listKind: 'BoatList' };
  const boats: Resource = {
    ...names,
    group: 'example.org',
    version: 'v1',
    namespaced: true,
    shortNames: [],
    categories: [],
    verbs: [],
    subresources: [],
    typeName: null,
  };
  await client.create(customresourcedefinitions, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'boats.example.org' },
    spec: {
      group: 'example.org',
      names,
      scope: 'Namespaced',
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  });
  await waitFor(plane, customresourcedefinitions, undefined, 'established', (all) =>
    all.some(({ status }) =>
      status?.conditions?.some(({ type, status: is }) => type === 'Established' && is === 'True'),
    ),
  );
  const boat = (name: string, owner?: KubeObject): KubeObject => ({
    apiVersion: 'example.org/v1',
    kind: 'Boat',
    metadata: {
      name,
      namespace,
      ...(owner
        ? {
            ownerReferences: [
              { apiVersion: owner.apiVersion, kind: owner.kind, name: 'owner', uid: owner.metadata.uid ?? '' },
            ],
          }
        : {}),
    },
  });
  const owner = await client.create(boats, boat('owner'));
  await client.create(boats, boat('dependent', owner));
  const { name = '', uid = '' } = owner.metadata;
  const ownerReferences = [{ apiVersion: owner.apiVersion, kind: owner.kind, name, uid }];
  const cargo = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cargo', namespace, ownerReferences } };
  await client.create(configmaps, cargo);
  await client.delete(boats, { namespace, name: 'owner' });
  await waitFor(plane, boats, namespace, 'dependent gone', (all) => all.length === 0);
  await waitFor(plane, configmaps, namespace, 'cargo gone', (all) => !named(all, 'cargo'));
});
