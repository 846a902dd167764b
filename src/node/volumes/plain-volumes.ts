import { chmod, lstat, mkdir, stat } from 'node:fs/promises';
import { errorCode, TerminalError, TransientError } from '../../core/errors.ts';
import { bindMount, mountFileSystem, mountNfs } from '../../engines/mount/mount.ts';
import { readMounts } from '../../engines/mount/mountinfo.ts';
import { parseQuantity, quantityValue } from '../../kube/quantity.ts';
import type { EmptyDirVolumeSource, NFSVolumeSource, PersistentVolume, Pod } from '../../kube/types.gen.ts';
import { podLimits } from '../pods/resources.ts';
import type { MountableVolume } from './container-mounts.ts';
import { checkHostPath } from './host-path.ts';
import { giveToGroup, ownershipOf } from './ownership.ts';

/** Whether something is mounted right at this path. */
export async function isMountPoint(path: string): Promise<boolean> {
  return (await readMounts()).some(({ mountPoint }) => mountPoint === path);
}

async function makeFolder(path: string, mode: number): Promise<boolean> {
  const isNew = (await mkdir(path, { recursive: true, mode: 0o750 })) !== undefined;
  if (isNew) await chmod(path, mode);
  return isNew;
}

/** An empty folder for the pod, on disk or in memory. What is in it already stays. */
export async function prepareEmptyDir(
  pod: Pod,
  source: EmptyDirVolumeSource,
  folder: string,
  memoryBytesMax: number | undefined,
  signal: AbortSignal,
): Promise<MountableVolume> {
  const { medium = '', sizeLimit } = source;
  const isNew = await makeFolder(folder, 0o777);
  let isFresh = isNew;
  if (medium !== '' && !(await isMountPoint(folder))) {
    const limit = sizeLimit === undefined ? undefined : quantityValue(parseQuantity(sizeLimit));
    await mountMedium(pod, medium, limit, folder, memoryBytesMax, signal);
    isFresh = true;
  }
  const ownership = ownershipOf(pod, false);
  if (isFresh && ownership !== undefined) await giveToGroup(folder, ownership);
  return { hostPath: folder, readOnly: false };
}

async function mountMedium(
  pod: Pod,
  medium: string,
  limit: number | undefined,
  folder: string,
  memoryBytesMax: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  const page = /^HugePages(?:-(\d+)([KMG])i)?$/.exec(medium);
  if (page !== null) {
    const size = page[1] === undefined ? [] : [`pagesize=${page[1]}${page[2]}`];
    await mountFileSystem('hugetlbfs', 'nodev', folder, [...size, 'mode=0777'], { signal });
    return;
  }
  if (medium !== 'Memory') throw new TerminalError('VOLUME_UNSUPPORTED', `unknown storage medium "${medium}"`);
  await mountMemory(
    folder,
    Math.min(...defined(limit || undefined, podLimits(pod).memoryBytes, memoryBytesMax)),
    signal,
  );
}

function defined(...values: readonly (number | undefined)[]): readonly number[] {
  return values.filter((value) => value !== undefined);
}

/** A tmpfs of at most so many bytes (Infinity: the kernel's default of half the memory). */
export async function mountMemory(folder: string, bytesMax: number, signal: AbortSignal): Promise<void> {
  const size = Number.isFinite(bytesMax) ? [`size=${bytesMax}`] : [];
  await mountFileSystem('tmpfs', 'tmpfs', folder, [...size, 'mode=0777'], { signal });
}

/** An NFS export, mounted in the pod's own folder. */
export async function prepareNfs(
  source: NFSVolumeSource,
  options: readonly string[],
  folder: string,
  signal: AbortSignal,
): Promise<MountableVolume> {
  const { server, path, readOnly = false } = source;
  if (!(await isMountPoint(folder))) {
    await makeFolder(folder, 0o750);
    await mountNfs({ server, path, readOnly, options }, folder, { signal });
  }
  return { hostPath: folder, readOnly };
}

/** A PersistentVolume of one of the kinds that this node can mount by itself. */
export async function preparePersistentVolume(
  pod: Pod,
  volume: PersistentVolume,
  claimReadOnly: boolean,
  folderOf: (plugin: 'local-volume' | 'nfs') => string,
  signal: AbortSignal,
): Promise<MountableVolume> {
  const { hostPath, local, nfs, mountOptions = [], volumeMode = 'Filesystem' } = volume.spec ?? {};
  const name = volume.metadata.name ?? '';
  if (volumeMode === 'Block')
    throw new TerminalError(
      'VOLUME_UNSUPPORTED',
      `persistent volume ${name} is a raw block device, which this node can't give to containers`,
      {
        hint: 'use a volume with volumeMode: Filesystem',
      },
    );
  if (hostPath) {
    await checkHostPath(hostPath);
    return { hostPath: hostPath.path, readOnly: claimReadOnly };
  }
  if (nfs) {
    const prepared = await prepareNfs(nfs, mountOptions, folderOf('nfs'), signal);
    return { ...prepared, readOnly: prepared.readOnly || claimReadOnly };
  }
  if (local) return prepareLocal(pod, local.path, mountOptions, claimReadOnly, folderOf('local-volume'));
  const kind = Object.keys(volume.spec ?? {}).find((key) => persistentVolumeKinds.has(key)) ?? 'unknown';
  throw unsupported(kind, `persistent volume ${name}`);
}

/** The members of a PersistentVolume's spec that say of which kind it is. */
const persistentVolumeKinds = new Set([
  ...['awsElasticBlockStore', 'azureDisk', 'azureFile', 'cephfs', 'cinder', 'csi', 'fc', 'flexVolume', 'flocker'],
  ...['gcePersistentDisk', 'glusterfs', 'iscsi', 'photonPersistentDisk', 'portworxVolume', 'quobyte', 'rbd', 'scaleIO'],
  ...['storageos', 'vsphereVolume'],
]);

export function unsupported(kind: string, what: string): TerminalError {
  const missing =
    kind === 'csi' ? 'no CSI driver is registered with this node' : `this node has no plugin for ${kind} volumes`;
  return new TerminalError('VOLUME_UNSUPPORTED', `${what} is of type ${kind}: ${missing}`, {
    hint: 'use a volume of type hostPath, local or nfs, or a StorageClass that makes such volumes',
  });
}

/** Shows the local directory in the pod's folder, so that a mount of it lives and dies with the pod. */
async function prepareLocal(
  pod: Pod,
  path: string,
  mountOptions: readonly string[],
  readOnly: boolean,
  folder: string,
): Promise<MountableVolume> {
  if (await isMountPoint(folder)) return { hostPath: folder, readOnly };
  const found = await stat(path).catch((cause: unknown) => {
    if (errorCode(cause) !== 'ENOENT') throw cause;
    throw new TransientError('VOLUME_PATH_ABSENT', `path "${path}" does not exist`, {
      cause,
      hint: 'make the directory on this node, or correct the persistent volume',
    });
  });
  if (!found.isDirectory())
    throw new TerminalError('VOLUME_UNSUPPORTED', `local volume "${path}" is not a directory`, {
      hint: 'format and mount the device on the node, and name the mounted directory',
    });
  await makeFolder(folder, 0o750);
  const options = [...(readOnly ? ['ro'] : []), ...mountOptions];
  await bindMount(path, folder, options);
  const ownership = ownershipOf(pod, readOnly);
  if (!readOnly && ownership !== undefined && !(await isUsedElsewhere(found.dev, found.ino, folder)))
    await giveToGroup(folder, ownership);
  return { hostPath: folder, readOnly };
}

/** The owner of a local volume is set by the first pod that mounts it, and stands while others use it. */
async function isUsedElsewhere(device: number, inode: number, folder: string): Promise<boolean> {
  for (const { mountPoint } of await readMounts()) {
    if (mountPoint === folder || !mountPoint.includes('/kubernetes.io~local-volume/')) continue;
    const found = await lstat(mountPoint).catch(() => undefined);
    if (found?.dev === device && found.ino === inode) return true;
  }
  return false;
}
