import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../kube/types.gen.ts';
import { defaultNode, parseConfig, pathsOfNode } from './config.ts';
import { makeDirectory, removeDirectory } from './directories.ts';
import { defaultConfigMap, localPathClass } from './objects.ts';
import { expandPathPattern } from './path-pattern.ts';
import { asksForLocalPath, planProvision, planRemoval, provisionerName, whyNever } from './plan.ts';

const node = { name: 'n1', hostname: 'host1' };
const config = parseConfig(defaultConfigMap('/srv/volumes').data?.['config.json'] ?? '', 'local-path');

function claim(
  more: { spec?: PersistentVolumeClaim['spec']; annotations?: Record<string, string> } = {},
): PersistentVolumeClaim {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: 'data',
      namespace: 'shop',
      uid: 'u-1',
      labels: { tier: 'db' },
      annotations: {
        'volume.kubernetes.io/storage-provisioner': provisionerName,
        'volume.kubernetes.io/selected-node': 'n1',
        ...more.annotations,
      },
    },
    spec: {
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'local-path',
      resources: { requests: { storage: '2Gi' } },
      ...more.spec,
    },
    status: { phase: 'Pending' },
  };
}
const classWith = (parameters: Record<string, string>): StorageClass => ({ ...localPathClass, parameters });

test('a claim gets a directory named after volume, namespace and claim, and a volume bound to its node', () => {
  const plan = planProvision(claim(), localPathClass, config, node);
  assert.equal(plan?.directory, '/srv/volumes/pvc-u-1_shop_data');
  assert.deepEqual(plan?.volume.spec?.hostPath, { path: plan?.directory, type: 'DirectoryOrCreate' });
  assert.equal(plan?.volume.spec?.persistentVolumeReclaimPolicy, 'Delete');
  assert.deepEqual(plan?.volume.spec?.nodeAffinity?.required?.nodeSelectorTerms[0]?.matchExpressions?.[0]?.values, [
    'host1',
  ]);
});

test('a claim waits for its pod, for the controller that asks, and for its own node', () => {
  assert.equal(
    planProvision(claim({ annotations: { 'volume.kubernetes.io/selected-node': 'n2' } }), localPathClass, config, node),
    null,
  );
  const unasked = {
    ...claim(),
    metadata: { ...claim().metadata, annotations: { 'volume.kubernetes.io/selected-node': 'n1' } },
  };
  assert.equal(planProvision(unasked, localPathClass, config, node), null);
  const unselected = {
    ...claim(),
    metadata: { ...claim().metadata, annotations: { 'volume.kubernetes.io/storage-provisioner': provisionerName } },
  };
  assert.equal(planProvision(unselected, localPathClass, config, node), null);
  assert.equal(asksForLocalPath(claim(), { ...localPathClass, provisioner: 'other' }), false);
});

test('what can never work is said with the reason', () => {
  assert.match(
    whyNever(claim({ spec: { accessModes: ['ReadWriteMany'] } }), false) ?? '',
    /only supports ReadWriteOnce.*ReadWriteMany/,
  );
  assert.equal(whyNever(claim({ spec: { accessModes: ['ReadWriteMany'] } }), true), undefined);
  assert.match(whyNever(claim({ spec: { volumeMode: 'Block' } }), false) ?? '', /directories/);
});

test('an immediate class without a node is a configuration error', () => {
  const unselected = {
    ...claim(),
    metadata: { ...claim().metadata, annotations: { 'volume.kubernetes.io/storage-provisioner': provisionerName } },
  };
  assert.throws(
    () => planProvision(unselected, { ...localPathClass, volumeBindingMode: 'Immediate' }, config, node),
    /no node was specified/,
  );
});

test('nodePathMap decides by node, and a class may name one of its paths', () => {
  const map = parseConfig(
    JSON.stringify({
      nodePathMap: [
        { node: defaultNode, paths: ['/a'] },
        { node: 'n1', paths: ['/b', '/c/'] },
        { node: 'n3', paths: [] },
      ],
    }),
    'x',
  );
  assert.deepEqual(pathsOfNode(map, 'n1'), ['/b', '/c']);
  assert.deepEqual(pathsOfNode(map, 'n2'), ['/a']);
  assert.equal(planProvision(claim(), classWith({ nodePath: '/c' }), map, node)?.basePath, '/c');
  assert.throws(
    () => planProvision(claim(), classWith({ nodePath: '/d' }), map, node),
    /doesn't contain path \/d on node n1/,
  );
  const there = claim({ annotations: { 'volume.kubernetes.io/selected-node': 'n3' } });
  assert.throws(
    () => planProvision(there, localPathClass, map, { name: 'n3', hostname: 'n3' }),
    /doesn't contain path on node n3/,
  );
});

test('volumeType comes from the claim, then from the class', () => {
  assert.ok(
    planProvision(claim({ annotations: { volumeType: 'local' } }), localPathClass, config, node)?.volume.spec?.local,
  );
  const classLocal = {
    ...localPathClass,
    metadata: { ...localPathClass.metadata, annotations: { defaultVolumeType: 'local' } },
  };
  assert.ok(planProvision(claim(), classLocal, config, node)?.volume.spec?.local);
  assert.throws(
    () => planProvision(claim({ annotations: { volumeType: 'nfs' } }), localPathClass, config, node),
    /neither/,
  );
});

test('a shared file system serves ReadWriteMany and ties the volume to no node', () => {
  const shared = parseConfig('{"sharedFileSystemPath":"/mnt/shared"}', 'local-path');
  const plan = planProvision(claim({ spec: { accessModes: ['ReadWriteMany'] } }), localPathClass, shared, node);
  assert.equal(plan?.basePath, '/mnt/shared');
  assert.equal(plan?.volume.spec?.nodeAffinity, undefined);
});

test('a malformed configuration is refused by the name of its member', () => {
  for (const [text, words] of [
    ['{', /not JSON/],
    ['[]', /not an object/],
    ['{"nodePathMap":{}}', /nodePathMap is not a list/],
    ['{"nodePathMap":[{"node":1}]}', /nodePathMap\[0\]\.node is not a text/],
    ['{"nodePathMap":[{"node":"a","paths":["x"]}]}', /paths\[0\] is not an absolute path/],
    ['{"nodePathMap":[{"node":"a","paths":["/"]}]}', /root directory/],
    ['{"nodePathMap":[{"node":"a"},{"node":"a"}]}', /listed twice/],
    ['{"nodePathMap":[{"node":"a"}],"sharedFileSystemPath":"/x"}', /both given/],
  ] as const) {
    assert.throws(() => parseConfig(text, 'local-path'), words);
  }
});

test('a path pattern is expanded from the claim and never leaves the base path', () => {
  const expand = (pattern: string) =>
    expandPathPattern(pattern, 'pvc-1', claim({ annotations: { 'a/b': 'x', up: '../..' } }));
  assert.equal(expand('{{ .PVC.Namespace }}/{{ .PVC.Name }}'), 'shop/data');
  assert.equal(expand('{{.PVName}}-{{ .PVC.Labels.tier }}-{{ index .PVC.Annotations "a/b" }}'), 'pvc-1-db-x');
  for (const pattern of [
    '..',
    '../{{ .PVC.Name }}',
    '/etc',
    '.',
    '{{ .PVC.Annotations.up }}',
    'a/../../b',
    '{{ .PVC.Labels.none }}',
    '{{ .Other }}',
  ]) {
    assert.throws(() => expand(pattern), /pathPattern/, pattern);
  }
});

function folder(t: TestContext): string {
  const base = mkdtempSync(path.join(tmpdir(), 'wherry-localpath-'));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  return base;
}

test('a directory is made open to every user, and removed with all in it', async (t) => {
  const base = folder(t);
  const directory = path.join(base, 'shop/data');
  await makeDirectory(base, directory);
  assert.equal(statSync(directory).mode & 0o777, 0o777);
  writeFileSync(path.join(directory, 'file'), 'x');
  await removeDirectory(base, directory);
  assert.equal(existsSync(directory), false);
  await removeDirectory(base, directory);
});

test('symbolic links are neither followed out of the base path nor when removing', async (t) => {
  const base = folder(t);
  const elsewhere = folder(t);
  writeFileSync(path.join(elsewhere, 'precious'), 'x');
  symlinkSync(elsewhere, path.join(base, 'link'));
  await assert.rejects(makeDirectory(base, path.join(base, 'link/sub')), /not below/);
  await assert.rejects(removeDirectory(base, path.join(base, 'link/precious')), /not below/);
  await assert.rejects(removeDirectory(base, base), /not below/);
  mkdirSync(path.join(base, 'v'));
  symlinkSync(elsewhere, path.join(base, 'v/link'));
  await removeDirectory(base, path.join(base, 'v'));
  assert.ok(existsSync(path.join(elsewhere, 'precious')));
});

test('only released volumes of this node, of ours and with policy Delete are removed', () => {
  const made = planProvision(claim(), localPathClass, config, node)?.volume;
  assert.ok(made);
  const released: PersistentVolume = { ...made, status: { phase: 'Released' } };
  assert.deepEqual(planRemoval(released, node), {
    basePath: '/srv/volumes',
    directory: '/srv/volumes/pvc-u-1_shop_data',
  });
  assert.equal(planRemoval({ ...made, status: { phase: 'Bound' } }, node), null);
  assert.equal(planRemoval(released, { name: 'n2', hostname: 'host2' }), null);
  assert.equal(
    planRemoval({ ...released, spec: { ...released.spec, persistentVolumeReclaimPolicy: 'Retain' } }, node),
    null,
  );
  assert.equal(planRemoval({ ...released, metadata: { name: 'x' } }, node), null);
});
