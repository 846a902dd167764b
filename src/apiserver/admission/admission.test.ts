import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type SecuredServer, startSecuredServer } from '../../../test/testbed/secured-server.ts';
import { draft } from '../../kube/draft.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { Resource } from '../../kube/resource.ts';
import {
  clusterroles,
  configmaps,
  leases,
  limitranges,
  namespaces,
  nodes,
  persistentvolumeclaims,
  pods,
  resourcequotas,
  rolebindings,
  roles,
  services,
  storageclasses,
} from '../../kube/resources.gen.ts';
import { isReason, StatusError } from '../../kube/status-error.ts';
import type { Container, Pod } from '../../kube/types.gen.ts';

let world: SecuredServer;
before(async () => {
  world = await startSecuredServer();
});
after(() => world[Symbol.asyncDispose]());

function object<T extends KubeObject>(resource: Resource<T>, body: object): T {
  const apiVersion = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
  return { apiVersion, kind: resource.kind, ...body } as unknown as T;
}

function podOf(namespace: string, name: string, container: Partial<Container> = {}, spec: object = {}): Pod {
  const containers = [{ name: 'c', image: 'i', ...container }];
  return object(pods, { metadata: { namespace, name }, spec: { containers, ...spec } });
}

async function refusalOf(attempt: Promise<unknown>): Promise<StatusError> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: 'the request was not refused' });
}

const nodeUser = (name: string) => ({ name: `system:node:${name}`, groups: ['system:nodes', 'system:authenticated'] });

async function withQuota(namespace: string, hard: Readonly<Record<string, string>>, spec: object = {}): Promise<void> {
  const { client } = world;
  const quota = await client.create(
    resourcequotas,
    object(resourcequotas, { metadata: { namespace, name: 'q' }, spec: { hard, ...spec } }),
  );
  const used = Object.fromEntries(Object.keys(hard).map((name) => [name, '0']));
  await client.update(resourcequotas, { ...quota, status: { hard, used } }, { subresource: 'status' });
}

async function usedOf(namespace: string): Promise<Readonly<Record<string, string>>> {
  const quota = await world.client.get(resourcequotas, { namespace, name: 'q' });
  return quota.status?.used ?? {};
}

test('creations at the same time never exceed a quota together, and each is charged once', async () => {
  await world.namespace('race');
  await withQuota('race', { pods: '7', 'requests.cpu': '1', 'count/configmaps': '3' });
  const resources = { requests: { cpu: '100m' } };
  const made = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) => world.client.create(pods, podOf('race', `p${index}`, { resources }))),
  );
  assert.equal(made.filter(({ status }) => status === 'fulfilled').length, 7);
  for (const one of made)
    if (one.status === 'rejected') assert.ok(isReason(one.reason, 'Forbidden'), String(one.reason));
  assert.deepEqual(await usedOf('race'), { pods: '7', 'requests.cpu': '700m', 'count/configmaps': '0' });
});

test('a quota that another writer changes meanwhile is charged on its newer state', async () => {
  await world.namespace('contended');
  await withQuota('contended', { 'count/configmaps': '30' });
  const touch = async (index: number) => {
    for (;;) {
      const quota = draft(await world.client.get(resourcequotas, { namespace: 'contended', name: 'q' }));
      quota.metadata.labels = { touched: String(index) };
      try {
        await world.client.update(resourcequotas, quota);
        return;
      } catch (error) {
        if (!isReason(error, 'Conflict')) throw error;
      }
    }
  };
  await Promise.all(
    Array.from({ length: 10 }, async (_, index) => {
      await Promise.all([
        touch(index),
        world.client.create(
          configmaps,
          object(configmaps, { metadata: { namespace: 'contended', name: `c${index}` } }),
        ),
      ]);
    }),
  );
  assert.equal((await usedOf('contended'))['count/configmaps'], '10');
});

test('a dry run is checked and not charged', async () => {
  await world.namespace('dry');
  await withQuota('dry', { pods: '1' });
  await world.client.create(pods, podOf('dry', 'p'), { dryRun: true });
  assert.equal((await usedOf('dry'))['pods'], '0');
});

test('a quota counts ports and balancers of Services, also when they change', async () => {
  await world.namespace('ports');
  await withQuota('ports', { services: '2', 'services.nodeports': '2', 'services.loadbalancers': '0' });
  const spec = {
    ports: [
      { port: 80, name: 'a' },
      { port: 81, name: 'b' },
    ],
  };
  const made = await world.client.create(
    services,
    object(services, { metadata: { namespace: 'ports', name: 's' }, spec }),
  );
  await world.client.update(services, { ...made, spec: { ...made.spec, type: 'NodePort' } });
  assert.deepEqual(await usedOf('ports'), { services: '1', 'services.nodeports': '2', 'services.loadbalancers': '0' });
  const error = await refusalOf(
    world.client.create(
      services,
      object(services, { metadata: { namespace: 'ports', name: 't' }, spec: { ...spec, type: 'LoadBalancer' } }),
    ),
  );
  assert.match(
    error.message,
    /exceeded quota: q, requested: services.loadbalancers=1,services.nodeports=2, used: services.loadbalancers=0,services.nodeports=2, limited/,
  );
});

test('a quota counts claims by size and by class', async () => {
  await world.namespace('claims');
  const ofClass = 'fast.storageclass.storage.k8s.io/requests.storage';
  await withQuota('claims', { 'requests.storage': '10Gi', [ofClass]: '3Gi' });
  const claim = (name: string, storageClassName: string, storage: string) =>
    object(persistentvolumeclaims, {
      metadata: { namespace: 'claims', name },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName, resources: { requests: { storage } } },
    });
  await world.client.create(persistentvolumeclaims, claim('a', 'fast', '2Gi'));
  await world.client.create(persistentvolumeclaims, claim('b', 'slow', '5Gi'));
  const error = await refusalOf(world.client.create(persistentvolumeclaims, claim('c', 'fast', '2Gi')));
  assert.match(
    error.message,
    /exceeded quota: q, requested: fast\.storageclass\.storage\.k8s\.io\/requests\.storage=2Gi/,
  );
  assert.deepEqual(await usedOf('claims'), { 'requests.storage': '7Gi', [ofClass]: '2Gi' });
});

test('a quota for priority classes counts only pods of them', async () => {
  await world.namespace('classes');
  const scopeSelector = {
    matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['system-node-critical'] }],
  };
  await withQuota('classes', { pods: '0' }, { scopeSelector });
  await world.client.create(pods, podOf('classes', 'free'));
  const critical = { priorityClassName: 'system-node-critical' };
  assert.match(
    (await refusalOf(world.client.create(pods, podOf('classes', 'p', {}, critical)))).message,
    /exceeded quota/,
  );
});

test('a pod gets an account, its token, a priority and tolerations', async () => {
  await world.namespace('defaults');
  const pod = await world.client.create(pods, podOf('defaults', 'p'));
  assert.equal(pod.spec?.serviceAccountName, 'default');
  assert.equal(pod.spec?.priority, 0);
  assert.equal(pod.spec?.tolerations?.length, 2);
  const [volume] = pod.spec?.volumes ?? [];
  assert.match(volume?.name ?? '', /^kube-api-access-[a-z0-9]{5}$/);
  assert.deepEqual(
    pod.spec?.containers?.[0]?.volumeMounts?.map(({ name, mountPath }) => [name, mountPath]),
    [[volume?.name, '/var/run/secrets/kubernetes.io/serviceaccount']],
  );
});

test('a pod without containers gets its account too, and is told what it lacks', async () => {
  await world.namespace('bare');
  const refusal = await refusalOf(world.client.create(pods, podOf('bare', 'p', {}, { containers: [] })));
  assert.equal(refusal.message, 'Pod "p" is invalid: spec.containers: Required value');
});

test('refusals of an object without a name speak of its prefix before it is named, and of its name afterwards', async () => {
  await world.namespace('prefix');
  const pod = (spec: object) => ({
    ...podOf('prefix', '', {}, spec),
    metadata: { namespace: 'prefix', generateName: 'g-' },
  });
  const early = await refusalOf(world.client.create(pods, pod({ serviceAccountName: 'nope' })));
  assert.equal(
    early.message,
    'pods "g-" is forbidden: error looking up service account prefix/nope: serviceaccount "nope" not found',
  );
  await withQuota('prefix', { pods: '0' });
  const late = await refusalOf(world.client.create(pods, pod({})));
  assert.match(late.message, /^pods "g-[a-z0-9]{5}" is forbidden: exceeded quota/);
});

test('nothing is created in a namespace that is missing or ending, and the system namespaces stay', async () => {
  const missing = await refusalOf(
    world.client.create(configmaps, object(configmaps, { metadata: { namespace: 'nowhere', name: 'a' } })),
  );
  assert.equal(missing.message, 'namespaces "nowhere" not found');
  await world.namespace('ending');
  await world.client.delete(namespaces, { name: 'ending' });
  const late = await refusalOf(
    world.client.create(configmaps, object(configmaps, { metadata: { namespace: 'ending', name: 'a' } })),
  );
  assert.equal(late.status.details?.causes?.[0]?.reason, 'NamespaceTerminating');
  const kept = await refusalOf(world.client.delete(namespaces, { name: 'kube-system' }));
  assert.equal(kept.message, 'namespaces "kube-system" is forbidden: this namespace may not be deleted');
});

test('limits of a namespace are filled in and enforced over init containers and sidecars', async () => {
  await world.namespace('limited');
  const limits = [
    { type: 'Pod', max: { cpu: '1' } },
    { type: 'Container', default: { cpu: '200m' } },
  ];
  await world.client.create(
    limitranges,
    object(limitranges, { metadata: { namespace: 'limited', name: 'l' }, spec: { limits } }),
  );
  const pod = await world.client.create(pods, podOf('limited', 'p'));
  assert.deepEqual(pod.spec?.containers?.[0]?.resources, { limits: { cpu: '200m' }, requests: { cpu: '200m' } });
  const sidecar = { name: 's', image: 'i', restartPolicy: 'Always', resources: { limits: { cpu: '900m' } } };
  const error = await refusalOf(world.client.create(pods, podOf('limited', 'q', {}, { initContainers: [sidecar] })));
  assert.equal(error.message, 'pods "q" is forbidden: maximum cpu usage per Pod is 1, but limit is 1100m');
});

test('labels of a namespace that name no level are refused; a stricter level warns of what already runs', async () => {
  const level = { 'pod-security.kubernetes.io/enforce': 'bogus' };
  const error = await refusalOf(world.namespace('bogus', level));
  assert.equal(
    error.message,
    'Namespace "bogus" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "bogus": must be one of privileged, baseline, restricted',
  );
  await world.namespace('strict', { 'pod-security.kubernetes.io/enforce': 'restricted' });
  const refused = await refusalOf(world.client.create(pods, podOf('strict', 'p')));
  assert.match(
    refused.message,
    /^pods "p" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false/,
  );
  const safe = {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  };
  await world.client.create(pods, podOf('strict', 'safe', { securityContext: safe }));
});

test('a node writes only what is its own', async () => {
  await world.namespace('own');
  const node = world.as(nodeUser('a'));
  const made = await node.create(
    nodes,
    object(nodes, { metadata: { name: 'a', labels: { 'kubernetes.io/hostname': 'a' } } }),
  );
  assert.deepEqual(made.spec?.taints, [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }]);
  const cases: readonly (readonly [Promise<unknown>, RegExp])[] = [
    [node.create(nodes, object(nodes, { metadata: { name: 'b' } })), /node "a" is not allowed to modify node "b"/],
    [node.update(nodes, { ...made, spec: { ...made.spec, taints: [] } }), /node "a" is not allowed to modify taints/],
    [
      node.update(nodes, {
        ...made,
        metadata: { ...made.metadata, labels: { 'node-restriction.kubernetes.io/x': 'y' } },
      }),
      /is not allowed to modify labels: node-restriction\.kubernetes\.io\/x/,
    ],
    [node.create(pods, podOf('own', 'p')), /pod does not have "kubernetes.io\/config.mirror" annotation/],
    [
      node.create(leases, object(leases, { metadata: { namespace: 'kube-node-lease', name: 'b' } })),
      /can only access node lease with the same name/,
    ],
  ];
  for (const [attempt, message] of cases) assert.match((await refusalOf(attempt)).message, message);
  await node.create(leases, object(leases, { metadata: { namespace: 'kube-node-lease', name: 'a' } }));
});

test('nobody gives away what they do not hold', async () => {
  await world.namespace('give');
  const alice = { name: 'alice', groups: ['system:authenticated'] };
  const rules = [
    { verbs: ['create', 'update'], apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles', 'rolebindings'] },
  ];
  const held = [...rules, { verbs: ['get'], apiGroups: [''], resources: ['pods'] }];
  await world.client.create(roles, object(roles, { metadata: { namespace: 'give', name: 'own' }, rules: held }));
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'own' };
  const subjects = [{ kind: 'User', name: 'alice', apiGroup: 'rbac.authorization.k8s.io' }];
  await world.client.create(
    rolebindings,
    object(rolebindings, { metadata: { namespace: 'give', name: 'own' }, roleRef, subjects }),
  );
  const client = world.as(alice);
  const role = (name: string, verbs: string[]) =>
    object(roles, { metadata: { namespace: 'give', name }, rules: [{ verbs, apiGroups: [''], resources: ['pods'] }] });
  const small = await client.create(roles, role('small', ['get']));
  const error = await refusalOf(client.create(roles, role('large', ['get', 'delete', 'list'])));
  assert.equal(
    error.message,
    'roles.rbac.authorization.k8s.io "large" is forbidden: user "alice" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete" "list"]}',
  );
  const grown = { ...small, rules: [{ verbs: ['*'], apiGroups: [''], resources: ['pods'] }] };
  assert.ok(isReason(await refusalOf(client.update(roles, grown)), 'Forbidden'));
  const binding = (kind: string, name: string) =>
    object(rolebindings, { metadata: { namespace: 'give', name }, roleRef: { ...roleRef, kind, name }, subjects });
  await client.create(rolebindings, binding('Role', 'small'));
  assert.ok(
    isReason(await refusalOf(client.create(rolebindings, binding('ClusterRole', 'cluster-admin'))), 'Forbidden'),
  );
  assert.ok(isReason(await refusalOf(client.create(rolebindings, binding('Role', 'none'))), 'NotFound'));
  await world.client.create(
    clusterroles,
    object(clusterroles, {
      metadata: { name: 'agg' },
      rules: null,
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] },
    }),
  );
});

test('claims get the newest default class, and grow only where it lets them', async () => {
  await world.namespace('storage');
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  await world.client.create(
    storageclasses,
    object(storageclasses, { metadata: { name: 'std', annotations }, provisioner: 'p' }),
  );
  const claim = await world.client.create(
    persistentvolumeclaims,
    object(persistentvolumeclaims, {
      metadata: { namespace: 'storage', name: 'c' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    }),
  );
  assert.equal(claim.spec?.storageClassName, 'std');
  assert.deepEqual(claim.metadata.finalizers, ['kubernetes.io/pvc-protection']);
  const bound = await world.client.update(
    persistentvolumeclaims,
    { ...claim, status: { phase: 'Bound', capacity: { storage: '1Gi' } } },
    { subresource: 'status' },
  );
  const larger = { ...bound, spec: { ...bound.spec, resources: { requests: { storage: '2Gi' } } } };
  assert.match(
    (await refusalOf(world.client.update(persistentvolumeclaims, larger))).message,
    /only dynamically provisioned pvc can be resized/,
  );
});
