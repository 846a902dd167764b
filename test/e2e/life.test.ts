/** A cluster's life: up, status, kill -9, down, reset; two of them beside each other; and what goes wrong at the start. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { startCluster, type TestCluster } from '../testbed/cluster.ts';
import { imageArchive } from '../testbed/images/images.ts';
import { eventually, runCommand } from '../testbed/kubectl.ts';

const wherry = path.join(import.meta.dirname, '../../wherry');
let cluster: TestCluster;

before(async () => {
  cluster = await startCluster({ name: 'life', images: [await imageArchive('busybox')] });
});
after(() => cluster?.[Symbol.asyncDispose]());

const sleeper = (name: string) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'c', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sleep', '1000000'] }],
    },
  });

function folder(t: TestContext): string {
  const made = mkdtempSync(path.join(tmpdir(), 'wherry-life-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test('status says in plain words what runs', async () => {
  const { status, stdout } = await cluster.wherry(['status']);
  assert.equal(status, 0);
  assert.match(stdout, /^The cluster is running\./);
  for (const part of [
    'Datastore',
    'API server',
    'Controllers',
    'Scheduler',
    'Node',
    'Cluster DNS',
    'Services',
    'Local storage',
  ]) {
    assert.match(stdout, new RegExp(`^ok +${part} `, 'm'));
  }
});

test('after kill -9 every container is adopted and none is restarted', async () => {
  await cluster.must(['create', '-f', '-'], { input: sleeper('survivor') });
  await cluster.must(['wait', '--for=condition=Ready', 'pod/survivor', '--timeout=30s']);
  const identity = () =>
    cluster.must([
      'get',
      'pod',
      'survivor',
      '-o',
      'jsonpath={.metadata.uid} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}',
    ]);
  const before = await identity();
  await cluster.kill();
  await cluster.restart();
  await cluster.must(['wait', '--for=condition=Ready', 'pod/survivor', '--timeout=30s']);
  assert.equal(await identity(), before);
  assert.match(before, / 0$/);
  assert.equal(await cluster.must(['exec', 'survivor', '--', 'echo', 'alive']), 'alive\n');
});

test('a second cluster runs beside the first, and leaves nothing when it is reset', async () => {
  await using second = await startCluster({ name: 'beside', images: [await imageArchive('busybox')] });
  await second.must(['create', '-f', '-'], { input: sleeper('other') });
  await second.must(['wait', '--for=condition=Ready', 'pod/other', '--timeout=30s']);
  assert.equal((await cluster.kubectl(['get', 'pod', 'other'])).status, 1);
  const reset = await second.wherry(['reset', '--yes']);
  assert.equal(reset.status, 0, reset.stderr);
  assert.ok(!existsSync(second.dataDir));
  assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(second.dataDir));
  const links = (await second.inside('ip', ['-brief', 'link'])).stdout;
  assert.doesNotMatch(links, /^(veth|cni)/m);
  assert.equal((await second.inside('nft', ['list', 'table', 'ip', 'wherry'])).status, 1);
  assert.match(await cluster.must(['get', 'pod', 'survivor']), /1\/1 +Running/);
});

test('down stops the pods, and with --keep-pods leaves them running', async () => {
  const container = async () =>
    (
      await cluster.must(['get', 'pod', 'survivor', '-o', 'jsonpath={.status.containerStatuses[0].containerID}'])
    ).trim();
  const first = await container();
  const kept = await cluster.wherry(['down', '--keep-pods']);
  assert.equal(kept.status, 0, kept.stderr);
  assert.equal((await cluster.wherry(['status'])).status, 1);
  await cluster.restart();
  assert.equal(await container(), first);

  const down = await cluster.wherry(['down']);
  assert.equal(down.status, 0, down.stderr);
  assert.match(down.stdout, /stopped/);
  await cluster.restart();
  await eventually('the pod runs in a new container', 60_000, async () => {
    const now = await container();
    return now !== '' && now !== first ? true : undefined;
  });
  await cluster.must(['wait', '--for=condition=Ready', 'pod/survivor', '--timeout=60s']);
});

test('images are imported when their archive appears, listed and removed', async () => {
  const imported = await cluster.wherry(['image', 'import', await imageArchive('nginx')]);
  assert.equal(imported.status, 0, imported.stderr);
  assert.match((await cluster.wherry(['image', 'list'])).stdout, /docker\.io\/library\/nginx:stable-alpine/);
  const removed = await cluster.wherry(['image', 'remove', 'docker.io/library/nginx:stable-alpine']);
  assert.equal(removed.status, 0, removed.stderr);
  const unknown = await cluster.wherry(['image', 'remove', 'nobody/knows:this']);
  assert.equal(unknown.status, 1);
  assert.match(unknown.stderr, /there is no image nobody\/knows:this\nTry: /);
});

const run = (args: readonly string[]) => runCommand(wherry, args);

test('an unknown flag is refused with the nearest match', async () => {
  const { status, stderr } = await run(['server', '--data-dri', '/tmp/x']);
  assert.equal(status, 1);
  assert.match(stderr, /unknown option '--data-dri'\n\(Did you mean --data-dir\?\)/);
});

test('a malformed value, file or unknown option in the file is refused by name', async (t) => {
  const at = folder(t);
  const config = path.join(at, 'config.yaml');
  for (const [text, words] of [
    ['data-dirr: /x\n', /unknown option "data-dirr"\nTry: write data-dir instead/],
    ['a: [\n', /is not YAML/],
    ['cluster-cidr: nonsense\n', /--cluster-cidr: "nonsense" is not a range/],
    ['service-cidr: 10.42.0.0/17\n', /overlaps/],
  ] as const) {
    writeFileSync(config, text);
    const { status, stderr } = await run(['server', '--data-dir', at, '--config', config]);
    assert.equal(status, 1);
    assert.match(stderr, words);
  }
  assert.match((await run(['server', '--config', path.join(at, 'none')])).stderr, /can't be read[\s\S]*Try: /);
});

test('a port in use is told with what to do', async (t) => {
  const at = folder(t);
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '0.0.0.0', resolve));
  t.after(() => holder.close());
  const address = holder.address();
  assert.ok(typeof address === 'object' && address !== null);
  const { status, stderr } = await run([
    'server',
    '--disable-agent',
    ...['--data-dir', path.join(at, 'data'), '--write-kubeconfig', path.join(at, 'k.yaml')],
    ...['--https-listen-port', String(address.port)],
  ]);
  assert.equal(status, 1);
  assert.match(stderr, new RegExp(`port ${address.port} on 0.0.0.0 is in use`));
  assert.match(stderr, /Try: .*--https-listen-port/);
});

test('a second server on the same data directory is refused', async () => {
  const { status, stderr } = await cluster.wherry(['server', '--write-kubeconfig', '/dev/null']);
  assert.equal(status, 1);
  assert.match(stderr, /a server already runs with this data directory/);
});

test('without root the user is told so', async () => {
  const { status, stderr } = await runCommand('setpriv', ['--reuid=65534', '--clear-groups', wherry, 'up']);
  assert.equal(status, 1);
  assert.match(stderr, /needs root[\s\S]*Try: sudo/);
});

test('reset refuses without --yes and in a directory that is not its own', async (t) => {
  const at = folder(t);
  writeFileSync(path.join(at, 'precious'), 'x');
  assert.match(
    (await run(['reset', '--data-dir', at])).stderr,
    /removes the cluster[\s\S]*Try: sudo \.\/wherry reset --yes/,
  );
  assert.match((await run(['reset', '--yes', '--data-dir', at])).stderr, /holds what is not Wherry's: precious/);
  assert.ok(existsSync(path.join(at, 'precious')));
});

test('--no-install refuses and names what is missing', async (t) => {
  const at = folder(t);
  // A PATH on which none of the host programs can be found, but for what the launcher itself needs.
  const environment = { PATH: at };
  for (const name of ['dirname', 'id', 'readlink', 'uname']) {
    writeFileSync(path.join(at, name), `#!/bin/sh\nexec /usr/bin/${name} "$@"\n`, { mode: 0o755 });
  }
  writeFileSync(path.join(at, 'apt-get'), '#!/bin/sh\nexit 99\n', { mode: 0o755 });
  const { status, stderr } = await runCommand('/bin/sh', [wherry, 'up', '--no-install'], { environment });
  assert.equal(status, 1);
  assert.match(stderr, /missing packages:.*containerd[\s\S]*Try: apt-get install/);
});
