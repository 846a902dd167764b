import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { identify } from './node-id.ts';
import { resolveNodeSettings } from './node-options.ts';
import type { RawOptions } from './option-values.ts';

test('labels and taints are read as k3s and kubectl write them', () => {
  const { nodeLabels, nodeTaints, podsMax } = resolveNodeSettings({
    'node-label': ['disk=ssd,room=', 'topology.kubernetes.io/zone=shed', 'node.kubernetes.io/big=yes'],
    'node-taint': ['dedicated=db:NoSchedule', 'slow:PreferNoSchedule'],
    'kubelet-arg': 'max-pods=200',
  });
  assert.deepEqual(nodeLabels, {
    disk: 'ssd',
    room: '',
    'topology.kubernetes.io/zone': 'shed',
    'node.kubernetes.io/big': 'yes',
  });
  assert.deepEqual(nodeTaints, [
    { key: 'dedicated', value: 'db', effect: 'NoSchedule' },
    { key: 'slow', effect: 'PreferNoSchedule' },
  ]);
  assert.equal(podsMax, 200);
});

for (const [raw, message] of [
  [{ 'node-label': 'a b=c' }, /--node-label: "a b=c" is no label/],
  [{ 'node-label': 'a=b=c' }, /more than one =/],
  [{ 'node-label': 'node-role.kubernetes.io/control-plane=true' }, /a node may not give itself the label node-role/],
  [{ 'node-label': 'example.k8s.io/x=y' }, /a node may not give itself/],
  [{ 'node-taint': 'a=b' }, /--node-taint: "a=b" is no taint/],
  [{ 'node-taint': 'a=b:Never' }, /its effect is none of NoSchedule/],
  [{ 'kubelet-arg': 'v=5' }, /--kubelet-arg: "v" has no meaning here/],
  [{ 'kubelet-arg': 'max-pods=none' }, /"none" is out of bounds/],
] as const satisfies readonly (readonly [RawOptions, RegExp])[]) {
  test(`${JSON.stringify(raw)} is refused`, () => {
    assert.throws(() => resolveNodeSettings(raw), { code: 'INVALID_OPTION', message });
  });
}

test('a node with an id keeps its name from start to start, and no other machine has it', async (t) => {
  const folders = ['a', 'b'].map((name) => mkdtempSync(path.join(tmpdir(), `wherry-id-${name}-`)));
  t.after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
  const [first = '', second = ''] = folders;
  const nameIn = async (dataDir: string, withNodeId = true) =>
    (await identify({ dataDir, nodeName: 'pi', withNodeId })).nodeName;
  const name = await nameIn(first);
  assert.match(name, /^pi-[0-9a-f]{8}$/);
  assert.equal(await nameIn(first), name);
  assert.notEqual(await nameIn(second), name);
  assert.equal(await nameIn(first, false), 'pi');
});
