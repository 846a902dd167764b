/** What users do with kubectl all day, on a real cluster with real containers. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startCluster, type TestCluster } from '../testbed/cluster.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';

let cluster: TestCluster;
const folder = mkdtempSync(path.join(tmpdir(), 'wherry-workloads-'));

before(async () => {
  cluster = await startCluster({ name: 'wl', images: [await imageArchive('nginx'), await imageArchive('busybox')] });
});
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await cluster?.[Symbol.asyncDispose]();
});

const create = (object: object) => cluster.must(['create', '-f', '-'], { input: JSON.stringify(object) });
const shell = (pod: string, script: string) => cluster.must(['exec', pod, '--', 'sh', '-c', script]);

test('a Deployment behind a Service is found by its DNS name', async () => {
  await cluster.must(['create', 'deployment', 'web', '--image=nginx:stable-alpine', '--replicas=2', '--port=80']);
  await cluster.must(['expose', 'deployment', 'web', '--port=80', '--type=NodePort']);
  await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  await create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'client', labels: { app: 'client' } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'c', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sleep', '1000000'] }],
    },
  });
  await cluster.must(['wait', '--for=condition=Ready', 'pod/client', '--timeout=30s']);
  for (const name of ['web', 'web.default', 'web.default.svc.cluster.local']) {
    await eventually(`${name} answers`, 10_000, async () =>
      (await shell('client', `wget -qO- http://${name}/`)).includes('nginx') ? true : undefined,
    );
  }
  const nodePort = await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}']);
  const answer = await cluster.inside('curl', ['-sS', `http://${cluster.nodeIp}:${nodePort}/`]);
  assert.match(answer.stdout, /nginx/, answer.stderr);
  assert.match(await cluster.must(['get', 'endpointslices', '-l', 'kubernetes.io/service-name=web']), /web-/);
});

test('a Service without endpoints refuses at once', async () => {
  await cluster.must(['create', 'service', 'clusterip', 'empty', '--tcp=80:80']);
  const ip = await cluster.must(['get', 'service', 'empty', '-o', 'jsonpath={.spec.clusterIP}']);
  const refused = await eventually('a refusal', 5_000, async () => {
    const result = await cluster.inside('curl', ['-sS', '--max-time', '2', `http://${ip}/`]);
    return result.status === 7 ? result : undefined;
  });
  assert.match(refused.stderr, /refused|Failed to connect/);
  await cluster.must(['delete', 'service', 'empty']);
});

test('a rollout is followed, undone, and has a history', async () => {
  await cluster.must(['set', 'image', 'deployment/web', 'nginx=nginx:latest']);
  await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  assert.match(await cluster.must(['rollout', 'history', 'deployment/web']), /^1 +<none>\n2 +<none>/m);
  await cluster.must(['rollout', 'undo', 'deployment/web']);
  await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  const image = await cluster.must([
    'get',
    'deployment',
    'web',
    '-o',
    'jsonpath={.spec.template.spec.containers[0].image}',
  ]);
  assert.equal(image, 'nginx:stable-alpine');
  await cluster.must(['scale', 'deployment/web', '--replicas=1']);
  await cluster.must(['wait', '--for=jsonpath={.status.readyReplicas}=1', 'deployment/web', '--timeout=30s']);
});

test('an image that can not be had is told on the pod', async () => {
  await create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'noimage' },
    spec: { containers: [{ name: 'c', image: 'busybox:never-made', imagePullPolicy: 'Never' }] },
  });
  await eventually('ErrImageNeverPull', 15_000, async () =>
    (await cluster.must(['get', 'pod', 'noimage'])).includes('ErrImageNeverPull') ? true : undefined,
  );
  await cluster.must(['delete', 'pod', 'noimage', '--grace-period=0', '--force']);
});

test('logs, exec with a terminal, cp and attach work', async () => {
  await create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'talker' },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'c',
          image: 'busybox',
          imagePullPolicy: 'IfNotPresent',
          command: ['sh', '-c', 'for i in 1 2 3; do echo line $i; done; sleep 1000000'],
        },
      ],
    },
  });
  await cluster.must(['wait', '--for=condition=Ready', 'pod/talker', '--timeout=30s']);
  assert.equal(await cluster.must(['logs', 'talker']), 'line 1\nline 2\nline 3\n');
  assert.equal(await cluster.must(['logs', 'talker', '--tail=1']), 'line 3\n');
  for (const version of ['1.36', '1.30'] as const) {
    assert.equal(
      await cluster.must(['exec', '-i', 'talker', '--', 'cat'], { input: 'through stdin', version }),
      'through stdin',
    );
    const failed = await cluster.kubectl(['exec', 'talker', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3'], {
      version,
    });
    assert.deepEqual([failed.status, failed.stdout], [3, 'out\n']);
    assert.match(failed.stderr, /^err\n/);
  }
  // `script` gives kubectl a terminal, as a person's shell does.
  const terminal = await cluster.inside(
    'script',
    ['-qec', `kubectl --kubeconfig ${cluster.kubeconfig} exec -it talker -- sh -c 'tty; stty size'`, '/dev/null'],
    {
      environment: { PATH: `${await kubectlFolder()}:${process.env['PATH']}` },
    },
  );
  assert.match(terminal.stdout, /\/dev\/pts\/0/, terminal.stderr);
  const file = path.join(folder, 'file');
  writeFileSync(file, 'copied\n'.repeat(10_000));
  await cluster.must(['cp', file, 'talker:/tmp/file']);
  assert.match(await shell('talker', 'wc -l /tmp/file'), /^10000 /);
  await cluster.must(['cp', 'talker:/tmp/file', `${file}-back`]);
  assert.equal(readFileSync(`${file}-back`, 'utf8'), readFileSync(file, 'utf8'));
});

async function kubectlFolder(): Promise<string> {
  const { kubectlPath } = await import('../testbed/kubectl.ts');
  const { symlinkSync, existsSync } = await import('node:fs');
  const link = path.join(folder, 'kubectl');
  if (!existsSync(link)) symlinkSync(kubectlPath('1.36'), link);
  return folder;
}

test('port-forward carries a connection into the pod', async () => {
  for (const port of ['18080']) {
    const forward = cluster.start(path.join(await kubectlFolder(), 'kubectl'), [
      'port-forward',
      'deployment/web',
      `${port}:80`,
    ]);
    await eventually('the page through the forwarded port', 15_000, async () =>
      (await cluster.inside('curl', ['-sS', `http://127.0.0.1:${port}/`])).stdout.includes('nginx') ? true : undefined,
    );
    forward.kill();
  }
});

test('describe tells the story of a pod', async () => {
  const text = await cluster.must(['describe', 'pod', 'talker']);
  for (const words of [
    /^Node: +node-1\//m,
    /Successfully assigned default\/talker to node-1/,
    /Started container c|Container started/,
    /^QoS Class: +BestEffort/m,
  ]) {
    assert.match(text, words);
  }
});

test('apply works in both ways, edit changes, delete takes all its forms', async () => {
  const manifest = (value: string) =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  key: ${value}\n`;
  assert.equal(await cluster.must(['apply', '-f', '-'], { input: manifest('a') }), 'configmap/settings created\n');
  assert.equal(await cluster.must(['apply', '-f', '-'], { input: manifest('a') }), 'configmap/settings unchanged\n');
  assert.equal(await cluster.must(['apply', '-f', '-'], { input: manifest('b') }), 'configmap/settings configured\n');
  assert.equal(
    await cluster.must(['apply', '--server-side', '-f', '-', '--force-conflicts'], { input: manifest('c') }),
    'configmap/settings serverside-applied\n',
  );
  const editor = path.join(folder, 'editor');
  writeFileSync(editor, '#!/bin/sh\nsed -i "s/key: c/key: d/" "$1"\n', { mode: 0o755 });
  assert.equal(
    await cluster.must(['edit', 'configmap', 'settings'], { environment: { KUBE_EDITOR: editor } }),
    'configmap/settings edited\n',
  );
  assert.equal(await cluster.must(['get', 'configmap', 'settings', '-o', 'jsonpath={.data.key}']), 'd');
  const conflict = await cluster.kubectl(['apply', '--server-side', '--field-manager=other', '-f', '-'], {
    input: manifest('e'),
  });
  assert.equal(conflict.status, 1);
  assert.match(conflict.stderr, /conflict with "kubectl-edit"|conflicts? with/);
  const unknown = await cluster.kubectl(['apply', '-f', '-'], { input: `${manifest('f')}dataa: {}\n` });
  assert.match(unknown.stderr, /unknown field "dataa"/);
  await cluster.must(['delete', 'configmap', 'settings', '--dry-run=server']);
  await cluster.must(['delete', 'configmap', 'settings', '--cascade=orphan']);
  await cluster.must(['create', 'configmap', 'one', '--from-literal=a=b']);
  await cluster.must(['label', 'configmap', 'one', 'group=x']);
  assert.match(await cluster.must(['delete', 'configmap', '-l', 'group=x']), /configmap "one" deleted/);
  await cluster.must(['create', 'namespace', 'gone']);
  await cluster.must(['create', 'deployment', 'd', '--image=nginx:stable-alpine', '-n', 'gone']);
  await cluster.must(['delete', 'namespace', 'gone', '--timeout=60s']);
  assert.equal((await cluster.kubectl(['get', 'namespace', 'gone'])).status, 1);
});

test('wait, explain and auth can-i answer', async () => {
  assert.match(
    await cluster.must(['wait', '--for=condition=Available', 'deployment/web', '--timeout=30s']),
    /condition met/,
  );
  assert.match(await cluster.must(['explain', 'pod.spec.containers']), /^FIELD: containers/m);
  assert.equal(await cluster.must(['auth', 'can-i', 'create', 'pods']), 'yes\n');
  const no = await cluster.kubectl(['auth', 'can-i', 'create', 'pods', '--as=system:serviceaccount:default:default']);
  assert.deepEqual([no.status, no.stdout], [1, 'no\n']);
});

test('a CustomResourceDefinition brings its resources', async () => {
  await create({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'boats.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'boats', singular: 'boat', kind: 'Boat', shortNames: ['bt'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          additionalPrinterColumns: [{ name: 'Length', type: 'integer', jsonPath: '.spec.length' }],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: { type: 'object', required: ['length'], properties: { length: { type: 'integer', minimum: 1 } } },
              },
            },
          },
        },
      ],
    },
  });
  await cluster.must(['wait', '--for=condition=Established', 'crd/boats.example.com', '--timeout=10s']);
  const boat = (length: number) => ({
    apiVersion: 'example.com/v1',
    kind: 'Boat',
    metadata: { name: 'one' },
    spec: { length },
  });
  await eventually('the new kind can be made', 10_000, async () =>
    (await cluster.kubectl(['create', '-f', '-'], { input: JSON.stringify(boat(7)) })).status === 0 ? true : undefined,
  );
  assert.match(await cluster.must(['get', 'bt']), /^NAME +LENGTH\none +7$/m);
  const bad = await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(boat(0)) });
  assert.match(bad.stderr, /spec.length in body should be greater than or equal to 1/);
  await cluster.must(['delete', 'crd', 'boats.example.com']);
});

test('a Job runs to its end and a StatefulSet keeps its order and its claims', async () => {
  await cluster.must(['create', 'job', 'once', '--image=nginx:stable-alpine', '--', 'true']);
  await cluster.must(['wait', '--for=condition=Complete', 'job/once', '--timeout=30s']);
  await create({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'db' },
    spec: { clusterIP: 'None', selector: { app: 'db' }, ports: [{ port: 80 }] },
  });
  await create({
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db' },
    spec: {
      serviceName: 'db',
      replicas: 2,
      selector: { matchLabels: { app: 'db' } },
      template: {
        metadata: { labels: { app: 'db' } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: 'c',
              image: 'busybox',
              imagePullPolicy: 'IfNotPresent',
              command: ['sleep', '1000000'],
              volumeMounts: [{ name: 'data', mountPath: '/data' }],
            },
          ],
        },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  });
  await cluster.must(['rollout', 'status', 'statefulset/db', '--timeout=60s']);
  assert.match(await cluster.must(['get', 'pvc']), /data-db-0 +Bound[\s\S]*data-db-1 +Bound/);
  assert.match(await shell('client', 'nslookup db-1.db.default.svc.cluster.local'), /Address.*10\.42\./);
});
