import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  controllerrevisions,
  daemonsets,
  deployments,
  jobs,
  nodes,
  persistentvolumeclaims,
  pods,
  replicasets,
  statefulsets,
} from '../../src/kube/resources.gen.ts';
import type { Deployment, PersistentVolumeClaim, Pod, ReplicaSet } from '../../src/kube/types.gen.ts';
import { type ControlPlane, startControlPlane, waitFor } from './control-plane.ts';
import { deployment, kubelet, makeReady, template } from './workload-fixtures.ts';

let plane: ControlPlane;
before(async () => {
  plane = await startControlPlane();
});
after(async () => await plane[Symbol.asyncDispose]());

const imageOf = (set: ReplicaSet) => set.spec?.template?.spec?.containers[0]?.image;

test('a Deployment rolls out, rolls back, and keeps its revisions', async () => {
  const namespace = await plane.namespace();
  using _kubelet = kubelet(plane, namespace);
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
  for (const pod of first) await makeReady(plane, pod);
  const second = await waitFor(plane, pods, namespace, 'the second pod', (all) => all.length === 2);
  assert.deepEqual(names(second), ['db-0', 'db-1']);
  using _kubelet = kubelet(plane, namespace);
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

test('a claim that goes while its StatefulSet pod waits for it is made anew', async () => {
  const namespace = await plane.namespace();
  const { client } = plane;
  const labels = { app: 'kept' };
  await client.create(statefulsets, {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'kept', namespace },
    spec: {
      replicas: 1,
      serviceName: 'kept',
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
  const [pod] = await waitFor(plane, pods, namespace, 'the pod', (all) => all.length === 1);
  const [first] = await waitFor(plane, persistentvolumeclaims, namespace, 'the claim', (all) => all.length === 1);
  const name = { namespace, name: 'data-kept-0' };
  const held = { metadata: { finalizers: ['example.com/hold'] } };
  await client.patch(persistentvolumeclaims, name, { type: 'merge', body: held });
  await client.delete(persistentvolumeclaims, name);
  // As after a rollout: the pod is replaced while the claim is still being deleted.
  await client.delete(pods, { namespace, name: 'kept-0' }, { gracePeriodSeconds: 0 });
  const isOther = (all: readonly Pod[]) => all.length === 1 && all[0]?.metadata.uid !== pod?.metadata.uid;
  await waitFor(plane, pods, namespace, 'the pod anew', isOther);
  await client.patch(persistentvolumeclaims, name, { type: 'merge', body: { metadata: { finalizers: null } } });
  const isAnew = ([claim]: readonly PersistentVolumeClaim[]) =>
    claim !== undefined && claim.metadata.uid !== first?.metadata.uid;
  await waitFor(plane, persistentvolumeclaims, namespace, 'the claim anew', isAnew);
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

test('a Recreate rollout ends all old pods before it makes new ones', async () => {
  const namespace = await plane.namespace();
  const { client } = plane;
  using _kubelet = kubelet(plane, namespace);
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
