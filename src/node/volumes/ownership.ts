import { chmod, lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '../../kube/types.gen.ts';

const readOnlyBits = 0o440;
const readWriteBits = 0o660;
const executeBits = 0o110;
const setgid = 0o2000;
/** Entries whose owner is changed at the same time. */
const concurrency = 32;

export interface Ownership {
  readonly fsGroup: number;
  readonly readOnly: boolean;
  /** `OnRootMismatch`: nothing is done where the volume's root already is as it should be. */
  readonly policy: string;
}

/** What the pod asks for; undefined when it says nothing of a group. */
export function ownershipOf(pod: Pod, readOnly: boolean): Ownership | undefined {
  const { fsGroup, fsGroupChangePolicy = 'Always' } = pod.spec?.securityContext ?? {};
  return fsGroup === undefined ? undefined : { fsGroup, readOnly, policy: fsGroupChangePolicy };
}

/**
 * Gives a volume to the pod's group: all entries belong to it and can be read (and written) by it, and new ones inherit
 * it (setgid on directories). Links are owned, not followed.
 */
export async function giveToGroup(root: string, ownership: Ownership): Promise<void> {
  if (ownership.policy === 'OnRootMismatch' && (await isGiven(root, ownership))) return;
  // The root comes last: a change that was broken off shows by it.
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  for (let start = 0; start < paths.length; start += concurrency)
    await Promise.all(paths.slice(start, start + concurrency).map((path) => give(path, ownership)));
  await give(root, ownership);
}

async function give(path: string, { fsGroup, readOnly }: Ownership): Promise<void> {
  const found = await lstat(path);
  await lchown(path, found.uid, fsGroup);
  if (found.isSymbolicLink()) return;
  const bits = readOnly ? readOnlyBits : readWriteBits;
  const more = found.isDirectory() ? bits | executeBits | setgid : bits;
  await chmod(path, (found.mode & 0o7777) | more);
}

async function isGiven(root: string, { fsGroup, readOnly }: Ownership): Promise<boolean> {
  const { gid, mode } = await lstat(root);
  const bits = (readOnly ? readOnlyBits : readWriteBits) | executeBits | setgid;
  return gid === fsGroup && (mode & bits) === bits;
}
