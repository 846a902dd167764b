import assert from 'node:assert/strict';
import { copyFile, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { leases, nodes, pods, secrets } from '../../src/kube/resources.gen.ts';
import type { Container, Node, Pod } from '../../src/kube/types.gen.ts';
import { standardParts } from '../../src/node/standard-parts.ts';
import { busyboxImage, imageArchive } from '../testbed/images/images.ts';
import { startRegistry } from '../testbed/registry.ts';
import { type NodeHarness, nodeName, startNode } from './node-harness.ts';

let node: NodeHarness;
before(async () => {
  node = await startNode(standardParts);
});
after(async () => {
  await node[Symbol.asyncDispose]();
});

const sh = (script: string, more: Partial<Container> = {}): Container => ({
  name: 'main',
  image: 'busybox',
  imagePullPolicy: 'IfNotPresent',
  command: ['sh', '-c', script],
  ...more,
});
/** Ends at once on SIGTERM, as PID 1 only does with a handler. */
const forever = 'trap "exit 0" TERM; while :; do sleep 0.1; done';
const stateOf = (pod: Pod | undefined, name = 'main') =>
  [...(pod?.status?.initContainerStatuses ?? []), ...(pod?.status?.containerStatuses ?? [])].find(
    (s) => s.name === name,
  );
const isRunning = (pod: Pod | undefined) => stateOf(pod)?.state?.running !== undefined;
const phaseIs = (phase: string) => (pod: Pod | undefined) => pod?.status?.phase === phase;
const waitsFor = (reason: string) => (pod: Pod | undefined) => stateOf(pod)?.state?.waiting?.reason === reason;

async function exec(pod: Pod | undefined, ...cmd: string[]): Promise<string> {
  const containerId = (stateOf(pod)?.containerID ?? '').replace('containerd://', '');
  const { stdout } = await node.agent.cri.execSync({ containerId, cmd, timeout: 10 });
  return Buffer.from(stdout).toString();
}

async function remove(name: string): Promise<void> {
  await node.api.client.delete(pods, { namespace: node.namespace, name });
  await node.until(name, 'the pod is gone', (pod) => pod === undefined);
}

test('the node registers itself, becomes Ready and holds its lease', async () => {
  const condition = (current: Node, wanted: string) =>
    current.status?.conditions?.find(({ type }) => type === wanted)?.status;
  const isListed = (current: Node, name: string) => current.status?.images?.some(({ names }) => names?.includes(name));
  await eventually('the node is Ready and lists its images', async () => {
    const current = await node.api.client.get(nodes, { name: nodeName });
    return condition(current, 'Ready') === 'True' && isListed(current, 'docker.io/library/busybox:latest') === true;
  });
  const { metadata, status } = await node.api.client.get(nodes, { name: nodeName });
  assert.equal(metadata.labels?.['kubernetes.io/hostname'], nodeName);
  assert.deepEqual(status?.addresses, [
    { type: 'InternalIP', address: '192.0.2.1' },
    { type: 'Hostname', address: nodeName },
  ]);
  assert.match(status?.nodeInfo?.containerRuntimeVersion ?? '', /^containerd:\/\/\d/);
  assert.equal(status?.capacity?.pods, '110');
  const lease = await node.api.client.get(leases, { namespace: 'kube-node-lease', name: nodeName });
  assert.equal(lease.spec?.holderIdentity, nodeName);
});

test('a node whose object is deleted registers itself anew at once', async () => {
  const { client } = node.api;
  const former = await client.get(nodes, { name: nodeName });
  await client.delete(nodes, { name: nodeName });
  await eventually('the node is there again', async () => {
    const { items } = await client.list(nodes, {});
    return items.some(({ metadata }) => metadata.name === nodeName && metadata.uid !== former.metadata.uid);
  });
  const { podCIDR, podCIDRs } = former.spec ?? {};
  await client.patch(nodes, { name: nodeName }, { type: 'merge', body: { spec: { podCIDR, podCIDRs } } });
  await eventually('the node is Ready again', async () => {
    const { status } = await client.get(nodes, { name: nodeName });
    return status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true;
  });
});

test('a pod runs with its address, names and resolver, and leaves nothing behind', async () => {
  await node.create('whole', {
    containers: [
      sh(`echo "$A" $(B) >&2; ${forever}`, {
        env: [
          { name: 'A', value: 'x y' },
          { name: 'B', value: 'b' },
        ],
      }),
    ],
    hostAliases: [{ ip: '192.0.2.9', hostnames: ['one', 'two'] }],
    subdomain: 'sub',
  });
  const pod = await node.until(
    'whole',
    'it is Ready',
    (p) => p?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
  );
  const { podIP = '', podIPs, hostIP, qosClass, phase } = pod?.status ?? {};
  assert.match(podIP, /^10\.211\.0\.\d+$/);
  assert.deepEqual(
    { podIPs, hostIP, qosClass, phase },
    { podIPs: [{ ip: podIP }], hostIP: '192.0.2.1', qosClass: 'BestEffort', phase: 'Running' },
  );
  assert.equal(
    await exec(pod, 'cat', '/etc/resolv.conf'),
    `search test.svc.cluster.local svc.cluster.local cluster.local${await hostSearch()}\nnameserver 10.43.0.10\noptions ndots:5\n`,
  );
  const hosts = await exec(pod, 'cat', '/etc/hosts');
  assert.match(hosts, new RegExp(`^${podIP}\twhole.sub.test.svc.cluster.local\twhole$`, 'm'));
  assert.match(hosts, /^192\.0\.2\.9\tone\ttwo$/m);
  assert.equal(await exec(pod, 'hostname'), 'whole\n');
  const uid = pod?.metadata.uid ?? '';
  const logs = join(node.folder, 'logs', `test_whole_${uid}`);
  assert.match(await readFile(join(logs, 'main', '0.log'), 'utf8'), / stderr F x y b\n/);
  await remove('whole');
  await eventually('nothing of it is in the runtime', () => isGoneFromRuntime(uid));
  await eventually(
    'its folders are gone',
    async () => !(await exists(logs)) && !(await exists(join(node.folder, 'agent', 'pods', uid))),
  );
  const events = (await node.eventsOf('whole')).map(({ reason, message, involvedObject }) => [
    reason,
    message,
    involvedObject?.fieldPath,
  ]);
  assert.deepEqual(events, [
    [
      'Pulled',
      'Container image "busybox" already present on machine and can be accessed by the pod',
      'spec.containers{main}',
    ],
    ['Created', 'Container created', 'spec.containers{main}'],
    ['Started', 'Container started', 'spec.containers{main}'],
    ['Killing', 'Stopping container main', 'spec.containers{main}'],
  ]);
});

async function hostSearch(): Promise<string> {
  const search = /^search\s+(.*)$/m.exec(await readFile('/etc/resolv.conf', 'utf8'))?.[1]?.trim();
  return search ? ` ${search}` : '';
}

test('two pods of one node reach each other', async () => {
  await node.create('web', { containers: [sh('echo hello >/tmp/index.html; exec httpd -f -p 8080 -h /tmp')] });
  const web = await node.until('web', 'it runs', isRunning);
  const url = `http://${web?.status?.podIP}:8080/`;
  await node.create('visitor', {
    restartPolicy: 'Never',
    containers: [
      sh(`for i in 1 2 3 4 5 6 7 8 9; do wget -qO- ${url} >/dev/termination-log && exit 0; sleep 0.1; done; exit 1`),
    ],
  });
  const visitor = await node.until('visitor', 'it ends', (p) => stateOf(p)?.state?.terminated !== undefined);
  assert.equal(stateOf(visitor)?.state?.terminated?.message, 'hello\n');
  assert.equal(visitor?.status?.phase, 'Succeeded');
  await Promise.all([remove('web'), remove('visitor')]);
});

test('init containers run in order, a sidecar beside them, and the sidecar ends last', async () => {
  await node.create('init', {
    restartPolicy: 'Never',
    initContainers: [
      sh('exit 0', { name: 'first' }),
      sh(forever, { name: 'sidecar', restartPolicy: 'Always' }),
      sh('exit 0', { name: 'second' }),
    ],
    containers: [sh('exit 0')],
  });
  const pod = await node.until(
    'init',
    'it has succeeded',
    (p) => phaseIs('Succeeded')(p) && stateOf(p, 'sidecar')?.state?.terminated !== undefined,
  );
  const order = ['first', 'sidecar', 'second', 'main'].map((name) =>
    Date.parse(stateOf(pod, name)?.state?.terminated?.startedAt ?? ''),
  );
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
  const started = (await node.eventsOf('init'))
    .filter(({ reason }) => reason === 'Started')
    .map(({ involvedObject }) => involvedObject?.fieldPath);
  assert.deepEqual(started, [
    'spec.initContainers{first}',
    'spec.initContainers{sidecar}',
    'spec.initContainers{second}',
    'spec.containers{main}',
  ]);
  await remove('init');
});

test('a failing init container of a pod that never restarts fails the pod', async () => {
  await node.create('init-fails', {
    restartPolicy: 'Never',
    initContainers: [sh('exit 7', { name: 'first' })],
    containers: [sh('exit 0')],
  });
  const pod = await node.until('init-fails', 'it has failed', phaseIs('Failed'));
  assert.equal(stateOf(pod, 'first')?.state?.terminated?.exitCode, 7);
  assert.equal(stateOf(pod)?.state?.waiting?.reason, 'PodInitializing');
  assert.equal(stateOf(pod)?.started, false);
  await remove('init-fails');
});

test('a crashing container restarts at once, and the second time in back-off', async () => {
  await node.create('crash', { containers: [sh('echo why >/dev/termination-log; exit 5')] });
  const pod = await node.until('crash', 'it is in back-off', waitsFor('CrashLoopBackOff'));
  const status = stateOf(pod);
  assert.equal(status?.restartCount, 1);
  assert.equal(status?.lastState?.terminated?.exitCode, 5);
  assert.equal(status?.lastState?.terminated?.message, 'why\n');
  assert.equal(
    status?.state?.waiting?.message,
    `back-off 10s restarting failed container=main pod=crash_test(${pod?.metadata.uid})`,
  );
  assert.equal(pod?.status?.phase, 'Running');
  await remove('crash');
});

test('a container that takes more memory than its limit is OOMKilled', async () => {
  await node.create('greedy', {
    restartPolicy: 'Never',
    containers: [sh('exec tail /dev/zero', { resources: { limits: { memory: '24Mi' } } })],
  });
  const pod = await node.until('greedy', 'it has failed', phaseIs('Failed'));
  assert.equal(stateOf(pod)?.state?.terminated?.reason, 'OOMKilled');
  assert.equal(stateOf(pod)?.state?.terminated?.exitCode, 137);
  await remove('greedy');
});

test('limits reach the container and the pod around it', async () => {
  const resources = { limits: { cpu: '500m', memory: '64Mi' }, requests: { cpu: '250m', memory: '32Mi' } };
  await node.create('bounded', { containers: [sh(forever, { resources })] });
  const pod = await node.until('bounded', 'it runs', isRunning);
  assert.equal(pod?.status?.qosClass, 'Burstable');
  const uid = pod?.metadata.uid ?? '';
  const usage = (await node.agent.stats.summary()).pods.find(({ podRef }) => podRef.uid === uid);
  assert((usage?.memory?.usageBytes ?? 0) > 0);
  assert.equal(usage?.containers[0]?.name, 'main');
  const score = await exec(pod, 'cat', '/proc/1/oom_score_adj');
  assert(Number(score) > 900 && Number(score) < 1000);
  await remove('bounded');
});

test('resources change in place, without a restart', async () => {
  const limits = (memory: string) => ({ limits: { memory }, requests: { memory } });
  await node.create('resized', { containers: [sh(forever, { resources: limits('64Mi') })] });
  const pod = await node.until('resized', 'it runs', isRunning);
  const key = { namespace: node.namespace, name: 'resized' };
  const current = await node.api.client.get(pods, key);
  const containers = (current.spec?.containers ?? []).map((container) => ({ ...container, resources: limits('96Mi') }));
  await node.api.client.update(pods, { ...current, spec: { ...current.spec, containers } }, { subresource: 'resize' });
  await node.until('resized', 'the status tells it', (p) => stateOf(p)?.resources?.limits?.memory === '96Mi');
  const paths = '/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max';
  await eventually('the kernel has it', async () =>
    (await exec(pod, 'sh', '-c', `cat ${paths} 2>/dev/null; true`)).includes(String(96 * 1024 * 1024)),
  );
  const after = await node.api.client.get(pods, key);
  assert.equal(stateOf(after)?.containerID, stateOf(pod)?.containerID);
  await remove('resized');
});

test('a container that must not run as root is refused in plain words', async () => {
  await node.create('rootless', { containers: [sh('exit 0', { securityContext: { runAsNonRoot: true } })] });
  const pod = await node.until('rootless', 'it waits', waitsFor('CreateContainerConfigError'));
  assert.equal(
    stateOf(pod)?.state?.waiting?.message,
    `container has runAsNonRoot and image will run as root (pod: "rootless_test(${pod?.metadata.uid})", container: main)`,
  );
  await remove('rootless');
});

test('user, groups, capabilities and the read-only root file system are the container’s', async () => {
  await node.create('secure', {
    securityContext: { fsGroup: 3000, supplementalGroups: [4000], runAsUser: 1000, runAsGroup: 2000 },
    containers: [
      sh(forever, {
        securityContext: {
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        },
      }),
    ],
  });
  const pod = await node.until('secure', 'it runs', isRunning);
  assert.equal(await exec(pod, 'id', '-u'), '1000\n');
  assert.deepEqual((await exec(pod, 'id', '-G')).trim().split(' ').sort(), ['2000', '3000', '4000']);
  const status = await exec(pod, 'cat', '/proc/1/status');
  assert.match(status, /^CapEff:\s+0+$/m);
  assert.match(status, /^NoNewPrivs:\s+1$/m);
  assert.match(status, /^Seccomp:\s+2$/m);
  assert.equal(await exec(pod, 'sh', '-c', 'touch /x 2>/dev/null; echo $?'), '1\n');
  await remove('secure');
});

test('images: never pulled, not to be had, and pulled with a secret', async () => {
  await using registry = await startRegistry({
    images: { 'team/app:v1': await busyboxImage() },
    credentials: { username: 'me', password: 'pass' },
  });
  const image = `${registry.host}/team/app:v1`;
  await node.create('never', { containers: [sh('exit 0', { image: 'absent', imagePullPolicy: 'Never' })] });
  const never = await node.until('never', 'it waits', waitsFor('ErrImageNeverPull'));
  assert.equal(
    stateOf(never)?.state?.waiting?.message,
    'Container image "absent" is not present with pull policy of Never',
  );
  await node.create('denied', { containers: [sh('exit 0', { image })] });
  const denied = await node.until('denied', 'its pull fails', waitsFor('ImagePullBackOff'));
  assert.match(
    stateOf(denied)?.state?.waiting?.message ?? '',
    new RegExp(`^Back-off pulling image "${image}": ErrImagePull: `),
  );
  const auths = { auths: { [registry.host]: { auth: Buffer.from('me:pass').toString('base64') } } };
  await node.api.client.create(secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'pull', namespace: node.namespace },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(JSON.stringify(auths)).toString('base64') },
  });
  await node.create('pulled', {
    restartPolicy: 'Never',
    imagePullSecrets: [{ name: 'pull' }],
    containers: [sh('exit 0', { image })],
  });
  const pulled = await node.until('pulled', 'it has succeeded', phaseIs('Succeeded'));
  assert.match(stateOf(pulled)?.imageID ?? '', /@sha256:[0-9a-f]{64}$/);
  const messages = (await node.eventsOf('pulled')).map(({ message }) => message ?? '');
  assert(messages.includes(`Pulling image "${image}"`));
  assert(
    messages.some((message) =>
      /^Successfully pulled image .* in .* \(.* including waiting\)\. Image size: \d+ bytes\.$/.test(message),
    ),
  );
  await Promise.all(['never', 'denied', 'pulled'].map(remove));
});

test('a malformed image name is told', async () => {
  await node.create('misnamed', { containers: [sh('exit 0', { image: 'Not/Valid' })] });
  const pod = await node.until('misnamed', 'it waits', waitsFor('InvalidImageName'));
  assert.match(stateOf(pod)?.state?.waiting?.message ?? '', /couldn't parse image name "Not\/Valid"/);
  await remove('misnamed');
});

test('a container that ignores SIGTERM is killed after its grace, behind its preStop hook', async () => {
  await node.create(
    'stubborn',
    {
      containers: [
        sh('trap "" TERM; while :; do sleep 0.1; done', {
          lifecycle: { preStop: { exec: { command: ['sh', '-c', 'echo bye >/dev/termination-log'] } } },
        }),
      ],
    },
    { finalizers: ['test.example/hold'] },
  );
  await node.until('stubborn', 'it runs', isRunning);
  await node.api.client.delete(pods, { namespace: node.namespace, name: 'stubborn' });
  const pod = await node.until('stubborn', 'it has ended', (p) => stateOf(p)?.state?.terminated !== undefined);
  assert.equal(stateOf(pod)?.state?.terminated?.exitCode, 137);
  assert.equal(stateOf(pod)?.state?.terminated?.message, 'bye\n');
  await node.api.client.patch(
    pods,
    { namespace: node.namespace, name: 'stubborn' },
    { type: 'merge', body: { metadata: { finalizers: null } } },
  );
  await node.until('stubborn', 'the pod is gone', (p) => p === undefined);
});

test('a pod that writes more into an emptyDir than its size limit is evicted', async () => {
  const volumes = [{ name: 'scratch', emptyDir: { sizeLimit: '1Mi' } }];
  const volumeMounts = [{ name: 'scratch', mountPath: '/scratch' }];
  await node.create('greedy', {
    volumes,
    containers: [sh(`head -c 3000000 /dev/zero > /scratch/big; ${forever}`, { volumeMounts })],
  });
  const pod = await node.until('greedy', 'it is evicted', phaseIs('Failed'));
  assert.equal(pod?.status?.reason, 'Evicted');
  assert.equal(pod?.status?.message, 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". ');
  await remove('greedy');
});

test('a pod past its deadline fails', async () => {
  await node.create('late', { activeDeadlineSeconds: 1, containers: [sh(forever)] });
  const pod = await node.until('late', 'it has failed', phaseIs('Failed'));
  assert.equal(pod?.status?.reason, 'DeadlineExceeded');
  assert.equal(pod?.status?.message, 'Pod was active on the node longer than the specified deadline');
  await remove('late');
});

test('a pod that is removed by force is ended all the same', async () => {
  await node.create('forced', { containers: [sh(forever)] });
  const pod = await node.until('forced', 'it runs', isRunning);
  await node.api.client.delete(pods, { namespace: node.namespace, name: 'forced' }, { gracePeriodSeconds: 0 });
  await eventually('nothing of it is in the runtime', () => isGoneFromRuntime(pod?.metadata.uid ?? ''));
});

test('a pod whose sandbox dies gets a new one, and its containers start again', async () => {
  await node.create('shaken', { containers: [sh(forever)] });
  const before = await node.until('shaken', 'it runs', isRunning);
  const sandboxId = node.agent.directory.sandboxId(before?.metadata.uid ?? '') ?? '';
  await node.agent.cri.stopPodSandbox({ podSandboxId: sandboxId });
  const pod = await node.until('shaken', 'it runs again', (p) => isRunning(p) && (stateOf(p)?.restartCount ?? 0) > 0);
  assert.notEqual(stateOf(pod)?.containerID, stateOf(before)?.containerID);
  assert((await node.eventsOf('shaken')).some(({ reason }) => reason === 'SandboxChanged'));
  await remove('shaken');
});

test('processes left in a shared process namespace are reaped by the pause program', async () => {
  await node.create('shared', { shareProcessNamespace: true, containers: [sh(`(sleep 0.1 &); ${forever}`)] });
  const pod = await node.until('shared', 'it runs', isRunning);
  assert.match(await exec(pod, 'cat', '/proc/1/cmdline'), /^\/pause/);
  await eventually('no zombie is left', async () => {
    const states = await exec(
      pod,
      'sh',
      '-c',
      'grep -h ^State /proc/[0-9]*/status; grep -l sleep.0.1 /proc/[0-9]*/cmdline',
    );
    return !states.includes('Z (zombie)');
  });
  await remove('shared');
});

test('an image archive that appears in the folder is imported', async () => {
  await copyFile(await imageArchive('nginx'), join(node.folder, 'agent', 'images', 'nginx.tar'));
  await eventually('nginx is listed', async () =>
    (await node.agent.images()).some(({ repoTags }) => repoTags.includes('docker.io/library/nginx:stable-alpine')),
  );
  await node.create('nginx', {
    restartPolicy: 'Never',
    containers: [{ name: 'main', image: 'nginx:stable-alpine', imagePullPolicy: 'IfNotPresent' }],
  });
  const pod = await node.until('nginx', 'it runs', isRunning);
  await eventually('it serves', async () =>
    (await exec(pod, 'wget', '-qO-', 'http://127.0.0.1/')).includes('Welcome to nginx!'),
  );
  await remove('nginx');
});

async function isGoneFromRuntime(uid: string): Promise<boolean> {
  const filter = { labelSelector: { 'io.kubernetes.pod.uid': uid } };
  return (await node.agent.cri.listPodSandbox({ filter })).items.length === 0;
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = systemClock.monotonic() + 20_000;
  while (!(await condition())) {
    assert(systemClock.monotonic() < deadline, `not within 20 s: ${what}`);
    await systemClock.sleep(50);
  }
}
