import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../core/clock.ts';
import { errorCode, WherryError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import { tendFormerBridge } from '../engines/cni/network.ts';
import { removeAddress } from '../engines/iproute2/ip.ts';
import { deleteTable } from '../engines/nftables/nft.ts';
import { run } from '../engines/process/run.ts';
import { removeRelays } from '../loadbalancer/layer2/relays.ts';
import { removePodnet } from '../network/podnet/remove.ts';
import { removePolicyRules } from '../network/policy/enforcer.ts';
import { openRuntime } from '../node/container-runtime.ts';
import { createLogLinks } from '../node/pods/log-links.ts';
import { hostRange } from './address-ranges.ts';
import { endBird } from './announcing.ts';
import { endIngress } from './ingress.ts';
import { clusterNames, layer2Table, podNetworkTable, policyTable, serviceTable } from './names.ts';
import type { ServerOptions } from './options.ts';
import { pathsOf } from './paths.ts';
import { podnetFolder } from './pod-network.ts';

/** What a later `reset` must know of how the cluster was started. */
interface Traces {
  readonly clusterDns: readonly string[];
  /** Where the server wrote it; an agent writes none. */
  readonly writeKubeconfig?: string;
}

/** Notes what the start puts outside of the data directory. */
export async function recordTraces(
  options: Pick<ServerOptions, 'dataDir' | 'clusterDns'> & Partial<Pick<ServerOptions, 'writeKubeconfig'>>,
): Promise<void> {
  const file = tracesFile(options.dataDir);
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const { clusterDns, writeKubeconfig } = options;
  const traces: Traces = { clusterDns, ...(writeKubeconfig === undefined ? {} : { writeKubeconfig }) };
  await writeFile(file, `${JSON.stringify(traces)}\n`, { mode: 0o600 });
}

function tracesFile(dataDir: string): string {
  return path.join(pathsOf(dataDir).dataDir, 'server', 'traces.json');
}

/** What the last start noted; null when there was none. */
export async function readTraces(dataDir: string): Promise<Traces | null> {
  try {
    const value: unknown = JSON.parse(await readFile(tracesFile(dataDir), 'utf8'));
    if (!isObject(value)) return null;
    const { clusterDns, writeKubeconfig } = value;
    // A version without dual stack noted one address.
    const addresses = typeof clusterDns === 'string' ? [clusterDns] : clusterDns;
    if (!Array.isArray(addresses) || !addresses.every((one) => typeof one === 'string')) return null;
    return { clusterDns: addresses, ...(typeof writeKubeconfig === 'string' ? { writeKubeconfig } : {}) };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/**
 * Removes everything that Wherry made for the cluster of a data directory, which must not be running: containers, mounts,
 * interfaces, rules, cgroups, logs, the kubeconfig, the data. Can be repeated. Throws WherryError NOT_A_DATA_DIR for a
 * directory that holds something else.
 */
export async function resetCluster(
  dataDir: string,
  environment: { readonly clock: Clock; readonly log: Log },
  say: (what: string) => void,
): Promise<void> {
  const paths = pathsOf(dataDir);
  if (!existsSync(paths.dataDir)) return;
  const known = new Set(['server', 'agent', 'storage', 'wherry.log', 'wherry.sock']);
  const foreign = (await readdir(paths.dataDir)).filter((name) => !known.has(name));
  if (foreign.length > 0) {
    throw new WherryError(
      'NOT_A_DATA_DIR',
      `${paths.dataDir} holds what is not Wherry's: ${foreign.slice(0, 5).join(', ')}`,
      {
        hint: 'move it away, or give the right --data-dir',
      },
    );
  }
  const traces = await readTraces(dataDir);
  const names = clusterNames(dataDir);
  if (existsSync(paths.containerd)) {
    say('containers');
    await removeContainers(paths.agent, paths.cniConfig, names, environment);
  }
  await endIngress({ folder: paths.ingress, runFolder: names.runFolder, ...environment });
  if (existsSync(paths.agent)) await endBird(paths, environment);
  say('mounts');
  await unmountBelow([paths.dataDir, names.runFolder]);
  say('interfaces and rules');
  await tendFormerBridge(path.join(paths.agent, 'cni'), 'always');
  for (const family of ['ip', 'ip6'] as const) await deleteTable(family, serviceTable);
  await removePodnet(podNetworkTable, { folder: podnetFolder(paths), ...environment });
  await removePolicyRules(policyTable);
  await removeRelays(layer2Table);
  for (const address of traces?.clusterDns ?? []) await removeAddress(hostRange(address), 'lo');
  say('control groups');
  await removeCgroups(names.cgroupRoot);
  say('files');
  await removePodLogs(names.podLogs, paths.pods);
  if (names.podLogLinks !== undefined)
    await createLogLinks({ folder: names.podLogLinks, logFolder: names.podLogs }).sweep();
  if (traces?.writeKubeconfig !== undefined) await rm(traces.writeKubeconfig, { force: true });
  await rm(names.runFolder, { recursive: true, force: true });
  await rm(paths.dataDir, { recursive: true, force: true });
}

async function removeContainers(
  folder: string,
  cniConfigFolder: string,
  names: ReturnType<typeof clusterNames>,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<void> {
  const runtime = await openRuntime({
    folder,
    runFolder: names.runFolder,
    cniConfigFolder,
    cgroupRoot: names.cgroupRoot,
    clock,
    log,
  });
  const { items } = await runtime.cri.listPodSandbox({});
  for (const { id } of items) {
    await runtime.cri.stopPodSandbox({ podSandboxId: id });
    await runtime.cri.removePodSandbox({ podSandboxId: id });
  }
  await runtime.stop();
}

/** Unmounts all below some folders, the deepest first, by the kernel's own table. */
async function unmountBelow(folders: readonly string[]): Promise<void> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  const points = table
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    )
    .filter((point) => folders.some((folder) => point.startsWith(`${folder}/`)))
    .sort((a, b) => b.length - a.length);
  for (const point of points) await run('umount', ['--lazy', '--no-mtab', point]);
}

/** Removes the cgroups below a root in every hierarchy; those that still hold processes are reported by the kernel. */
async function removeCgroups(root: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4] ?? '');
  for (const mount of new Set(mounts)) {
    const top = path.join(mount, root);
    if (!existsSync(top)) continue;
    const folders = (await readdir(top, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .sort((a, b) => b.length - a.length);
    for (const folder of [...folders, top]) await rmdir(folder);
  }
}

/** Pod logs bear the pod's uid: those of this cluster's pods go, others stay. */
async function removePodLogs(logFolder: string, podsFolder: string): Promise<void> {
  const list = async (folder: string) =>
    readdir(folder).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    });
  const uids = new Set(await list(podsFolder));
  for (const name of await list(logFolder)) {
    if (uids.has(name.slice(name.lastIndexOf('_') + 1)))
      await rm(path.join(logFolder, name), { recursive: true, force: true });
  }
}
