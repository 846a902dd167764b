import { readdir, readFile, statfs } from 'node:fs/promises';
import { availableParallelism, freemem, release, totalmem } from 'node:os';
import { errorCode } from '../../core/errors.ts';
import { goArchitecture } from '../../engines/containerd/pause-image.ts';

/** What the machine is: does not change while it runs. */
export interface MachineFacts {
  readonly architecture: string;
  readonly kernelVersion: string;
  readonly osImage: string;
  readonly machineId: string;
  readonly systemUuid: string;
  readonly bootId: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly swapBytes: number;
  /** Hugepages reserved, bytes by size as Kubernetes names it (`2Mi`). */
  readonly hugepages: Readonly<Record<string, number>>;
  readonly processesMax: number;
}

/** How much of the machine is in use at a moment. */
export interface MachineUse {
  readonly memoryAvailableBytes: number;
  readonly disk: DiskUse;
  readonly processes: number;
}

export interface DiskUse {
  readonly capacityBytes: number;
  readonly availableBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
}

export async function observeMachine(): Promise<MachineFacts> {
  const machineId = await readText('/etc/machine-id');
  const uuid = await readText('/sys/class/dmi/id/product_uuid');
  const osRelease = (await readText('/etc/os-release')) || (await readText('/usr/lib/os-release'));
  const memory = parseMeminfo(await readText('/proc/meminfo'));
  return {
    architecture: goArchitecture(process.arch),
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? 'Linux',
    machineId,
    systemUuid: uuid.toLowerCase() || machineId,
    bootId: await readText('/proc/sys/kernel/random/boot_id'),
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    swapBytes: memory.get('SwapTotal') ?? 0,
    hugepages: await hugepages(),
    processesMax: Number(await readText('/proc/sys/kernel/pid_max')),
  };
}

/** `folder` lies on the file system that holds images, volumes and logs. */
export async function observeUse(folder: string): Promise<MachineUse> {
  const memory = parseMeminfo(await readText('/proc/meminfo'));
  const processes = /^\S+ \S+ \S+ \d+\/(\d+)/.exec(await readText('/proc/loadavg'));
  return {
    memoryAvailableBytes: memory.get('MemAvailable') ?? freemem(),
    disk: await diskUse(folder),
    processes: Number(processes?.[1] ?? 0),
  };
}

export async function diskUse(folder: string): Promise<DiskUse> {
  const stat = await statfs(folder);
  return {
    capacityBytes: stat.blocks * stat.bsize,
    availableBytes: stat.bavail * stat.bsize,
    inodes: stat.files,
    inodesFree: stat.ffree,
  };
}

async function hugepages(): Promise<Readonly<Record<string, number>>> {
  const base = '/sys/kernel/mm/hugepages';
  const sizes = await readdir(base).catch(() => []);
  const entries = await Promise.all(
    sizes.map(async (name) => {
      const kilobytes = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0);
      const count = Number(await readText(`${base}/${name}/nr_hugepages`));
      const label = kilobytes >= 1048576 ? `${kilobytes / 1048576}Gi` : `${kilobytes / 1024}Mi`;
      return [label, count * kilobytes * 1024] as const;
    }),
  );
  return Object.fromEntries(entries);
}

/** Bytes by name. */
function parseMeminfo(text: string): ReadonlyMap<string, number> {
  const lines = [...text.matchAll(/^(\w+):\s+(\d+) kB$/gm)];
  return new Map(lines.map(([, name = '', value]) => [name, Number(value) * 1024]));
}

async function readText(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (thrown) {
    // Not every machine has DMI tables, and only root reads the product's uuid.
    if (['ENOENT', 'EACCES', 'EIO'].includes(errorCode(thrown) ?? '')) return '';
    throw thrown;
  }
}
