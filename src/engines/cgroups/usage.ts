import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../core/errors.ts';
import type { CgroupUsage } from './pod-cgroups.ts';

/** Reads what a cgroup has used; undefined when it is gone. `folderOf` gives its folder for a controller (v1) or at all (v2). */
export async function readUsage(
  version: 1 | 2,
  folderOf: (controller: string) => string,
): Promise<CgroupUsage | undefined> {
  try {
    return await (version === 2 ? readV2(folderOf('')) : readV1(folderOf));
  } catch (thrown) {
    // ENODEV: the cgroup was removed while its file was open.
    if (errorCode(thrown) === 'ENOENT' || errorCode(thrown) === 'ENODEV') return undefined;
    throw thrown;
  }
}

async function readV1(folderOf: (controller: string) => string): Promise<CgroupUsage> {
  const [cpu, usage, stat, processes] = await Promise.all([
    readNumber(join(folderOf('cpuacct'), 'cpuacct.usage')),
    readNumber(join(folderOf('memory'), 'memory.usage_in_bytes')),
    readTable(join(folderOf('memory'), 'memory.stat')),
    readOptionalNumber(join(folderOf('pids'), 'pids.current')),
  ]);
  return {
    cpuNanoseconds: cpu,
    memoryBytes: usage,
    workingSetBytes: Math.max(0, usage - (stat.get('total_inactive_file') ?? 0)),
    rssBytes: stat.get('total_rss') ?? 0,
    pageFaults: stat.get('total_pgfault') ?? 0,
    majorPageFaults: stat.get('total_pgmajfault') ?? 0,
    processes,
  };
}

async function readV2(folder: string): Promise<CgroupUsage> {
  const [cpu, stat, current, processes] = await Promise.all([
    readTable(join(folder, 'cpu.stat')),
    readTable(join(folder, 'memory.stat')),
    readOptionalNumber(join(folder, 'memory.current')),
    readOptionalNumber(join(folder, 'pids.current')),
  ]);
  // The root cgroup has no memory.current: the sum of its parts stands for it.
  const usage = current ?? (stat.get('anon') ?? 0) + (stat.get('file') ?? 0) + (stat.get('kernel') ?? 0);
  return {
    cpuNanoseconds: (cpu.get('usage_usec') ?? 0) * 1000,
    memoryBytes: usage,
    workingSetBytes: Math.max(0, usage - (stat.get('inactive_file') ?? 0)),
    rssBytes: stat.get('anon') ?? 0,
    pageFaults: stat.get('pgfault') ?? 0,
    majorPageFaults: stat.get('pgmajfault') ?? 0,
    processes,
  };
}

async function readNumber(path: string): Promise<number> {
  return Number((await readFile(path, 'utf8')).trim());
}

async function readOptionalNumber(path: string): Promise<number | undefined> {
  try {
    return await readNumber(path);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}

async function readTable(path: string): Promise<ReadonlyMap<string, number>> {
  const lines = (await readFile(path, 'utf8')).split('\n');
  return new Map(
    lines.flatMap((line) => {
      const [name, value] = line.split(' ');
      return name && value ? [[name, Number(value)] as const] : [];
    }),
  );
}
