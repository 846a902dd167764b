import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../core/errors.ts';
import { CommandError, run } from '../process/run.ts';
import { cgroupVersion } from './file-system.ts';
import {
  type CgroupLimits,
  cpuPeriodUs,
  type PodCgroup,
  type PodCgroups,
  type QosClass,
  qosClasses,
  weightOfShares,
} from './pod-cgroups.ts';
import { readUsage } from './usage.ts';

const mountPoint = '/sys/fs/cgroup';

/**
 * Pod cgroups as systemd slices, for containerd's systemd driver: systemd owns the tree, so it is asked rather than
 * written past. `root` is the slice's name without its suffix, e.g. `kubepods`. Dashes separate the levels of a slice's
 * path (systemd.slice(5)), so those of a uid become underscores.
 */
export async function createSystemdCgroups(root: string): Promise<PodCgroups> {
  const version = await cgroupVersion();
  const folderOf = (slice: string, controller: string) =>
    join(mountPoint, version === 2 ? '' : controller, slicePath(slice));

  async function start(slice: string): Promise<void> {
    await run('systemctl', ['start', slice]);
  }

  return {
    version,
    async prepare() {
      for (const qos of qosClasses) await start(classSlice(root, qos));
    },
    parentOf: (pod) => podSlice(root, pod),
    async apply(pod, limits) {
      const slice = podSlice(root, pod);
      await start(slice);
      await run('systemctl', ['set-property', '--runtime', slice, ...sliceProperties(limits, version)]);
    },
    async remove(pod) {
      const slice = podSlice(root, pod);
      try {
        await run('systemctl', ['stop', slice]);
      } catch (thrown) {
        if (!(thrown instanceof CommandError) || !/not loaded|not found/i.test(thrown.stderr)) throw thrown;
      }
      // What set-property wrote.
      await rm(`/run/systemd/system.control/${slice}.d`, { recursive: true, force: true });
    },
    async list() {
      const pods: PodCgroup[] = [];
      for (const qos of qosClasses) {
        const slice = classSlice(root, qos);
        const prefix = `${slice.slice(0, -'.slice'.length)}-pod`;
        for (const name of await folders(folderOf(slice, 'memory'))) {
          if (!name.startsWith(prefix) || !name.endsWith('.slice')) continue;
          pods.push({ uid: name.slice(prefix.length, -'.slice'.length).replaceAll('_', '-'), qos });
        }
      }
      return pods;
    },
    usage: (pod) => readUsage(version, (controller) => folderOf(podSlice(root, pod), controller)),
    nodeUsage: () => readUsage(version, (controller) => join(mountPoint, version === 2 ? '' : controller)),
  };
}

/** `kubepods-burstable-pod1234_5678.slice`. */
export function podSlice(root: string, pod: PodCgroup): string {
  return `${classSlice(root, pod.qos).slice(0, -'.slice'.length)}-pod${pod.uid.replaceAll('-', '_')}.slice`;
}

function classSlice(root: string, qos: QosClass): string {
  return qos === 'Guaranteed' ? `${root}.slice` : `${root}-${qos.toLowerCase()}.slice`;
}

/** Where systemd puts a slice: `a-b.slice` is `/a.slice/a-b.slice`. */
export function slicePath(slice: string): string {
  const parts = slice.slice(0, -'.slice'.length).split('-');
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('-')}.slice`).join('');
}

/** systemd.resource-control(5) settings; an empty value takes a bound away. */
export function sliceProperties(limits: CgroupLimits, version: 1 | 2): readonly string[] {
  const quota = limits.cpuQuotaUs === undefined ? '' : `${Math.ceil((limits.cpuQuotaUs * 100) / cpuPeriodUs)}%`;
  const memory = String(limits.memoryBytes ?? 'infinity');
  return [
    version === 2 ? `CPUWeight=${weightOfShares(limits.cpuShares)}` : `CPUShares=${limits.cpuShares}`,
    `CPUQuota=${quota}`,
    version === 2 ? `MemoryMax=${memory}` : `MemoryLimit=${memory}`,
    `TasksMax=${limits.processes ?? 'infinity'}`,
  ];
}

async function folders(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}
