/** A server and two more machines: how they join, whose a name is, what is told when something is wrong, and what comes and goes. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually } from '../testbed/kubectl.ts';
import type { Host } from '../testbed/lab/host.ts';
import { type Lab, startLab } from '../testbed/lab/lab.ts';
import type { LabAgent, LabServer } from '../testbed/lab/nodes.ts';

const wherry = path.join(import.meta.dirname, '../../wherry');
let lab: Lab;
let server: LabServer;
let one: LabAgent;
let busybox: string;
const hosts: Record<'a' | 'b' | 'c', Host> = {} as never;

before(async () => {
  lab = await startLab({ name: 'join' });
  hosts.a = await lab.addHost({ name: 'node-a' });
  hosts.b = await lab.addHost({ name: 'node-b' });
  hosts.c = await lab.addHost({ name: 'node-c' });
  busybox = await imageArchive('busybox');
  server = await lab.startServer(hosts.a, { images: [busybox] });
  one = await lab.startAgent(hosts.b, {
    server,
    images: [busybox],
    flags: [
      '--node-label',
      'room=shed,disk=ssd',
      '--node-taint',
      'trial=yes:PreferNoSchedule',
      '--kubelet-arg',
      'max-pods=50',
    ],
  });
});
after(() => lab?.[Symbol.asyncDispose]());

/** An agent on the third machine that is expected to be refused; its data directory is new each time. */
let attempts = 0;
async function attempt(...args: readonly string[]) {
  const dataDir = path.join(hosts.c.folder, `attempt-${++attempts}`);
  const own = ['--no-install', '--data-dir', dataDir, '--server', server.url];
  const result = await hosts.c.run(wherry, ['agent', ...own, ...args], { timeoutMs: 60_000 });
  assert.equal(result.status, 1, result.stderr);
  return result.stderr
    .split('\n')
    .filter((line) => !line.startsWith('{'))
    .join('\n');
}
const token = (...args: readonly string[]) => server.wherry(['token', ...args]);
const newToken = async (...args: readonly string[]) => (await token('create', ...args)).stdout.trim();
const jsonpath = (target: readonly string[], template: string) =>
  server.must(['get', ...target, '-o', `jsonpath=${template}`]);
const condition = (node: string) => jsonpath(['node', node], '{.status.conditions[?(@.type=="Ready")].status}');

test('tokens are made, listed and revoked on the server', async () => {
  const made = await newToken('--ttl', '90m', '--description', 'for the shed');
  assert.match(made, /^K10[0-9a-f]{64}::[a-z0-9]{6}\.[a-z0-9]{16}$/);
  const [, id = '', secret = ''] = /::(\w+)\.(\w+)$/.exec(made) ?? [];
  const list = (await token('list')).stdout;
  assert.match(list, /^TOKEN +TTL +EXPIRES +USAGES +DESCRIPTION +EXTRA GROUPS\n/);
  const row = new RegExp(
    `^${id}\\.${secret} +\\d+m +\\S+Z +authentication,signing +for the shed +system:bootstrappers:wherry:`,
    'm',
  );
  assert.match(list, row);
  assert.match(list, /<forever> +<never> +authentication +With this token machines join/);
  assert.equal(
    await jsonpath(['secret', `bootstrap-token-${id}`, '-n', 'kube-system'], '{.type}'),
    'bootstrap.kubernetes.io/token',
  );
  const chosen = await newToken('abcdef.0123456789abcdef', '--ttl', '0');
  assert.ok(chosen.endsWith('::abcdef.0123456789abcdef'));
  assert.match(
    (await token('create', 'abcdef.0123456789abcdef')).stderr,
    /id abcdef exists already\nTry: .*token delete abcdef/s,
  );
  assert.equal(
    (await token('revoke', id, 'abcdef')).stdout,
    `bootstrap token "${id}" deleted\nbootstrap token "abcdef" deleted\n`,
  );
  assert.doesNotMatch((await token('list')).stdout, new RegExp(id));
  assert.match((await token('delete', id)).stderr, /there is no token with the id .*\nTry: see `wherry token list`/s);
  assert.match(
    await attempt('--token', made),
    /the server refuses the token: it is wrong, was revoked or has expired[\s\S]*Try: /,
  );
  assert.match((await token('create', '--ttl', 'soon')).stderr, /--ttl: "soon" is no duration\nTry: /);
});

test('an expired token is told as such', async () => {
  const made = await newToken('--ttl', '1s');
  const told = await eventually('the token has expired', 30_000, async () => {
    const list = (await token('list')).stdout;
    return list.includes('<expired>') ? true : undefined;
  });
  assert.ok(told);
  assert.match(await attempt('--token', made), /wherry: the token has expired at \d{4}-\S+Z\nTry: make a new one/);
});

test('a machine has the labels, taints and limits that it was given, and its own use is shown', async () => {
  assert.equal(await jsonpath(['node', 'node-b'], '{.metadata.labels.room} {.metadata.labels.disk}'), 'shed ssd');
  assert.equal(await jsonpath(['node', 'node-b'], '{.spec.taints[?(@.key=="trial")].effect}'), 'PreferNoSchedule');
  assert.equal(await jsonpath(['node', 'node-b'], '{.status.capacity.pods}'), '50');
  const top = await eventually('the use of both nodes', 60_000, async () => {
    const { status, stdout } = await server.kubectl(['top', 'nodes', '--no-headers']);
    return status === 0 && /^node-a +\d/m.test(stdout) && /^node-b +\d/m.test(stdout) ? stdout : undefined;
  });
  assert.match(top, /^node-b +\d+m +\d+% +\d+Mi +\d+%/m);
  const metrics = await server.must(['get', '--raw', '/api/v1/nodes/node-b/proxy/metrics']);
  assert.match(metrics, /^kubelet_running_pods \d+$/m);
});

test('logs, exec, port-forward and use of a pod on another machine', async () => {
  const overrides = JSON.stringify({ spec: { nodeName: 'node-b' } });
  const run = ['run', 'far', '--image=busybox', '--image-pull-policy=IfNotPresent', `--overrides=${overrides}`];
  await server.must([...run, '--', 'sh', '-c', 'echo begun; while true; do :; done']);
  await server.must(['wait', '--for=condition=Ready', 'pod/far', '--timeout=60s']);
  assert.equal(await server.must(['logs', 'far']), 'begun\n');
  assert.equal(await server.must(['exec', 'far', '--', 'echo', 'there']), 'there\n');
  await eventually('the use of the pod', 60_000, async () =>
    /^far +[1-9]\d*m/m.test((await server.kubectl(['top', 'pods', '--no-headers'])).stdout) ? true : undefined,
  );
  await server.must(['delete', 'pod', 'far', '--grace-period=1']);
});

test('with a token alone nobody gets the name of another machine, nor its address', async () => {
  const whole = await newToken();
  const taken = await attempt('--token', whole, '--node-name', 'node-b');
  assert.match(
    taken,
    /a node named node-b is in the cluster and Ready, at 198\.18\.\S+, and this machine does not know its password\nTry: .*--with-node-id/,
  );
  const denied = await server.must(['get', 'csr', '--no-headers']);
  assert.match(denied, /kube-apiserver-client-kubelet .*Denied/);
  assert.match(await attempt('--token', whole, '--node-name', 'node-a'), /a node named node-a is in the cluster/);
  const address = await attempt('--token', whole, '--node-name', 'node-c', '--node-ip', hosts.b.address);
  assert.match(
    address,
    /the node node-b is in the cluster and Ready at 198\.18\.\S+, the address of this machine\nTry: .*--node-ip/,
  );
});

test('a server that cannot be reached, or is none, is told with the reason', async () => {
  const whole = await newToken();
  const at = (url: string) => attempt('--token', whole, '--server', url);
  assert.match(await at('https://nowhere.invalid:6443'), /the name nowhere\.invalid is not known[\s\S]*Try: /);
  assert.match(
    await at(`https://${hosts.a.address}:6444`),
    /connection refused: no program listens on port 6444[\s\S]*Try: /,
  );
  assert.match(
    await at(`https://${hosts.b.address}:10250`),
    /what answers at \S+ is no Wherry server[\s\S]*Try: give --server/,
  );
});

test('`up --server` joins in the background, and `down` leaves', async () => {
  const dataDir = path.join(hosts.c.folder, 'up');
  const run = (...args: readonly string[]) =>
    hosts.c.run(wherry, [...args, '--no-install', '--data-dir', dataDir], { timeoutMs: 180_000 });
  const command = (await token('create', '--print-join-command')).stdout;
  const [, url = '', whole = ''] = /^sudo \.\/wherry up --server (\S+) --token (\S+)\n$/.exec(command) ?? [];
  assert.equal(url, server.url);
  const refused = await run('up', '--server', url, '--token', whole, '--cluster-cidr', '10.99.0.0/16');
  assert.match(refused.stderr, /--cluster-cidr is for servers, and --server joins one\nTry: /);
  const up = await run(
    'up',
    '--server',
    url,
    '--token',
    whole,
    '--with-node-id',
    '--node-name',
    'pi',
    '--node-ip',
    hosts.c.address,
  );
  assert.equal(up.status, 0, up.stdout + up.stderr);
  assert.match(up.stdout, /^ok +Cluster +\S+ s +https:\/\/\S+:6443, as node pi-[0-9a-f]{8}$/m);
  assert.match(up.stdout, /The node is ready after \S+ s\.\n\nTry on the server:\n {2}kubectl get nodes\n$/);
  const status = await run('status');
  assert.equal(status.status, 0);
  assert.match(status.stdout, /^The node is running\./);
  const [name = ''] = /^pi-[0-9a-f]{8}/m.exec(await server.must(['get', 'nodes', '--no-headers'])) ?? [];
  const arguments_ = await hosts.c.must('sh', ['-c', 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "']);
  assert.ok(!arguments_.includes(whole), "the token stands in no process's arguments");
  assert.equal((await run('down')).status, 0);
  await server.must(['delete', 'node', name]);
  await eventually('the name is free again', 30_000, async () =>
    (await server.kubectl(['get', 'secret', '-n', 'kube-system', `${name}.node-password.k3s`])).status === 1
      ? true
      : undefined,
  );
  assert.equal((await run('reset', '--yes')).status, 0);
});

test('a node whose server is away runs on and says so', async () => {
  await server.kill();
  const told = await eventually('status says so', 40_000, async () => {
    const { stdout } = await one.wherry(['status']);
    return /^FAILED +Cluster .*the server does not answer since/m.test(stdout) ? stdout : undefined;
  });
  assert.match(told, /^The node is running, but not all of it\./);
  await server.restart();
  await eventually('status says that it is back', 40_000, async () =>
    (await one.wherry(['status'])).status === 0 ? true : undefined,
  );
});

test('a deleted node that still runs comes back, and its name stays its own', async () => {
  await server.must(['delete', 'node', 'node-b']);
  await eventually('the node is back', 60_000, async () =>
    (await condition('node-b').catch(() => '')) === 'True' ? true : undefined,
  );
  await eventually('its password is back', 30_000, async () =>
    (await server.kubectl(['get', 'secret', '-n', 'kube-system', 'node-b.node-password.k3s'])).status === 0
      ? true
      : undefined,
  );
  assert.match(
    await attempt('--token', await newToken(), '--node-name', 'node-b'),
    /a node named node-b is in the cluster/,
  );
});

test('a node with a new address is reached there, under a new certificate', async () => {
  await server.must(['apply', '-f', '-'], { input: JSON.stringify(onHostNetwork()) });
  await server.must(['wait', '--for=condition=Ready', 'pod/host-web', '--timeout=60s']);
  const former = hosts.b.address;
  const next = former.replace(/\d+$/, '77');
  await one.stop();
  await hosts.b.changeAddress([next]);
  await one.restart(['--node-ip', next]);
  await eventually('the Node tells its new address', 30_000, async () =>
    (await jsonpath(['node', 'node-b'], '{.status.addresses[?(@.type=="InternalIP")].address}')) === next
      ? true
      : undefined,
  );
  await eventually('exec reaches it', 60_000, async () =>
    (await server.kubectl(['exec', 'host-web', '--', 'echo', 'there'])).stdout === 'there\n' ? true : undefined,
  );
  await eventually('the EndpointSlice follows', 60_000, async () =>
    (await jsonpath(
      ['endpointslices', '-l', 'kubernetes.io/service-name=host-web'],
      '{.items[*].endpoints[*].addresses[*]}',
    )) === next
      ? true
      : undefined,
  );
  await server.must(['delete', 'pod/host-web', 'service/host-web', '--grace-period=1']);
});

test('a node behind a cut link is lost after the grace period, its pods go elsewhere, and it comes back', async () => {
  await server.must(['create', '-f', '-'], { input: JSON.stringify(impatient()) });
  await server.must(['rollout', 'status', 'deployment/impatient', '--timeout=60s']);
  assert.equal(await jsonpath(['pods', '-l', 'app=impatient'], '{.items[0].spec.nodeName}'), 'node-b');
  await hosts.b.link.cut();
  const began = performance.now();
  await eventually('the node is lost', 90_000, async () =>
    (await condition('node-b')) === 'Unknown' ? true : undefined,
  );
  assert.ok(performance.now() - began > 25_000, 'not before its grace period');
  assert.match(await jsonpath(['node', 'node-b'], '{.spec.taints[*].key}'), /node\.kubernetes\.io\/unreachable/);
  await eventually('its pod is evicted and runs elsewhere', 60_000, async () =>
    /node-a:Running/.test(
      await jsonpath(['pods', '-l', 'app=impatient'], '{range .items[*]}{.spec.nodeName}:{.status.phase} {end}'),
    )
      ? true
      : undefined,
  );
  await hosts.b.link.restore();
  await eventually('the node is back', 90_000, async () => ((await condition('node-b')) === 'True' ? true : undefined));
  await eventually('its taint goes', 30_000, async () =>
    /unreachable/.test(await jsonpath(['node', 'node-b'], '{.spec.taints[*].key}')) ? undefined : true,
  );
  await server.must(['delete', 'deployment', 'impatient']);
});

function onHostNetwork() {
  const metadata = { name: 'host-web', labels: { app: 'host-web' } };
  const container = {
    name: 'c',
    image: 'busybox',
    imagePullPolicy: 'IfNotPresent',
    command: ['httpd', '-f', '-p', '8099'],
    ports: [{ containerPort: 8099 }],
  };
  const spec = { nodeName: 'node-b', hostNetwork: true, terminationGracePeriodSeconds: 1, containers: [container] };
  const service = { selector: { app: 'host-web' }, ports: [{ port: 80, targetPort: 8099 }] };
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'Pod', metadata, spec },
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 'host-web' }, spec: service },
    ],
  };
}

/** One pod that prefers node-b and leaves a lost node after five seconds. */
function impatient() {
  const labels = { app: 'impatient' };
  const tolerations = ['not-ready', 'unreachable'].map((name) => ({
    key: `node.kubernetes.io/${name}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 5,
  }));
  const preference = { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['node-b'] }] };
  const nodeAffinity = { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference }] };
  const container = { name: 'c', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sleep', '100000'] };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'impatient' },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          tolerations: [...tolerations, { key: 'trial', operator: 'Exists' }],
          affinity: { nodeAffinity },
          terminationGracePeriodSeconds: 1,
          containers: [container],
        },
      },
    },
  };
}
