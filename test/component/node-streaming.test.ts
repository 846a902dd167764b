import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { createNodeConnector } from '../../src/apiserver/streaming/node-connector.ts';
import { addStreamingSubresources } from '../../src/apiserver/streaming/streaming.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { configmaps, pods, secrets } from '../../src/kube/resources.gen.ts';
import type { Container, Pod } from '../../src/kube/types.gen.ts';
import { standardParts } from '../../src/node/standard-parts.ts';
import { createNodeAccess } from '../../src/node/streaming/access.ts';
import { createNodeListener, type NodeListener } from '../../src/node/streaming/listener.ts';
import { createStreamingServer } from '../../src/node/streaming/server.ts';
import { ensureNodePki, ensurePki } from '../../src/server/pki/pki.ts';
import { channels, encodeChannelMessage } from '../../src/wire/websocket-channels.ts';
import { eventually, type KubectlVersion, kubectlPath, runCommand } from '../testbed/kubectl.ts';
import { adminToken } from './node-api.ts';
import { type NodeHarness, nodeName, startNode } from './node-harness.ts';

let node: NodeHarness;
let listener: NodeListener;
let folder: string;
let nodePort: number;
let apiPort: number;
/** Whether the API server reaches the node inside the process or over HTTPS. */
let isLocal = false;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wherry-streaming-'));
  const nowMs = Date.now();
  const pki = await ensurePki({
    directory: join(folder, 'pki'),
    nowMs,
    subjectAltNames: ['127.0.0.1'],
    serviceAddresses: ['10.43.0.1'],
    clusterDomain: 'cluster.local',
  } as never);
  const own = await ensureNodePki(pki, {
    directory: join(folder, 'node'),
    name: nodeName,
    addresses: ['127.0.0.1'],
    nowMs,
  });
  const tls = { cert: pki.apiServer.certificate, key: pki.apiServer.key };
  node = await startNode(standardParts, { tls: tls });
  const streaming = createStreamingServer({
    directory: () => node.agent.directory,
    cri: () => node.agent.cri,
    stats: () => node.agent.stats,
    clock: systemClock,
    log: silentLog,
  });
  listener = createNodeListener({
    streaming,
    access: createNodeAccess(node.api.client, nodeName, systemClock),
    tls: {
      cert: own.serving.certificate,
      key: own.serving.key,
      clientCa: pki.clientAuthority.certificate,
    },
    log: silentLog,
  });
  nodePort = await listener.listen('127.0.0.1', 0);
  const { server } = node.api;
  addStreamingSubresources(server.subresources, {
    reader: {
      // The harness' node has an address that leads nowhere; the listener is on this machine.
      ...server.reader,
      get: (resource, key) => {
        const found = server.reader.get(resource, key);
        if (resource.plural !== 'nodes' || found === undefined) return found;
        const status = {
          addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
          daemonEndpoints: { kubeletEndpoint: { Port: nodePort } },
        };
        return { ...found, status } as typeof found;
      },
      list: (resource, namespace) => server.reader.list(resource, namespace),
      subscribe: (resource, handler) => server.reader.subscribe(resource, handler),
    },
    nodes: createNodeConnector({
      tls: () => ({
        cert: pki.apiServerClient.certificate,
        key: pki.apiServerClient.key,
        ca: pki.serverAuthority.certificate,
      }),
      local: () => (isLocal ? listener.connect() : undefined),
    }),
    security: {
      authenticators: [],
      authorizers: [{ authorize: async () => ({ allowed: true, reason: '' }) }],
      admission: [],
    },
  });
  apiPort = await server.listen('127.0.0.1', 0);
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: `https://127.0.0.1:${apiPort}`, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: { token: adminToken } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: node.namespace } }],
    'current-context': 'x',
  };
  await writeFile(join(folder, 'config'), JSON.stringify(kubeconfig));
});
after(async () => {
  await listener?.[Symbol.asyncDispose]();
  await node?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const environment = () => ({ KUBECONFIG: join(folder, 'config'), KUBECACHEDIR: join(folder, 'cache') });
const dialects = { '1.36': {}, '1.30': { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' } };
const kubectl = (version: KubectlVersion, args: readonly string[], input?: string) =>
  runCommand(kubectlPath(version), args, {
    environment: { ...environment(), ...dialects[version] },
    timeoutMs: 30_000,
    ...(input === undefined ? {} : { input }),
  });

const sh = (name: string, script: string, more: Partial<Container> = {}): Container => ({
  name,
  image: 'busybox',
  imagePullPolicy: 'IfNotPresent',
  command: ['sh', '-c', `trap "exit 0" TERM; ${script}`],
  ...more,
});
const forever = 'while :; do sleep 0.1; done';
const isReady = (pod: Pod | undefined) => pod?.status?.containerStatuses?.every(({ ready }) => ready) === true;

async function running(name: string, containers: readonly Container[], more: object = {}): Promise<void> {
  await node.create(name, { containers, ...more });
  await node.until(name, 'the pod is ready', isReady);
}

// kubectl 1.36 speaks WebSocket; 1.30 is told to speak SPDY, as older ones do.
for (const version of ['1.36', '1.30'] as const) {
  test(`kubectl ${version} execs: output, errors, input to its end, exit status`, async () => {
    const name = `exec-${version.replace('.', '')}`;
    await running(name, [sh('main', forever)]);
    for (const local of [false, true]) {
      isLocal = local;
      const plain = await kubectl(version, ['exec', name, '--', 'sh', '-c', 'echo out; echo err >&2; exit 7']);
      assert.deepEqual([plain.stdout, plain.status], ['out\n', 7], plain.stderr);
      assert.match(plain.stderr, /^err\n/);
      const text = 'line\n'.repeat(100_000);
      const piped = await kubectl(version, ['exec', '-i', name, '--', 'sh', '-c', 'wc -c; echo done'], text);
      assert.deepEqual([piped.stdout.trim(), piped.status], [`${text.length}\ndone`, 0], piped.stderr);
      const large = await kubectl(version, ['exec', name, '--', 'sh', '-c', 'head -c 3000000 /dev/zero']);
      assert.equal(large.stdout.length, 3_000_000);
    }
    const refused = await kubectl(version, ['exec', name, '-c', 'nope', '--', 'ls']);
    assert.match(refused.stderr, /container nope is not valid for pod/);
  });

  test(`kubectl ${version} forwards ports`, async (t) => {
    const name = `port-${version.replace('.', '')}`;
    await running(name, [sh('main', `while :; do echo hello | nc -l -p 8080; done`)]);
    const child = spawn(kubectlPath(version), ['port-forward', `pod/${name}`, ':8080'], {
      env: { ...process.env, ...environment() },
    });
    t.after(() => end(child));
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1]);
    const answers = await Promise.all(
      [0].map(() => eventually('an answer', 20_000, async () => (await ask(port)) || undefined)),
    );
    assert.deepEqual(answers, ['hello\n']);
  });
}

async function ask(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    if (text.endsWith('\n')) break;
  }
  return text;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('kubectl attach shows what a container writes from then on, and gives it input', async () => {
  await running(
    'attached',
    [
      sh('main', 'while read line; do echo "got $line"; [ "$line" = end ] && exit 0; done', {
        stdin: true,
        stdinOnce: true,
      }),
    ],
    {
      restartPolicy: 'Never',
    },
  );
  const { stdout } = await kubectl('1.36', ['attach', '-i', 'attached'], 'one\nend\n');
  assert.match(stdout, /got one\ngot end/);
});

test('logs: all, tail, limit, timestamps, previous, follow to the end of the container', async () => {
  const script =
    'for i in 1 2 3; do echo line $i; echo err $i >&2; done; until [ -e /tmp/go ]; do sleep 0.05; done; echo last; exit 0';
  await running('talker', [sh('main', script)], { restartPolicy: 'Never' });
  const logs = async (...args: string[]) => (await kubectl('1.36', ['logs', 'talker', ...args])).stdout;
  assert.deepEqual((await logs()).trim().split('\n').sort(), ['err 1', 'err 2', 'err 3', 'line 1', 'line 2', 'line 3']);
  assert.equal((await logs('--tail=2')).trim().split('\n').length, 2);
  assert.equal(await logs('--tail=0'), '');
  assert.equal((await logs('--limit-bytes=4')).length, 4);
  assert.match(await logs('--timestamps', '--tail=1'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /);
  assert.equal(await logs('--since-time=2100-01-01T00:00:00Z'), '');
  const followed = kubectl('1.36', ['logs', '-f', 'talker', '--tail=1']);
  await kubectl('1.36', ['exec', 'talker', '--', 'touch', '/tmp/go']);
  assert.match((await followed).stdout, /\nlast\n$/);
  const previous = await kubectl('1.36', ['logs', '-p', 'talker']);
  assert.match(previous.stderr, /previous terminated container "main" in pod "talker" not found/);
});

test('volumes, environment, probes and hooks work in real containers; a changed ConfigMap arrives', async () => {
  const { client } = node.api;
  const namespace = node.namespace;
  const map = await client.create(configmaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'cfg', namespace },
    data: { key: 'one' },
  });
  await client.create(secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'sec', namespace },
    data: { password: Buffer.from('geheim').toString('base64') },
  });
  await node.create(
    'whole-parts',
    {
      securityContext: { fsGroup: 2000 },
      volumes: [
        { name: 'cfg', configMap: { name: 'cfg' } },
        { name: 'ram', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
        { name: 'work', emptyDir: {} },
      ],
      containers: [
        sh('main', `echo hooked > /scratch/hello; ${forever}`, {
          env: [
            { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'sec', key: 'password' } } },
            { name: 'GREETING', value: 'hi $(PASSWORD)' },
            { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          ],
          volumeMounts: [
            { name: 'cfg', mountPath: '/cfg' },
            { name: 'cfg', mountPath: '/one-file', subPath: 'key' },
            { name: 'ram', mountPath: '/ram' },
            { name: 'work', mountPath: '/scratch', subPathExpr: 'sub/$(PASSWORD)' },
          ],
          lifecycle: { postStart: { exec: { command: ['sh', '-c', 'echo post > /ram/hook'] } } },
          readinessProbe: { exec: { command: ['test', '-e', '/scratch/hello'] }, periodSeconds: 1 },
        }),
      ],
    },
    {},
  );
  const pod = await node.until('whole-parts', 'the pod is ready', isReady);
  const run = async (command: string) =>
    (await kubectl('1.36', ['exec', 'whole-parts', '--', 'sh', '-c', command])).stdout.trim();
  assert.equal(await run('echo $GREETING $IP'), `hi geheim ${pod?.status?.podIP}`);
  assert.equal(await run('cat /cfg/key /one-file /ram/hook /scratch/hello'), 'oneonepost\nhooked');
  assert.match(await run('stat -c %g /ram; mount | grep " /ram "'), /^2000\n.*tmpfs.*size=1024k/);
  await client.update(configmaps, { ...map, data: { key: 'two' } });
  await eventually('the new content', 5000, async () => ((await run('cat /cfg/key')) === 'two' ? true : undefined));
  assert.equal(await run('cat /one-file'), 'one');
  await client.delete(pods, { namespace, name: 'whole-parts' });
  await node.until('whole-parts', 'the pod is gone', (found) => found === undefined);
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  assert.equal(mounts.includes(`${node.folder}/agent/pods/${pod?.metadata.uid}`), false);
});

test('a terminal gets its size over WebSocket, and v5 closes input', async (t) => {
  await running('terminal', [sh('main', forever)]);
  const open = async (query: string) => {
    const url = `wss://127.0.0.1:${apiPort}/api/v1/namespaces/${node.namespace}/pods/terminal/exec?${query}`;
    const headers = { authorization: `Bearer ${adminToken}` };
    const socket = new WebSocket(url, ['v5.channel.k8s.io'], { headers, rejectUnauthorized: false });
    t.after(() => socket.terminate());
    const seen = { text: '', status: '' };
    socket.on('message', (data: Buffer) => {
      if (data[0] === channels.stdout) seen.text += data.toString('utf8', 1);
      if (data[0] === channels.error) seen.status += data.toString('utf8', 1);
    });
    await once(socket, 'open');
    return { socket, seen };
  };
  const terminal = await open('stdin=true&stdout=true&tty=true&command=sh');
  terminal.socket.send(encodeChannelMessage(channels.resize, Buffer.from('{"Width":101,"Height":33}')));
  await eventually('the size is known', 20_000, async () => {
    terminal.socket.send(encodeChannelMessage(channels.stdin, Buffer.from('stty size\n')));
    await systemClock.sleep(50);
    return terminal.seen.text.includes('33 101') || undefined;
  });
  const input = await open('stdin=true&stdout=true&command=cat');
  input.socket.send(encodeChannelMessage(channels.stdin, Buffer.from('all of it')));
  input.socket.send(Buffer.from([255, channels.stdin]));
  const [code] = (await once(input.socket, 'close')) as [number];
  assert.deepEqual([code, input.seen.text, JSON.parse(input.seen.status).status], [1000, 'all of it', 'Success']);
});

test('a client that reads nothing holds the command up, not the memory', async (t) => {
  await running('flood', [sh('main', forever)]);
  const url = `wss://127.0.0.1:${apiPort}/api/v1/namespaces/${node.namespace}/pods/flood/exec?stdout=true&command=cat&command=/dev/zero`;
  const headers = { authorization: `Bearer ${adminToken}` };
  const socket = new WebSocket(url, ['v5.channel.k8s.io'], { headers, rejectUnauthorized: false });
  t.after(() => socket.terminate());
  await once(socket, 'message');
  socket.pause();
  let before = -1;
  // Memory settles once all buffers on the way are full.
  await eventually('memory settles', 20_000, async () => {
    const { arrayBuffers, external } = process.memoryUsage();
    const isSettled = Math.abs(arrayBuffers + external - before) < 4 << 20;
    before = arrayBuffers + external;
    await systemClock.sleep(300);
    return isSettled || undefined;
  });
  assert.ok(before < 300 << 20, `${before} bytes`);
});

test('requests are proxied to pods', async () => {
  await running('web', [sh('main', 'mkdir /www; echo "hello web" > /www/index.html; httpd -f -p 8080 -h /www')]);
  const get = (path: string) =>
    kubectl('1.36', ['get', '--raw', `/api/v1/namespaces/${node.namespace}/pods/web:8080/proxy${path}`]);
  await eventually('the pod answers', 20_000, async () =>
    (await get('/index.html')).stdout === 'hello web\n' ? true : undefined,
  );
  assert.match((await get('/none')).stderr, /could not find the requested resource|404/);
});

test('a new agent takes running pods over: ready all the time, volumes kept current, and a failing liveness probe restarts', async () => {
  const { client, informers } = node.api;
  const namespace = node.namespace;
  const metadata = { name: 'adopted', namespace };
  const map = await client.create(configmaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { key: 'one' } });
  const probe = { exec: { command: ['cat', '/cfg/key'] }, periodSeconds: 1 };
  const liveness = { exec: { command: ['test', '!', '-e', '/tmp/sick'] }, periodSeconds: 1, failureThreshold: 1 };
  await running(
    'adopted',
    [
      sh('main', forever, {
        readinessProbe: probe,
        livenessProbe: liveness,
        volumeMounts: [{ name: 'cfg', mountPath: '/cfg' }],
      }),
    ],
    {
      volumes: [{ name: 'cfg', configMap: { name: 'adopted' } }],
    },
  );
  let flaps = 0;
  using _watch = informers.of(pods).subscribe(({ key, current }) => {
    if (key === `${namespace}/adopted` && !isReady(current)) flaps += 1;
  });
  await node.restartAgent();
  await client.update(configmaps, { ...map, data: { key: 'two' } });
  await eventually('the new content', 10_000, async () => {
    const { stdout } = await kubectl('1.36', ['exec', 'adopted', '--', 'cat', '/cfg/key']);
    return stdout === 'two' || undefined;
  });
  assert.equal(flaps, 0);
  await kubectl('1.36', ['exec', 'adopted', '--', 'touch', '/tmp/sick']);
  const pod = await node.until(
    'adopted',
    'the container was restarted',
    (found) => found?.status?.containerStatuses?.[0]?.restartCount === 1 && isReady(found),
  );
  assert.equal(pod?.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 0);
  const told = await eventually('the event', 10_000, async () =>
    (await node.eventsOf('adopted')).find(({ reason }) => reason === 'Unhealthy'),
  );
  assert.match(told.message ?? '', /^Liveness probe failed: /);
});

test('the node refuses those who are nobody, and proxies for the administrator', async () => {
  const { stdout, status } = await kubectl('1.36', ['get', '--raw', `/api/v1/nodes/${nodeName}/proxy/stats/summary`]);
  assert.equal(status, 0);
  assert.equal(JSON.parse(stdout).node.nodeName, nodeName);
  for (const path of ['/pods', '/containerLogs/test/p/c', '/nothing'])
    assert.equal(await statusWithoutCredentials(path), 401);
});

function statusWithoutCredentials(path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: nodePort, path, rejectUnauthorized: false, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .once('error', reject)
      .end();
  });
}
