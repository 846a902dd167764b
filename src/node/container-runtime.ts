import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { errorCode, TransientError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import { createFileCgroups } from '../engines/cgroups/file-system.ts';
import type { PodCgroups } from '../engines/cgroups/pod-cgroups.ts';
import { createSystemdCgroups } from '../engines/cgroups/systemd.ts';
import { linkedPrograms } from '../engines/cni/foreign.ts';
import { findPluginFolder } from '../engines/cni/network.ts';
import { type Cri, connectCri } from '../engines/containerd/cri.ts';
import { type ContainerdDaemon, createContainerdDaemon } from '../engines/containerd/daemon.ts';
import { endpointPath, probeEndpoint, type RuntimeVersion } from '../engines/containerd/endpoint.ts';
import { observeHost } from '../engines/containerd/host.ts';
import { importImages } from '../engines/containerd/images.ts';
import { goArchitecture, pauseImageArchive, pauseImageName } from '../engines/containerd/pause-image.ts';
import { noRegistries, parseRegistries } from '../engines/containerd/registries.ts';

export interface ContainerRuntimeOptions {
  /** `<data-dir>/agent`. */
  readonly folder: string;
  /** For sockets and containerd's volatile state, e.g. `/run/wherry/<cluster>`; gone after a reboot. */
  readonly runFolder: string;
  readonly cniConfigFolder: string;
  /** A runtime that somebody else runs, instead of our own containerd. */
  readonly endpoint?: string;
  /** registries.yaml; read when it is there. */
  readonly registriesFile?: string;
  /** Of the pod cgroups, e.g. `/kubepods`. */
  readonly cgroupRoot: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** The node's container runtime, answering, with its cgroups and the pause image in place. */
export interface ContainerRuntime {
  readonly cri: Cri;
  readonly version: RuntimeVersion;
  readonly cgroups: PodCgroups;
  /** The image of pod sandboxes; undefined when the runtime does not tell. */
  readonly sandboxImage: string | undefined;
  /** Imports an image archive; resolves with the images' names. */
  importImages(path: string, signal?: AbortSignal): Promise<readonly string[]>;
  /** Why overlayfs is not used; null where it is. */
  readonly overlayProblem: string | null;
  /** Lets go of it: containerd and all containers run on. */
  release(): Promise<void>;
  /** Ends containerd too, when it is our own. */
  stop(): Promise<void>;
}

/** Milliseconds that the runtime gets to list an image after its import. */
const listTimeoutMs = 10_000;

/** Starts our own containerd, or connects to the one given. Throws WherryError that says what is missing. */
export async function openRuntime(options: ContainerRuntimeOptions): Promise<ContainerRuntime> {
  const { clock, log } = options;
  const host = await observeHost(join(options.folder, 'containerd'));
  const snapshotter = host.overlayProblem === null ? 'overlayfs' : 'native';
  if (host.overlayProblem !== null && options.endpoint === undefined)
    log.warn('overlayfs does not work here; images take more disk space', { error: host.overlayProblem });
  const daemon = options.endpoint === undefined ? await startDaemon(options, host, snapshotter) : null;
  const address = daemon?.address ?? endpointPath(options.endpoint ?? '');
  const version = await probeEndpoint(address);
  const cri = connectCri(address);
  const cgroups = host.systemdRuns
    ? await createSystemdCgroups(options.cgroupRoot.replace(/^\//, '').replaceAll('/', '-'))
    : await createFileCgroups({ root: options.cgroupRoot, clock });
  await cgroups.prepare();
  const importFrom = (path: string, signal?: AbortSignal) =>
    importImages({ address, snapshotter, path, ...(signal === undefined ? {} : { signal }) });
  const sandboxImage = daemon === null ? await configuredSandboxImage(cri) : pauseImageName;
  if (sandboxImage !== undefined) await ensurePauseImage(cri, sandboxImage, options, importFrom);
  return {
    cri,
    version,
    cgroups,
    sandboxImage,
    importImages: importFrom,
    overlayProblem: host.overlayProblem,
    async release() {
      cri.close();
      await daemon?.release();
    },
    async stop() {
      cri.close();
      await daemon?.stop();
    },
  };
}

async function startDaemon(
  options: ContainerRuntimeOptions,
  host: Awaited<ReturnType<typeof observeHost>>,
  snapshotter: 'overlayfs' | 'native',
): Promise<ContainerdDaemon> {
  const folder = join(options.folder, 'containerd');
  const state = join(options.runFolder, 'containerd');
  const registries = await readRegistries(options.registriesFile);
  // There for a node whose network is an add-on's.
  const linked = linkedPrograms(join(options.folder, 'cni'));
  const daemon = createContainerdDaemon({
    containerd: {
      root: join(folder, 'root'),
      state,
      address: join(options.runFolder, 'containerd.sock'),
      sandboxImage: pauseImageName,
      snapshotter,
      systemdCgroup: host.systemdRuns,
      restrictOomScoreAdj: !host.canLowerOomScore,
      cniConfigFolder: options.cniConfigFolder,
      cniPluginFolder: existsSync(linked) ? linked : await findPluginFolder(),
      registryHostsFolder: join(folder, 'certs.d'),
      registryAuths: registries.auths,
    },
    registries,
    folder,
    clock: options.clock,
    log: options.log,
  });
  await daemon.start();
  return daemon;
}

async function readRegistries(path: string | undefined) {
  if (path === undefined) return noRegistries;
  try {
    return parseRegistries(await readFile(path, 'utf8'));
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return noRegistries;
    throw thrown;
  }
}

/** What image a containerd that somebody else configured uses for sandboxes; other runtimes don't tell and don't need it. */
async function configuredSandboxImage(cri: Cri): Promise<string | undefined> {
  const { info } = await cri.status({ verbose: true });
  const config: unknown = JSON.parse(info['config'] ?? 'null');
  const image = isObject(config) ? config['sandboxImage'] : undefined;
  return typeof image === 'string' && image !== '' ? image : undefined;
}

async function ensurePauseImage(
  cri: Cri,
  name: string,
  options: ContainerRuntimeOptions,
  importFrom: (path: string) => Promise<readonly string[]>,
): Promise<void> {
  const isThere = async () => (await cri.imageStatus({ image: { image: name } })).image !== undefined;
  if (await isThere()) return;
  const path = join(options.folder, 'containerd', 'pause.tar');
  await mkdir(join(options.folder, 'containerd'), { recursive: true });
  await writeFile(path, pauseImageArchive(goArchitecture(process.arch), name));
  await importFrom(path);
  await rm(path);
  // The runtime's list of images follows containerd's events, a moment later.
  const deadline = options.clock.monotonic() + listTimeoutMs;
  while (!(await isThere())) {
    if (options.clock.monotonic() > deadline)
      throw new TransientError('PAUSE_IMAGE', `the runtime does not list ${name} after its import`);
    await options.clock.sleep(10);
  }
}
