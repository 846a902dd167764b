import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type NodeApi, startApi } from '../../../test/component/node-api.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLog } from '../../core/log.ts';
import { bindMount, mountFileSystem, unmount } from '../../engines/mount/mount.ts';
import { mountsBelow, readMounts } from '../../engines/mount/mountinfo.ts';
import { configmaps, persistentvolumeclaims, persistentvolumes, secrets, services } from '../../kube/resources.gen.ts';
import type { ConfigMap, Container, Pod, Volume } from '../../kube/types.gen.ts';
import { createEnvironmentResolver } from '../environment/resolver.ts';
import type { VolumeSet } from '../volume-set.ts';
import { createVolumeSet } from './volumes.ts';

interface World {
  readonly api: NodeApi;
  readonly folder: string;
  readonly podsFolder: string;
  readonly volumes: VolumeSet;
  readonly events: string[];
  again(): VolumeSet;
}

const signal = AbortSignal.timeout(60_000);

async function world(t: TestContext): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-volumes-'));
  const api = await startApi(join(folder, 'db'), silentLog);
  const podsFolder = join(folder, 'pods');
  const events: string[] = [];
  const record = (_pod: Pod, type: string, reason: string, message: string) =>
    events.push(`${type} ${reason} ${message}`);
  const made: VolumeSet[] = [];
  const again = () => {
    const set = createVolumeSet({
      podsFolder,
      client: api.client,
      clock: systemClock,
      log: silentLog,
      events: { pod: record, container: () => {} },
      allocatable: () => ({ memory: '1Gi', cpu: '2' }),
    });
    made.push(set);
    return set;
  };
  t.after(async () => {
    for (const set of made) await set[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
    for (const { mountPoint } of mountsBelow(await readMounts(), folder)) await unmount(mountPoint);
    await rm(folder, { recursive: true, force: true });
  });
  return { api, folder, podsFolder, volumes: again(), events, again };
}

function podWith(
  volumes: readonly Volume[],
  more: Partial<Pod['spec']> & object = {},
  mounts?: Container['volumeMounts'],
): Pod {
  const volumeMounts = mounts ?? volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'test', uid: 'uid-1', labels: { app: 'web' } },
    spec: { nodeName: 'n', containers: [{ name: 'c', image: 'x', volumeMounts }], volumes, ...more },
  };
}

const containerOf = (pod: Pod): Container => pod.spec?.containers[0] ?? { name: 'none' };

async function hostPaths(set: VolumeSet, pod: Pod): Promise<Readonly<Record<string, string>>> {
  await set.prepare(pod, signal);
  const mounts = await set.mounts(pod, containerOf(pod), [], signal);
  return Object.fromEntries(mounts.map(({ containerPath, hostPath }) => [containerPath.slice(1), hostPath]));
}

async function eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(20_000);
  while (!(await condition().catch(() => false))) {
    if (deadline.aborted) throw new Error(`not in time: ${what}`);
    await systemClock.sleep(5);
  }
}

const configMap = (name: string, data: Record<string, string>, more: Partial<ConfigMap> = {}): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'test' },
  data,
  ...more,
});

test('emptyDir on disk and in memory: bounded, for the group, there until the pod goes, cleaned by a later process', async (t) => {
  const { volumes, again, podsFolder } = await world(t);
  const pod = podWith(
    [
      { name: 'disk', emptyDir: {} },
      { name: 'ram', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    ],
    { securityContext: { fsGroup: 4242 } },
  );
  const paths = await hostPaths(volumes, pod);
  const [disk = '', ram = ''] = [paths.disk, paths.ram];
  assert.equal(disk, join(podsFolder, 'uid-1/volumes/kubernetes.io~empty-dir/disk'));
  for (const path of [disk, ram]) {
    const { mode, gid } = await stat(path);
    assert.equal(gid, 4242);
    assert.equal(mode & 0o7777, 0o2777);
  }
  await assert.rejects(writeFile(join(ram, 'big'), Buffer.alloc(2 << 20)), /ENOSPC/);
  await writeFile(join(disk, 'file'), 'kept');
  await volumes.prepare({ ...pod }, signal);
  assert.equal(mountsBelow(await readMounts(), podsFolder).length, 1);
  assert.equal(await readFile(join(disk, 'file'), 'utf8'), 'kept');
  const later = again();
  assert.deepEqual(await later.podUids(), ['uid-1']);
  await later.cleanup('uid-1');
  await later.cleanup('uid-1');
  assert.deepEqual(await later.podUids(), []);
  assert.equal(mountsBelow(await readMounts(), podsFolder).length, 0);
});

test('the folder of written volumes belongs to the group, with all that is in it', async (t) => {
  const { volumes } = await world(t);
  const items = [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }];
  const pod = podWith([{ name: 'words', downwardAPI: { items } }], { securityContext: { fsGroup: 4242 } });
  const { words = '' } = await hostPaths(volumes, pod);
  for (const path of [words, join(words, 'name')]) assert.equal((await stat(path)).gid, 4242, path);
});

test('a ConfigMap volume waits for its object, follows it within a second, and stops at optional keys', async (t) => {
  const { api, volumes, events } = await world(t);
  const pod = podWith([{ name: 'config', configMap: { name: 'web', defaultMode: 0o440 } }]);
  await assert.rejects(
    volumes.prepare(pod, signal),
    /^TransientError: MountVolume.SetUp failed for volume "config" : configmap "web" not found$/,
  );
  const bytes = Buffer.from([0, 255, 1]);
  const made = await api.client.create(
    configmaps,
    configMap('web', { a: '1', gone: 'x' }, { binaryData: { bin: bytes.toString('base64') } }),
  );
  const { config = '' } = await hostPaths(volumes, pod);
  assert.equal(await readFile(join(config, 'a'), 'utf8'), '1');
  assert.deepEqual(await readFile(join(config, 'bin')), bytes);
  assert.equal((await stat(join(config, 'a'))).mode & 0o777, 0o440);
  const changedAt = performance.now();
  await api.client.update(configmaps, { ...made, data: { a: '2', b: '3' } });
  await eventually('the new content is there', async () => (await readFile(join(config, 'a'), 'utf8')) === '2');
  assert.ok(performance.now() - changedAt < 1000);
  await eventually('the removed key is gone', async () =>
    stat(join(config, 'gone')).then(
      () => false,
      () => true,
    ),
  );
  await api.client.delete(configmaps, { namespace: 'test', name: 'web' });
  await eventually('the loss is told', async () => events.some((event) => event.includes('configmap "web" not found')));
  assert.equal(await readFile(join(config, 'b'), 'utf8'), '3');
});

test('items choose keys, paths and modes; a key that is missing is named; optional sources may be absent', async (t) => {
  const { api, volumes } = await world(t);
  await api.client.create(secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's', namespace: 'test' },
    data: { key: Buffer.from('geheim').toString('base64') },
  });
  const items = [{ key: 'key', path: 'deep/er/file', mode: 0o400 }];
  const pod = podWith([
    { name: 'secret', secret: { secretName: 's', items } },
    { name: 'none', configMap: { name: 'not-there', optional: true } },
  ]);
  const { secret = '', none = '' } = await hostPaths(volumes, pod);
  assert.equal(await readFile(join(secret, 'deep/er/file'), 'utf8'), 'geheim');
  assert.equal((await stat(join(secret, 'deep/er/file'))).mode & 0o777, 0o400);
  assert.ok((await readMounts()).some(({ mountPoint, fileSystem }) => mountPoint === secret && fileSystem === 'tmpfs'));
  assert.ok((await stat(none)).isDirectory());
  await api.client.create(configmaps, configMap('not-there', { late: 'yes' }));
  await eventually('the optional source appears', async () => (await readFile(join(none, 'late'), 'utf8')) === 'yes');
  const wrong = { ...podWith([{ name: 'secret', secret: { secretName: 's', items: [{ key: 'nope', path: 'x' }] } }]) };
  const other = { ...wrong, metadata: { ...wrong.metadata, uid: 'uid-2' } };
  await assert.rejects(volumes.prepare(other, signal), /references non-existent secret key: nope/);
});

test('downward API files follow the pod', async (t) => {
  const { volumes } = await world(t);
  const items = [
    { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
    { path: 'memory', resourceFieldRef: { containerName: 'c', resource: 'limits.memory', divisor: '1Mi' } },
  ];
  const pod = podWith([{ name: 'info', downwardAPI: { items } }]);
  const { info = '' } = await hostPaths(volumes, pod);
  assert.equal(await readFile(join(info, 'labels'), 'utf8'), 'app="web"');
  assert.equal(await readFile(join(info, 'memory'), 'utf8'), '1024');
  await volumes.prepare({ ...pod, metadata: { ...pod.metadata, labels: { app: 'db' } } }, signal);
  assert.equal(await readFile(join(info, 'labels'), 'utf8'), 'app="db"');
});

test('hostPath types are checked with words that name the path', async (t) => {
  const { volumes, folder } = await world(t);
  await writeFile(join(folder, 'file'), '');
  const prepare = (type: string, path: string) =>
    volumes.prepare(podWith([{ name: 'h', hostPath: { path, type } }]), signal);
  await prepare('DirectoryOrCreate', join(folder, 'a/b'));
  await prepare('FileOrCreate', join(folder, 'a/f'));
  assert.ok((await stat(join(folder, 'a/f'))).isFile());
  await prepare('CharDevice', '/dev/null');
  await prepare('', join(folder, 'not/there'));
  const refusals = {
    Directory: 'a directory',
    DirectoryOrCreate: 'a directory',
    Socket: 'a socket file',
    BlockDevice: 'a block device',
  };
  for (const [type, what] of Object.entries(refusals))
    await assert.rejects(
      prepare(type, join(folder, 'file')),
      new RegExp(`hostPath type check failed: ${folder}/file is not ${what}`),
    );
  await assert.rejects(prepare('File', join(folder, 'none')), /is not a file/);
});

test('a claim waits until it is bound, then shows its directory, read-only where asked, and cleanup spares it', async (t) => {
  const { api, volumes, folder, podsFolder } = await world(t);
  const data = join(folder, 'data');
  await mkdir(join(data, 'inner'), { recursive: true });
  await writeFile(join(data, 'precious'), 'mine');
  const pod = podWith([{ name: 'v', persistentVolumeClaim: { claimName: 'claim', readOnly: true } }]);
  const words = /error processing PVC test\/claim: /;
  await assert.rejects(volumes.prepare(pod, signal), words);
  const claim = await api.client.create(persistentvolumeclaims, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'claim', namespace: 'test' },
    spec: {
      accessModes: ['ReadWriteOnce'],
      volumeName: 'pv',
      resources: { requests: { storage: '1Gi' } },
      storageClassName: '',
    },
  });
  await assert.rejects(volumes.prepare(pod, signal), /: PVC is not bound$/);
  await api.client.create(persistentvolumes, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'pv' },
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '1Gi' },
      claimRef: { namespace: 'test', name: 'claim', ...(claim.metadata.uid ? { uid: claim.metadata.uid } : {}) },
      local: { path: data },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'Exists' }] }],
        },
      },
    },
  });
  await api.client.update(persistentvolumeclaims, { ...claim, status: { phase: 'Bound' } }, { subresource: 'status' });
  const { v = '' } = await hostPaths(volumes, pod);
  assert.equal(v, join(podsFolder, 'uid-1/volumes/kubernetes.io~local-volume/pv'));
  assert.equal(await readFile(join(v, 'precious'), 'utf8'), 'mine');
  await assert.rejects(writeFile(join(v, 'new'), ''), /EROFS/);
  assert.equal((await volumes.mounts(pod, containerOf(pod), [], signal))[0]?.readOnly, true);
  await volumes.cleanup('uid-1');
  assert.equal(await readFile(join(data, 'precious'), 'utf8'), 'mine');
});

test('cleanup takes off what a pod mounted deeper in, and never removes through a mount or a link', async (t) => {
  const { volumes, folder, podsFolder } = await world(t);
  const { d = '' } = await hostPaths(volumes, podWith([{ name: 'd', emptyDir: {} }]));
  const outside = join(folder, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'precious'), 'mine');
  for (const name of ['bound', 'ram with space']) await mkdir(join(d, name));
  await bindMount(outside, join(d, 'bound'));
  await mountFileSystem('tmpfs', 'tmpfs', join(d, 'ram with space'), []);
  await symlink(outside, join(d, 'link'));
  await volumes.cleanup('uid-1');
  assert.equal(await readFile(join(outside, 'precious'), 'utf8'), 'mine');
  await assert.rejects(stat(join(podsFolder, 'uid-1/volumes')));
});

test('volumes of kinds that this node does not have are refused for good, with what is missing', async (t) => {
  const { volumes } = await world(t);
  const refuse = (volume: Volume) =>
    assert.rejects(volumes.prepare(podWith([volume]), signal), { name: 'TerminalError' });
  await refuse({ name: 'x', csi: { driver: 'd' } });
  await refuse({ name: 'x', image: { reference: 'r' } });
  await refuse({ name: 'x', iscsi: { iqn: 'i', lun: 0, targetPortal: 't' } });
});

test('an NFS volume that can not be mounted names what is missing, and what to do', async (t) => {
  const { volumes } = await world(t);
  const pod = podWith([{ name: 'n', nfs: { server: 'nowhere.invalid', path: '/export' } }]);
  const words =
    /volume "n" : (this node's kernel lacks an NFS v4 client .* \(run the pod on|the NFS server nowhere.invalid has no address)/;
  await assert.rejects(volumes.prepare(pod, signal), words);
});

test('subPath and subPathExpr bind inside the volume; a bad one leaves the container waiting', async (t) => {
  const { volumes } = await world(t);
  const mounts = [
    { name: 'd', mountPath: '/a', subPath: 'one/two' },
    { name: 'd', mountPath: '/b', subPathExpr: '$(POD)/x', readOnly: true },
  ];
  const pod = podWith([{ name: 'd', emptyDir: {} }], {}, mounts);
  await volumes.prepare(pod, signal);
  const [a, b] = await volumes.mounts(pod, containerOf(pod), [{ name: 'POD', value: 'p-0' }], signal);
  assert.match(a?.hostPath ?? '', /volume-subpaths\/d\/c\/0$/);
  assert.deepEqual([b?.readOnly, b?.containerPath], [true, '/b']);
  await assert.rejects(volumes.mounts(pod, containerOf(pod), [], signal), {
    code: 'CONTAINER_CONFIG',
    message: 'missing value for "POD"',
  });
  await volumes.cleanup('uid-1');
});

test('a container gets its variables from all sources, in order', async (t) => {
  const { api, podsFolder } = await world(t);
  await api.client.create(configmaps, configMap('web', { a: '1', B: 'from-map' }));
  const list = api.informers.of(services);
  const resolver = createEnvironmentResolver({
    client: api.client,
    services: list,
    clock: systemClock,
    allocatable: () => ({}),
    podsFolder,
  });
  const pod = podWith([]);
  const resolve = async (container: Partial<Container>) => {
    const variables = await resolver.resolve(
      pod,
      { name: 'c', ...container },
      { podIPs: ['10.0.0.5'], hostIPs: ['192.0.2.1'] },
    );
    return Object.fromEntries(variables.map(({ name, value }) => [name, value]));
  };
  const values = await resolve({
    envFrom: [
      { configMapRef: { name: 'web' }, prefix: 'X_' },
      { configMapRef: { name: 'web' } },
      { secretRef: { name: 'none', optional: true } },
    ],
    env: [
      { name: 'B', value: 'own' },
      { name: 'C', value: '$(B)-$(X_a)-$(nope)' },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'OPT', valueFrom: { configMapKeyRef: { name: 'web', key: 'zzz', optional: true } } },
    ],
  });
  assert.deepEqual(values, { X_a: '1', X_B: 'from-map', a: '1', B: 'own', C: 'own-1-$(nope)', IP: '10.0.0.5' });
  const missing = [{ name: 'M', valueFrom: { secretKeyRef: { name: 'none', key: 'k' } } }];
  await assert.rejects(resolve({ env: missing }), { code: 'CONTAINER_CONFIG', message: 'secret "none" not found' });
  const key = [{ name: 'M', valueFrom: { configMapKeyRef: { name: 'web', key: 'k' } } }];
  await assert.rejects(resolve({ env: key }), { message: "couldn't find key k in ConfigMap test/web" });
});
