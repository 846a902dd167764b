import assert from 'node:assert/strict';
import { test } from 'node:test';
import { draft } from '../draft.ts';
import type { Kind } from '../kind.ts';
import type { KubeObject } from '../object.ts';
import { apiVersionOf } from '../resource.ts';
import { builtinResources } from '../resources.gen.ts';
import { schemaOf } from '../schema/builtin.ts';
import { decode } from '../schema/decode.ts';
import type { WithSpecAndStatus } from '../strategy/status.ts';
import type { CustomResourceDefinition, Deployment, Job, Namespace, Pod, Secret, Service } from '../types.gen.ts';
import { builtinKinds, isStored } from './all.ts';

function kindNamed(name: string, apiVersion = 'v1'): Kind {
  const kind = builtinKinds.find(({ resource: r }) => r.kind === name && apiVersionOf(r) === apiVersion);
  assert.ok(kind !== undefined, name);
  return kind;
}

/** What a POST makes of a body, short of what the registry and admission add. */
function created<T extends KubeObject = KubeObject>(kind: Kind, body: object): T {
  const { object } = decode(schemaOf(kind.resource.typeName ?? ''), body, {
    fieldValidation: 'Strict',
    groupVersionKind: { version: kind.resource.version, kind: kind.resource.kind },
  });
  kind.strategy.setDefaults(object as never);
  kind.strategy.prepareForCreate(object as never);
  return object as unknown as T;
}

/** What a PUT makes of it. */
function updated<T extends KubeObject = KubeObject>(kind: Kind, body: object, old: T): T {
  const { object } = decode(schemaOf(kind.resource.typeName ?? ''), body, {
    fieldValidation: 'Strict',
    groupVersionKind: { version: kind.resource.version, kind: kind.resource.kind },
  });
  kind.strategy.setDefaults(object as never);
  kind.strategy.prepareForUpdate(object as never, old);
  return object as unknown as T;
}

const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } };
const selector = { matchLabels: { app: 'a' } };

test('every stored resource has its kind, and its status endpoint a strategy', () => {
  assert.equal(builtinKinds.length, builtinResources.filter(isStored).length);
  for (const { resource, strategy } of builtinKinds) {
    const hasStatus = resource.subresources.some(({ name }) => name === 'status');
    assert.equal(strategy.subresources?.['status'] !== undefined, hasStatus, resource.plural);
  }
});

test('every kind survives an empty body', () => {
  for (const kind of builtinKinds) assert.doesNotThrow(() => created(kind, {}), kind.resource.plural);
});

test('a pod gets its defaults; requests follow limits', () => {
  const pod = created<Pod>(kindNamed('Pod'), {
    metadata: { name: 'p' },
    spec: {
      containers: [
        { name: 'c', image: 'nginx', resources: { limits: { cpu: '1000m' } }, ports: [{ containerPort: 80 }] },
      ],
      volumes: [{ name: 'v' }, { name: 's', secret: { secretName: 'x' } }],
    },
  });
  assert.deepEqual(pod.spec?.containers[0]?.resources, { limits: { cpu: '1' }, requests: { cpu: '1' } });
  assert.deepEqual(pod.spec?.containers[0]?.ports, [{ containerPort: 80, protocol: 'TCP' }]);
  assert.equal(pod.spec?.containers[0]?.imagePullPolicy, 'Always');
  assert.deepEqual(pod.spec?.volumes?.[0], { name: 'v', emptyDir: {} });
  assert.equal(pod.spec?.volumes?.[1]?.secret?.defaultMode, 420);
  assert.deepEqual(pod.status, { phase: 'Pending', qosClass: 'Burstable' });
  assert.equal(pod.metadata.generation, 1);
});

test('in a template requests do not follow limits', () => {
  const limited = {
    ...template,
    spec: { containers: [{ name: 'c', image: 'a:1', resources: { limits: { cpu: '1' } } }] },
  };
  const deployment = created<Deployment>(kindNamed('Deployment', 'apps/v1'), { spec: { selector, template: limited } });
  assert.deepEqual(deployment.spec?.template.spec?.containers[0]?.resources, { limits: { cpu: '1' } });
  assert.equal(deployment.spec?.template.spec?.containers[0]?.imagePullPolicy, 'IfNotPresent');
  assert.equal(deployment.spec?.strategy?.rollingUpdate?.maxSurge, '25%');
});

test('the quality of service follows from requests and limits', () => {
  const pod = (resources: object) =>
    created<Pod>(kindNamed('Pod'), { spec: { containers: [{ name: 'c', image: 'a', resources }] } }).status?.qosClass;
  assert.equal(pod({}), 'BestEffort');
  assert.equal(pod({ requests: { cpu: '1' } }), 'Burstable');
  assert.equal(pod({ limits: { cpu: '1', memory: '1Gi' } }), 'Guaranteed');
});

test('the status can not be set through the main endpoint, nor the spec through the other', () => {
  const kind = kindNamed('Deployment', 'apps/v1');
  const deployment = created<Deployment>(kind, {
    metadata: { name: 'd' },
    spec: { selector, template },
    status: { replicas: 3 },
  });
  assert.deepEqual(deployment.status, {});
  const changed = updated(
    kind,
    { ...deployment, status: { replicas: 3 }, spec: { ...deployment.spec, replicas: 2 } },
    deployment,
  );
  assert.deepEqual(changed.status, {});
  assert.equal(changed.metadata.generation, 2);
  const status = draft<WithSpecAndStatus>({
    ...deployment,
    spec: { ...deployment.spec, replicas: 9 },
    status: { replicas: 3 },
  });
  kind.strategy.subresources?.['status']?.prepareForUpdate(status, deployment);
  assert.deepEqual(status.spec, deployment.spec);
  assert.deepEqual(status.status, { replicas: 3 });
});

test('an update that changes nothing keeps the generation', () => {
  const kind = kindNamed('Deployment', 'apps/v1');
  const deployment = created<Deployment>(kind, { metadata: { name: 'd' }, spec: { selector, template } });
  assert.equal(updated(kind, structuredClone(deployment), deployment).metadata.generation, 1);
  const annotated = { ...deployment, metadata: { ...deployment.metadata, annotations: { a: 'b' } } };
  assert.equal(updated(kind, annotated, deployment).metadata.generation, 2);
});

test('a job selects its own pods by its uid, unless the client manages that', () => {
  const kind = kindNamed('Job', 'batch/v1');
  const body = { metadata: { name: 'j', uid: 'u' }, spec: { template } };
  const job = created<Job>(kind, body);
  assert.deepEqual(job.spec?.selector, { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u' } });
  assert.equal(job.spec?.template.metadata?.labels?.['job-name'], 'j');
  assert.equal(job.spec?.template.metadata?.labels?.['batch.kubernetes.io/controller-uid'], 'u');
  const manual = created<Job>(kind, { ...body, spec: { ...body.spec, manualSelector: true, selector } });
  assert.deepEqual(manual.spec?.selector, selector);
});

test('a service keeps its addresses and node ports when an update leaves them out', () => {
  const kind = kindNamed('Service');
  const ports = [{ port: 80, protocol: 'TCP', targetPort: 80, nodePort: 30080 }];
  const old = created<Service>(kind, {
    metadata: { name: 's' },
    spec: { type: 'NodePort', clusterIP: '10.0.0.1', ports },
  });
  const service = updated(kind, { metadata: { name: 's' }, spec: { type: 'NodePort', ports: [{ port: 80 }] } }, old);
  assert.equal(service.spec?.clusterIP, '10.0.0.1');
  assert.deepEqual(service.spec?.clusterIPs, ['10.0.0.1']);
  assert.equal(service.spec?.ports?.[0]?.nodePort, 30080);
  const internal = updated(kind, { metadata: { name: 's' }, spec: { ...old.spec, type: 'ClusterIP' } }, old);
  assert.equal(internal.spec?.ports?.[0]?.nodePort, undefined);
  assert.equal(internal.spec?.externalTrafficPolicy, undefined);
});

test('a namespace is labelled with its name and held by a finalizer', () => {
  const namespace = created<Namespace>(kindNamed('Namespace'), { metadata: { name: 'n' } });
  assert.deepEqual(namespace.spec?.finalizers, ['kubernetes']);
  assert.deepEqual(namespace.metadata.labels, { 'kubernetes.io/metadata.name': 'n' });
  assert.deepEqual(namespace.status, { phase: 'Active' });
});

test('a deleted pod gets its grace only while a node runs it', () => {
  const grace = kindNamed('Pod').strategy.gracePeriod;
  const pod = draft(created<Pod>(kindNamed('Pod'), { spec: { containers: [{ name: 'c', image: 'a' }] } }));
  assert.equal(grace?.(pod, undefined), 0);
  Object.assign(pod.spec ?? {}, { nodeName: 'n' });
  assert.equal(grace?.(pod, undefined), 30);
  assert.equal(grace?.(pod, 5), 5);
  assert.equal(grace?.(pod, -1), 1);
  assert.equal(grace?.(Object.assign(pod, { status: { phase: 'Succeeded' } }), 5), 0);
});

test('stringData of a secret becomes data', () => {
  const secret = created<Secret>(kindNamed('Secret'), { data: { a: 'YQ==' }, stringData: { b: 'b', a: 'x' } });
  assert.deepEqual(secret.data, { a: 'eA==', b: 'Yg==' });
  assert.equal(secret.stringData, undefined);
  assert.equal(secret.type, 'Opaque');
});

test('a definition records the version that it stores', () => {
  const kind = kindNamed('CustomResourceDefinition', 'apiextensions.k8s.io/v1');
  const version = (name: string, storage: boolean) => ({ name, served: true, storage });
  const names = { plural: 'foos', kind: 'Foo' };
  const old = created<CustomResourceDefinition>(kind, {
    spec: { group: 'a.b', names, scope: 'Cluster', versions: [version('v1', true)] },
  });
  assert.deepEqual(old.status?.storedVersions, ['v1']);
  assert.equal(old.spec.names.listKind, 'FooList');
  const spec = { ...old.spec, versions: [version('v1', false), version('v2', true)] };
  assert.deepEqual(updated(kind, { ...old, spec }, old).status?.storedVersions, ['v1', 'v2']);
});

test('warnings name what is deprecated or will not do what it seems to', () => {
  const kind = kindNamed('Pod');
  const pod = created(kind, {
    metadata: { name: 'a.b' },
    spec: {
      nodeSelector: { 'beta.kubernetes.io/os': 'linux' },
      containers: [
        {
          name: 'c',
          image: 'a',
          env: [
            { name: 'A', value: '1' },
            { name: 'A', value: '2' },
          ],
          ports: [{ containerPort: 80 }, { containerPort: 80 }],
          resources: { limits: { memory: '100m' } },
        },
      ],
      volumes: [{ name: 'v', rbd: { monitors: ['m'], image: 'i' } }],
    },
  });
  assert.deepEqual(kind.strategy.warnings?.(pod, null), [
    "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
    'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
    'spec.volumes[0].rbd: deprecated in v1.28, non-functional in v1.31+',
    'spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer',
    'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer',
    'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
    'spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]',
  ]);
});
