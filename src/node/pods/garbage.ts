import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from '../../core/errors.ts';
import { isNotFound } from '../../engines/containerd/cri.ts';
import type { PodHost } from './host.ts';
import type { RuntimePod } from './runtime-pod.ts';

/** Instances of one container that are kept: the newest and the one before, whose end and log users ask for. */
const instancesKept = 2;

/** Removes instances and sandboxes of a living pod that nothing shows any more. */
export async function collectInstances(host: PodHost, runtime: RuntimePod): Promise<void> {
  const seen = new Map<string, number>();
  const keptSandboxes = new Set(runtime.sandboxes.slice(0, 1).map(({ id }) => id));
  for (const instance of runtime.containers) {
    const count = (seen.get(instance.name) ?? 0) + 1;
    seen.set(instance.name, count);
    const isKept = count <= instancesKept || instance.state === 'running';
    if (isKept) {
      keptSandboxes.add(instance.sandboxId);
      continue;
    }
    await removeContainer(host, instance.id);
    await removeLog(instance.logPath);
  }
  for (const { id, isReady } of runtime.sandboxes)
    if (!isReady && !keptSandboxes.has(id)) await removeSandbox(host, id);
}

/** Removes all of a pod that is gone; its sandboxes take their containers along. */
export async function removeFromRuntime(host: PodHost, runtime: RuntimePod): Promise<void> {
  for (const { id } of runtime.containers) await removeContainer(host, id);
  for (const { id } of runtime.sandboxes) await removeSandbox(host, id);
}

async function removeContainer(host: PodHost, id: string): Promise<void> {
  try {
    await host.cri.removeContainer({ containerId: id });
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown;
  }
}

async function removeSandbox(host: PodHost, id: string): Promise<void> {
  try {
    // Its removal ends what may still run of it.
    await host.cri.removePodSandbox({ podSandboxId: id });
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown;
  }
}

/** A log with what was rotated out of it. */
async function removeLog(path: string): Promise<void> {
  if (path === '') return;
  try {
    const folder = dirname(path);
    for (const name of await readdir(folder))
      if (name === basename(path) || name.startsWith(`${basename(path)}.`))
        await rm(join(folder, name), { force: true });
  } catch (thrown) {
    if (errorCode(thrown) !== 'ENOENT') throw thrown;
  }
}
