import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { errorCode, TerminalError, TransientError } from '../../core/errors.ts';
import {
  type CgroupLimits,
  type CgroupUsage,
  classFolder,
  cpuPeriodUs,
  type PodCgroup,
  type PodCgroups,
  qosClasses,
  weightOfShares,
} from './pod-cgroups.ts';
import { readUsage } from './usage.ts';

const mountPoint = '/sys/fs/cgroup';
/** Controllers that pods can't do without, and those used where they are. */
const neededControllers = ['cpu', 'memory'];
const usefulControllers = ['pids', 'cpuset', 'io', 'hugetlb'];
/** Milliseconds that killed processes get to leave a cgroup. */
const killTimeoutMs = 5000;

export interface FileCgroupsOptions {
  /** Path below the mount point, e.g. `/kubepods`; clusters beside each other have different ones. */
  readonly root: string;
  readonly clock: Clock;
}

/** Which version governs this machine: 2 only where the unified hierarchy is the one at /sys/fs/cgroup. */
export async function cgroupVersion(): Promise<1 | 2> {
  return (await exists(join(mountPoint, 'cgroup.controllers'))) ? 2 : 1;
}

/** Pod cgroups by mkdir and write, for containerd's cgroupfs driver. */
export async function createFileCgroups(options: FileCgroupsOptions): Promise<PodCgroups> {
  const { root, clock } = options;
  const version = await cgroupVersion();
  const pathOf = (pod: PodCgroup) => `${root}${classFolder(pod.qos)}/pod${pod.uid}`;
  /** A cgroup's folder for one controller; v2 has one for all. */
  const folderOf = (path: string, controller: string) =>
    version === 2 ? join(mountPoint, path) : join(mountPoint, controller, path);

  /** v1: every hierarchy that is mounted, as runc makes its containers' cgroups in all of them. */
  async function hierarchies(): Promise<readonly string[]> {
    if (version === 2) return [''];
    const folders = await readdir(mountPoint, { withFileTypes: true });
    return folders.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  }

  async function make(path: string): Promise<void> {
    if (version === 2) {
      await makeUnified(path);
      return;
    }
    for (const controller of [...neededControllers, ...usefulControllers.slice(0, 1)])
      if (await exists(join(mountPoint, controller))) await mkdir(folderOf(path, controller), { recursive: true });
  }

  async function makeUnified(path: string): Promise<void> {
    const folder = join(mountPoint, path);
    if (path !== '/') await makeUnified(dirname(path));
    await mkdir(folder, { recursive: true });
    const available = words(await readFile(join(folder, 'cgroup.controllers'), 'utf8'));
    const enabled = words(await readFile(join(folder, 'cgroup.subtree_control'), 'utf8'));
    const wanted = [...neededControllers, ...usefulControllers];
    const missing = wanted.filter((name) => available.includes(name) && !enabled.includes(name));
    if (missing.length > 0)
      await writeFile(join(folder, 'cgroup.subtree_control'), missing.map((name) => `+${name}`).join(' '));
  }

  async function applyV1(path: string, limits: CgroupLimits): Promise<void> {
    const cpu = folderOf(path, 'cpu');
    await writeFile(join(cpu, 'cpu.shares'), String(limits.cpuShares));
    if (await exists(join(cpu, 'cpu.cfs_quota_us'))) {
      await writeFile(join(cpu, 'cpu.cfs_period_us'), String(cpuPeriodUs));
      await writeFile(join(cpu, 'cpu.cfs_quota_us'), String(limits.cpuQuotaUs ?? -1));
    }
    await writeFile(join(folderOf(path, 'memory'), 'memory.limit_in_bytes'), String(limits.memoryBytes ?? -1));
    const pids = join(folderOf(path, 'pids'), 'pids.max');
    if (await exists(pids)) await writeFile(pids, String(limits.processes ?? 'max'));
  }

  async function applyV2(path: string, limits: CgroupLimits): Promise<void> {
    const folder = folderOf(path, '');
    await writeFile(join(folder, 'cpu.weight'), String(weightOfShares(limits.cpuShares)));
    await writeFile(join(folder, 'cpu.max'), `${limits.cpuQuotaUs ?? 'max'} ${cpuPeriodUs}`);
    await writeFile(join(folder, 'memory.max'), String(limits.memoryBytes ?? 'max'));
    if (await exists(join(folder, 'pids.max')))
      await writeFile(join(folder, 'pids.max'), String(limits.processes ?? 'max'));
  }

  /** Removes a cgroup with those below it. Its processes are killed until it is empty or the time is over. */
  async function removeFolder(folder: string): Promise<void> {
    const deadline = clock.monotonic() + killTimeoutMs;
    for (const child of await subfolders(folder)) await removeFolder(join(folder, child));
    for (;;) {
      try {
        await rmdir(folder);
        return;
      } catch (cause) {
        if (errorCode(cause) === 'ENOENT') return;
        if (errorCode(cause) !== 'EBUSY') throw cause;
        if (clock.monotonic() > deadline)
          throw new TransientError('CGROUP_BUSY', `processes stay in the cgroup ${folder}`, { cause });
      }
      for (const pid of words(await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => ''))) kill(Number(pid));
      await clock.sleep(10);
    }
  }

  return {
    version,
    async prepare() {
      for (const controller of neededControllers) {
        const has =
          version === 2
            ? words(await readFile(join(mountPoint, 'cgroup.controllers'), 'utf8')).includes(controller)
            : await exists(join(mountPoint, controller));
        if (!has)
          throw new TerminalError('CGROUP_CONTROLLER', `the kernel offers no ${controller} cgroup controller`, {
            hint:
              controller === 'memory'
                ? 'add cgroup_enable=memory to the kernel command line and reboot'
                : `use a kernel with the ${controller} controller`,
          });
      }
      for (const qos of qosClasses) await make(`${root}${classFolder(qos)}`);
    },
    parentOf: pathOf,
    async apply(pod, limits) {
      const path = pathOf(pod);
      await make(path);
      await (version === 2 ? applyV2(path, limits) : applyV1(path, limits));
    },
    async remove(pod) {
      for (const hierarchy of await hierarchies()) await removeFolder(folderOf(pathOf(pod), hierarchy));
    },
    async list() {
      const pods: PodCgroup[] = [];
      for (const qos of qosClasses) {
        const names = await subfolders(folderOf(`${root}${classFolder(qos)}`, 'memory'));
        for (const name of names) if (name.startsWith('pod')) pods.push({ uid: name.slice(3), qos });
      }
      return pods;
    },
    usage: (pod) => readUsage(version, (controller) => folderOf(pathOf(pod), controller)),
    nodeUsage: (): Promise<CgroupUsage | undefined> => readUsage(version, (controller) => folderOf('/', controller)),
  };
}

async function subfolders(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

function kill(pid: number): void {
  try {
    if (pid > 1) process.kill(pid, 'SIGKILL');
  } catch (thrown) {
    if (errorCode(thrown) !== 'ESRCH') throw thrown;
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
