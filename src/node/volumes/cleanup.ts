import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, TransientError } from '../../core/errors.ts';
import { unmount } from '../../engines/mount/mount.ts';
import { type Mount, mountsBelow, readMounts } from '../../engines/mount/mountinfo.ts';
import { volumeFolders } from './volume-paths.ts';

const folders = Object.values(volumeFolders);

/**
 * Takes off all mounts below a pod's volume folders, as the kernel's mount table tells, and then removes the folders.
 * Nothing is removed while anything is mounted there, so that no removal reaches into a directory of the host.
 */
export async function cleanupVolumes(podsFolder: string, podUid: string): Promise<void> {
  await unmountVolumes(podsFolder, podUid);
  for (const folder of folders) await rm(join(podsFolder, podUid, folder), { recursive: true, force: true });
}

/** Takes off all mounts below a pod's volume folders. Throws TransientError when one is held. */
export async function unmountVolumes(podsFolder: string, podUid: string): Promise<void> {
  // A name that leads elsewhere must never get here.
  if (podUid === '' || podUid.includes('/') || podUid.startsWith('.'))
    throw new TransientError('POD_UID', `${JSON.stringify(podUid)} is not a pod's uid`);
  for (const folder of folders) {
    const path = join(podsFolder, podUid, folder);
    for (const mount of mountsBelow(await readMounts(), path))
      await unmount(mount.mountPoint, { isNetwork: isNetwork(mount) });
    const [left] = mountsBelow(await readMounts(), path);
    if (left !== undefined)
      throw new TransientError('VOLUME_BUSY', `${left.mountPoint} is still mounted`, {
        hint: 'see which process holds it: fuser -vm PATH',
      });
  }
}

function isNetwork({ fileSystem }: Mount): boolean {
  return /^(nfs|cifs|ceph|fuse\.)/.test(fileSystem);
}

/** The pods that have volumes on disk. */
export async function podsWithVolumes(podsFolder: string): Promise<readonly string[]> {
  const uids = await namesIn(podsFolder);
  const found = await Promise.all(uids.map((uid) => namesIn(join(podsFolder, uid))));
  return uids.filter((_, index) => found[index]?.some((name) => folders.includes(name as 'volumes')));
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT' || errorCode(thrown) === 'ENOTDIR') return [];
    throw thrown;
  }
}
