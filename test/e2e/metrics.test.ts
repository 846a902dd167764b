/** What the cluster tells of itself: `kubectl top`, metrics.k8s.io and /metrics. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startCluster, type TestCluster } from '../testbed/cluster.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';

let cluster: TestCluster;
before(async () => {
  cluster = await startCluster({ name: 'metrics', images: [await imageArchive('busybox')] });
  await cluster.must(['create', '-f', '-'], { input: busyPod });
  await cluster.must(['wait', '--for=condition=Ready', 'pod/busy', '--timeout=60s']);
});
after(() => cluster?.[Symbol.asyncDispose]());

const container = (name: string, script: string) => ({
  name,
  image: 'busybox',
  imagePullPolicy: 'IfNotPresent',
  command: ['sh', '-c', script],
});
const busyPod = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'busy', labels: { app: 'busy' } },
  spec: {
    terminationGracePeriodSeconds: 1,
    // Some work, and room for the machine's own.
    containers: [
      container('work', 'while :; do i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; sleep 0.05; done'),
      container('idle', 'sleep 1000000'),
    ],
  },
});

const raw = async (path: string) => JSON.parse(await cluster.must(['get', '--raw', path]));

for (const version of ['1.36', '1.30'] as const) {
  test(`kubectl ${version} top shows what nodes, pods and containers use`, async () => {
    const rows = (text: string) =>
      text
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(/\s+/));
    const containers = await eventually('the pod has a window', 60_000, async () => {
      const result = await cluster.kubectl(['top', 'pods', '--containers', '-l', 'app=busy'], { version });
      return result.status === 0 && result.stdout !== '' ? rows(result.stdout) : undefined;
    });
    assert.deepEqual(containers.map(([pod, name]) => `${pod}/${name}`).sort(), ['busy/idle', 'busy/work']);
    const work = containers.find(([, name]) => name === 'work');
    assert.match(work?.[2] ?? '', /^[1-9]\d*m$/);
    assert.match(work?.[3] ?? '', /^\d+Mi$/);
    const [node] = rows(await cluster.must(['top', 'nodes'], { version }));
    assert.equal(node?.[0], 'node-1');
    assert.match(node?.[1] ?? '', /^[1-9]\d*m$/);
    assert.match(node?.[2] ?? '', /^\d+%$/);
    assert.match(node?.[3] ?? '', /^[1-9]\d*Mi$/);
    const all = rows(await cluster.must(['top', 'pods', '-A', '--sum'], { version }));
    assert.deepEqual(all[0]?.slice(0, 2), ['default', 'busy']);
  });
}

test('metrics.k8s.io is discovered, selected, shown as a table and refused as metrics-server does', async () => {
  const groups = await raw('/apis');
  assert.ok(groups.groups.some(({ name }: { name: string }) => name === 'metrics.k8s.io'));
  const { resources } = await raw('/apis/metrics.k8s.io/v1beta1');
  assert.deepEqual(
    resources.map(({ name, kind, namespaced, verbs }: Record<string, unknown>) => ({ name, kind, namespaced, verbs })),
    [
      { name: 'nodes', kind: 'NodeMetrics', namespaced: false, verbs: ['get', 'list'] },
      { name: 'pods', kind: 'PodMetrics', namespaced: true, verbs: ['get', 'list'] },
    ],
  );
  const base = '/apis/metrics.k8s.io/v1beta1';
  const list = await raw(`${base}/pods?labelSelector=app%3Dbusy`);
  assert.equal(list.kind, 'PodMetricsList');
  const [item] = list.items;
  assert.deepEqual(Object.keys(item), ['metadata', 'timestamp', 'window', 'containers']);
  assert.deepEqual(item.metadata.labels, { app: 'busy' });
  assert.match(item.window, /^(\d+m)?[\d.]+s$/);
  assert.match(item.containers[1].usage.cpu, /^\d+[nu]?m?$/);
  assert.match(item.containers[1].usage.memory, /^\d+([KM]i)?$/);
  assert.deepEqual((await raw(`${base}/pods?labelSelector=app%3Dother`)).items, []);
  assert.deepEqual((await raw(`${base}/namespaces/kube-system/pods`)).items, []);
  assert.equal((await raw(`${base}/namespaces/default/pods/busy`)).kind, 'PodMetrics');
  assert.equal((await raw(`${base}/nodes/node-1`)).kind, 'NodeMetrics');
  const absent = await cluster.kubectl(['get', 'podmetrics', 'nobody']);
  assert.match(absent.stderr, /NotFound.*podmetrics\.metrics\.k8s\.io "default\/nobody" not found/);
  assert.match(await cluster.must(['get', 'podmetrics']), /^NAME +CPU +MEMORY +WINDOW\nbusy /);
  const write = await cluster.kubectl(['delete', 'podmetrics', 'busy']);
  assert.match(write.stderr, /MethodNotAllowed|does not allow this method/);
});

test('whoever may view may see the metrics of pods, and nobody else', async () => {
  const binding = JSON.stringify({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'viewers', namespace: 'default' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'viewer' }],
  });
  await cluster.must(['create', '-f', '-'], { input: binding });
  const list = (what: string, user: string) =>
    cluster.kubectl(['get', '--raw', `/apis/metrics.k8s.io/v1beta1/${what}`, '--as', user]);
  await eventually('the role is aggregated', 10_000, async () =>
    (await list('namespaces/default/pods', 'viewer')).status === 0 ? true : undefined,
  );
  assert.match((await list('nodes', 'viewer')).stderr, /Forbidden.*nodes\.metrics\.k8s\.io is forbidden/);
  assert.match((await list('namespaces/default/pods', 'stranger')).stderr, /Forbidden/);
});

test('/metrics tells of every part in names that monitoring knows, in the form that Prometheus reads', async () => {
  const lookUp = ['exec', 'busy', '-c', 'idle', '--', 'nslookup', 'kubernetes.default.svc.cluster.local', '10.43.0.10'];
  await cluster.must(lookUp);
  const fromPod = ['exec', 'busy', '-c', 'idle', '--', 'wget', '-qO-', 'http://10.43.0.10:9153/metrics'];
  const text = (await cluster.must(['get', '--raw', '/metrics'])) + (await cluster.must(fromPod));
  const values = new Map<string, number>();
  const families = new Set<string>();
  for (const line of text.trim().split('\n')) {
    const declared = /^# (?:HELP|TYPE) ([a-z_]+) \S/.exec(line)?.[1];
    if (declared !== undefined) {
      families.add(declared);
      continue;
    }
    const [, series = '', family = '', value] = /^(([a-z_]+)(?:\{[^{}]*\})?) (\S+)$/.exec(line) ?? [];
    assert.ok(families.has(family.replace(/_(bucket|sum|count)$/, '')) || families.has(family), line);
    assert.ok(!values.has(series), `${series} comes once`);
    assert.ok(Number.isFinite(Number(value)), line);
    values.set(series, Number(value));
  }
  const queue = /^workqueue_adds_total\{name="([a-z-]*namespace[a-z-]*)"\}/m.exec(text)?.[1];
  const positive = [
    `workqueue_adds_total{name="${queue}"}`,
    'scheduler_schedule_attempts_total{profile="default-scheduler",result="scheduled"}',
    'kubelet_running_pods',
    'kubelet_node_name{node="node-1"}',
    'kubelet_running_containers{container_state="running"}',
    'apiserver_storage_size_bytes{storage_cluster_id="sqlite-0"}',
    'apiserver_storage_objects{resource="pods"}',
    'process_resident_memory_bytes',
    'coredns_dns_requests_total{family="1",proto="udp",server="dns://10.43.0.10:53",type="A",view="",zone="cluster.local."}',
    'coredns_dns_responses_total{plugin="kubernetes",rcode="NOERROR",server="dns://10.43.0.10:53",view="",zone="cluster.local."}',
  ];
  for (const series of positive) assert.ok((values.get(series) ?? 0) > 0, `${series} is ${values.get(series)}`);
  for (const name of ['active', 'backoff', 'unschedulable']) {
    assert.equal(values.get(`scheduler_pending_pods{queue="${name}"}`), 0);
  }
});
