import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { pods } from '../../src/kube/resources.gen.ts';
import { standardParts } from '../../src/node/standard-parts.ts';
import { startNode } from './node-harness.ts';

async function containerdPid(folder: string): Promise<number> {
  return Number(await readFile(join(folder, 'agent', 'containerd', 'containerd.pid'), 'utf8'));
}

test('after kill -9 running containers are adopted, and after that of containerd they run on', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-node-'));
  const child = spawn(process.execPath, [join(import.meta.dirname, 'node-adoption-child.ts'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    const ids: string[] = JSON.parse(String(line));
    assert.equal(ids.length, 2);
    const pid = await containerdPid(folder);
    child.kill('SIGKILL');
    await once(child, 'exit');

    await using node = await startNode(standardParts, { folder });
    assert.equal(await containerdPid(folder), pid);
    const { client } = node.api;
    const kept = await node.until('kept', 'it is seen', (pod) => pod !== undefined);
    // Whatever the new agent does to its pods, it does before it has ended one of them.
    await client.delete(pods, { namespace: node.namespace, name: 'removed' });
    await node.until('removed', 'it is gone', (pod) => pod === undefined);
    const [status] = kept?.status?.containerStatuses ?? [];
    const now = (await client.get(pods, { namespace: node.namespace, name: 'kept' })).status?.containerStatuses?.[0];
    assert.equal(now?.containerID, ids[0]);
    assert.equal(now?.restartCount, 0);
    assert.deepEqual(now?.state, status?.state);

    process.kill(pid, 'SIGKILL');
    await node.create('later', {
      restartPolicy: 'Never',
      containers: [{ name: 'main', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['true'] }],
    });
    await node.until('later', 'it has succeeded', (pod) => pod?.status?.phase === 'Succeeded');
    assert.notEqual(await containerdPid(folder), pid);
    const after = (await client.get(pods, { namespace: node.namespace, name: 'kept' })).status?.containerStatuses?.[0];
    assert.equal(after?.containerID, ids[0]);
    assert.equal(after?.restartCount, 0);
    assert(after?.state?.running !== undefined);
  } finally {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
});
