import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { reconcileKubernetesService } from '../../src/controllers/kubernetes-service.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import type { Resource } from '../../src/kube/resource.ts';
import {
  configmaps,
  controllerrevisions,
  customresourcedefinitions,
  daemonsets,
  deployments,
  endpoints,
  endpointslices,
  events,
  jobs,
  namespaces,
  nodes,
  persistentvolumeclaims,
  persistentvolumes,
  poddisruptionbudgets,
  pods,
  replicasets,
  resourcequotas,
  serviceaccounts,
  services,
  statefulsets,
  storageclasses,
} from '../../src/kube/resources.gen.ts';
import { isReason } from '../../src/kube/status-error.ts';
import type { ConfigMap, Deployment, Pod, PodTemplateSpec, ReplicaSet } from '../../src/kube/types.gen.ts';
import { type ControlPlane, startControlPlane, waitFor } from './control-plane.ts';

let plane: ControlPlane;
before(async () => {
  plane = await startControlPlane();
});
after(async () => await plane[Symbol.asyncDispose]());

function template(labels: Record<string, string>, image = 'nginx:1'): PodTemplateSpec {
  return { metadata: { labels }, spec: { containers: [{ name: 'c', image }] } };
}

function deployment(namespace: string, name: string, replicas: number): Deployment {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: { replicas, selector: { matchLabels: labels }, template: template(labels) },
  };
}

/** Does what a node agent would: the pod runs and is ready. */
async function makeReady(pod: Pod): Promise<void> {
  const { name = '', namespace = '' } = pod.metadata;
  const now = new Date().toISOString();
  const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: now }];
  const body = { status: { phase: 'Running', conditions } };
  try {
    await plane.client.patch(pods, { namespace, name }, { type: 'strategic', body }, { subresource: 'status' });
  } catch (thrown) {
    if (!isReason(thrown, 'NotFound')) throw thrown;
  }
}

/** Makes each pod of a namespace ready that ever appears, and lets go those that are deleted. */
function kubelet(namespace: string): Disposable {
  return plane.manager.of(pods).subscribe(({ current }) => {
    if (!current || current.metadata.namespace !== namespace) return;
    const { name = '', deletionTimestamp } = current.metadata;
    if (deletionTimestamp !== undefined) {
      void plane.client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0 }).catch(() => {});
    } else if (current.status?.phase === 'Pending') {
      void makeReady(current).catch(() => {});
    }
  });
}

const imageOf = (set: ReplicaSet) => set.spec?.template?.spec?.containers[0]?.image;

test('a Deployment rolls out, rolls back, and keeps its revisions', async () => {
  const namespace = await plane.namespace();
  using _kubelet = kubelet(namespace);
  await plane.client.create(deployments, deployment(namespace, 'web', 3));
  const complete = (revision: string) => (all: readonly Deployment[]) =>
    all.some(
      ({ status, metadata }) =>
        metadata.annotations?.['deployment.kubernetes.io/revision'] === revision &&
        status?.observedGeneration === metadata.generation &&
        status?.updatedReplicas === 3 &&
        status.replicas === 3 &&
        status.availableReplicas === 3,
    );
  await waitFor(plane, deployments, namespace, 'the first rollout', complete('1'));
  const setImage = (image: string) =>
    plane.client.patch(
      deployments,
      { namespace, name: 'web' },
      { type: 'strategic', body: { spec: { template: { spec: { containers: [{ name: 'c', image }] } } } } },
    );
  await setImage('nginx:2');
  const [second] = await waitFor(plane, deployments, namespace, 'the second rollout', complete('2'));
  const progressing = second?.status?.conditions?.find(({ type }) => type === 'Progressing');
  assert.equal(progressing?.reason, 'NewReplicaSetAvailable');
  await setImage('nginx:1');
  await waitFor(plane, deployments, namespace, 'the roll back', complete('3'));
  const sets = plane.manager.of(replicasets).list(namespace);
  assert.deepEqual(sets.map(imageOf).sort(), ['nginx:1', 'nginx:2']);
  const back = sets.find((set) => imageOf(set) === 'nginx:1');
  assert.equal(back?.metadata.annotations?.['deployment.kubernetes.io/revision-history'], '1');
  assert.equal(sets.find((set) => imageOf(set) === 'nginx:2')?.spec?.replicas, 0);
});

test('a ReplicaSet never makes more pods than it wants, whatever the caches show', async () => {
  const namespace = await plane.namespace();
  const most = { count: 0 };
  using _watch = plane.manager.of(pods).subscribe(() => {
    most.count = Math.max(most.count, plane.manager.of(pods).list(namespace).length);
  });
  const labels = { app: 'many' };
  await plane.client.create(replicasets, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 'many', namespace },
    spec: { replicas: 20, selector: { matchLabels: labels }, template: template(labels) },
  });
  await waitFor(plane, replicasets, namespace, '20 replicas', (all) => all[0]?.status?.replicas === 20);
  assert.equal(most.count, 20);
  await plane.client.patch(
    replicasets,
    { namespace, name: 'many' },
    { type: 'merge', body: { spec: { replicas: 2 } } },
  );
  await waitFor(plane, pods, namespace, '2 pods', (all) => all.length === 2);
});

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

test('a StatefulSet makes its pods one after the other, with claims, and updates from the last to the first', async () => {
  const namespace = await plane.namespace();
  const { client } = plane;
  const labels = { app: 'db' };
  await client.create(statefulsets, {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db', namespace },
    spec: {
      replicas: 3,
      serviceName: 'db',
      selector: { matchLabels: labels },
      template: template(labels),
      volumeClaimTemplates: [
        {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  });
  const names = (all: readonly Pod[]) => all.map(({ metadata }) => metadata.name).sort();
  const first = await waitFor(plane, pods, namespace, 'the first pod', (all) => all.length === 1);
  assert.deepEqual(names(first), ['db-0']);
  for (const pod of first) await makeReady(pod);
  const second = await waitFor(plane, pods, namespace, 'the second pod', (all) => all.length === 2);
  assert.deepEqual(names(second), ['db-0', 'db-1']);
  using _kubelet = kubelet(namespace);
  await waitFor(plane, statefulsets, namespace, 'all ready', (all) => all[0]?.status?.readyReplicas === 3);
  const claims = plane.manager.of(persistentvolumeclaims).list(namespace);
  assert.deepEqual(claims.map(({ metadata }) => metadata.name).sort(), ['data-db-0', 'data-db-1', 'data-db-2']);
  const deleted: string[] = [];
  using _order = plane.manager.of(pods).subscribe(({ old, current }) => {
    if (old?.metadata.namespace === namespace && !current) deleted.push(old.metadata.name ?? '');
  });
  const patched = await client.patch(
    statefulsets,
    { namespace, name: 'db' },
    { type: 'strategic', body: { spec: { template: { spec: { containers: [{ name: 'c', image: 'nginx:2' }] } } } } },
  );
  await waitFor(
    plane,
    statefulsets,
    namespace,
    'updated',
    ([set]) =>
      set?.status?.observedGeneration === patched.metadata.generation &&
      set?.status?.updatedReplicas === 3 &&
      set.status.readyReplicas === 3 &&
      set.status.currentRevision === set.status.updateRevision,
  );
  assert.deepEqual(deleted, ['db-2', 'db-1', 'db-0']);
  assert.equal(plane.manager.of(controllerrevisions).list(namespace).length, 2);
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

/** Does what a node agent would: the pod ends with this phase. */
async function end(pod: Pod, phase: 'Succeeded' | 'Failed'): Promise<void> {
  const { name = '', namespace = '' } = pod.metadata;
  const body = { status: { phase } };
  await plane.client.patch(pods, { namespace, name }, { type: 'strategic', body }, { subresource: 'status' });
}

test('a Job runs pods until enough have succeeded, and counts each once', async () => {
  const namespace = await plane.namespace();
  await plane.client.create(jobs, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'sum', namespace },
    spec: {
      completions: 3,
      parallelism: 2,
      completionMode: 'Indexed',
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'busybox' }] } },
    },
  });
  const ended = new Set<string>();
  using _kubelet = plane.manager.of(pods).subscribe(({ current }) => {
    const { uid = '', namespace: where } = current?.metadata ?? {};
    if (!current || where !== namespace || ended.has(uid)) return;
    ended.add(uid);
    void end(current, 'Succeeded').catch(() => {});
  });
  const [job] = await waitFor(
    plane,
    jobs,
    namespace,
    'complete',
    ([one]) => one?.status?.conditions?.some(({ type, status }) => type === 'Complete' && status === 'True') === true,
  );
  assert.equal(job?.status?.succeeded, 3);
  assert.equal(job?.status?.completedIndexes, '0-2');
  assert.equal(job?.status?.active ?? 0, 0);
  const left = await waitFor(plane, pods, namespace, 'no finalizers', (all) =>
    all.every(({ metadata }) => !metadata.finalizers?.length),
  );
  assert.equal(left.length, 3);
});

test('a Job fails at its backoff limit, and says why', async () => {
  const namespace = await plane.namespace();
  await plane.client.create(jobs, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'broken', namespace },
    spec: {
      backoffLimit: 0,
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'busybox' }] } },
    },
  });
  const [pod] = await waitFor(plane, pods, namespace, 'a pod', (all) => all.length === 1);
  if (pod) await end(pod, 'Failed');
  const [job] = await waitFor(
    plane,
    jobs,
    namespace,
    'failed',
    ([one]) => one?.status?.conditions?.some(({ type }) => type === 'Failed') === true,
  );
  const failed = job?.status?.conditions?.find(({ type }) => type === 'Failed');
  assert.equal(failed?.reason, 'BackoffLimitExceeded');
  assert.equal(job?.status?.failed, 1);
});

test('a node gets its range of addresses, and a daemon on it', async () => {
  const namespace = await plane.namespace();
  const { client } = plane;
  const labels = { app: 'agent' };
  await client.create(daemonsets, {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'agent', namespace },
    spec: { selector: { matchLabels: labels }, template: template(labels) },
  });
  await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'edge-1' } });
  const [pod] = await waitFor(plane, pods, namespace, 'a daemon', (all) => all.length === 1);
  const terms = pod?.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  assert.deepEqual(terms, [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['edge-1'] }] }]);
  const all = await waitFor(plane, nodes, undefined, 'a range', (found) =>
    found.some(({ spec }) => spec?.podCIDR !== undefined),
  );
  assert.equal(all.find(({ metadata }) => metadata.name === 'edge-1')?.spec?.podCIDR, '10.42.0.0/24');
  await waitFor(
    plane,
    daemonsets,
    namespace,
    'the status',
    ([set]) =>
      set?.status?.desiredNumberScheduled === 1 &&
      set.status.currentNumberScheduled === 1 &&
      set.status.updatedNumberScheduled === 1,
  );
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
  using _kubelet = kubelet(namespace);
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

test('a Recreate rollout ends all old pods before it makes new ones', async () => {
  const namespace = await plane.namespace();
  const { client } = plane;
  using _kubelet = kubelet(namespace);
  const wanted = deployment(namespace, 'one', 2);
  await client.create(deployments, {
    ...wanted,
    spec: {
      ...wanted.spec,
      strategy: { type: 'Recreate' },
      selector: { matchLabels: { app: 'one' } },
      template: template({ app: 'one' }),
    },
  });
  await waitFor(plane, deployments, namespace, 'available', ([one]) => one?.status?.availableReplicas === 2);
  let isMixed = false;
  using _watch = plane.manager.of(pods).subscribe(() => {
    const images = plane.manager
      .of(pods)
      .list(namespace)
      .map(({ spec }) => spec?.containers[0]?.image);
    if (new Set(images).size > 1) isMixed = true;
  });
  const body = { spec: { template: { spec: { containers: [{ name: 'c', image: 'nginx:2' }] } } } };
  const patched = await client.patch(deployments, { namespace, name: 'one' }, { type: 'strategic', body });
  await waitFor(
    plane,
    deployments,
    namespace,
    'replaced',
    ([one]) =>
      one?.status?.observedGeneration === patched.metadata.generation &&
      one?.status?.updatedReplicas === 2 &&
      one.status.availableReplicas === 2,
  );
  assert.equal(isMixed, false);
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
