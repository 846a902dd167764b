import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { TerminalError, TransientError } from '../../core/errors.ts';
import { CommandError, run } from '../process/run.ts';

export interface MountOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** Mounts a file system of its own kind. `options` are those of mount(8). Throws CommandError with what the kernel said. */
export async function mountFileSystem(
  type: string,
  source: string,
  target: string,
  options: readonly string[],
  more: MountOptions = {},
): Promise<void> {
  const flags = options.length === 0 ? [] : ['-o', options.join(',')];
  // -i: programs like mount.nfs are left out; the kernel is told directly.
  await run('mount', ['-i', '-t', type, ...flags, source, target], { timeoutMs: 60_000, ...more });
}

/**
 * Shows `source` at `target` too, without what is mounted below it: such mounts would be peers of the source's own, and taking
 * them off here would take them off there.
 */
export async function bindMount(source: string, target: string, options: readonly string[] = []): Promise<void> {
  await run('mount', ['--no-canonicalize', '--bind', source, target]);
  // The kernel ignores all other options at the first step of a bind mount.
  if (options.length > 0) await run('mount', ['-o', ['remount', 'bind', ...options].join(','), target]);
}

/**
 * Shows the file or directory that this process holds open as `descriptor` at `target`. The path that led to it plays
 * no part, so nobody can exchange it meanwhile.
 */
export async function bindDescriptor(descriptor: number, target: string): Promise<void> {
  const source = `/proc/${process.pid}/fd/${descriptor}`;
  await run('mount', ['--no-canonicalize', '--bind', source, target]);
}

/** Takes the uppermost mount off `target`; it is no failure when there is none. A network file system whose server is gone comes off lazily. */
export async function unmount(target: string, options: { readonly isNetwork?: boolean } = {}): Promise<void> {
  try {
    await run('umount', ['--no-canonicalize', target], { timeoutMs: options.isNetwork ? 10_000 : 30_000 });
  } catch (thrown) {
    if (!(thrown instanceof CommandError)) throw thrown;
    if (/not mounted|no mount point|not found/i.test(thrown.stderr)) return;
    if (options.isNetwork !== true) throw thrown;
    await run('umount', ['--no-canonicalize', '--force', '--lazy', target], { timeoutMs: 30_000 });
  }
}

export interface NfsSource {
  readonly server: string;
  readonly path: string;
  readonly readOnly: boolean;
  readonly options: readonly string[];
}

/**
 * Mounts an NFS export without the help of nfs-common: the kernel is given the server's address. Throws TerminalError when
 * the kernel has no NFS client, TransientError when the server does not answer as it should.
 */
export async function mountNfs(source: NfsSource, target: string, more: MountOptions = {}): Promise<void> {
  await requireFileSystem('nfs4', 'an NFS v4 client (CONFIG_NFS_V4)');
  const { address } = await lookup(source.server).catch((cause: unknown) => {
    throw new TransientError('NFS_SERVER_UNKNOWN', `the NFS server ${source.server} has no address`, {
      cause,
      hint: 'write its IP address, or a name that this node can resolve',
    });
  });
  const { type, options } = nfsOptions(source, address);
  const host = isIPv6(address) ? `[${address}]` : address;
  await mountFileSystem(type, `${host}:${source.path}`, target, options, more);
}

/** The kernel's type and options for an export; pure. */
export function nfsOptions(
  source: NfsSource,
  address: string,
): { readonly type: 'nfs' | 'nfs4'; readonly options: readonly string[] } {
  const version = source.options.map((option) => /^(?:nfs)?vers=(\S+)$/.exec(option)?.[1]).find(Boolean);
  const isOld = version?.startsWith('3') === true;
  const own = source.options.some((option) => option.startsWith('addr=')) ? [] : [`addr=${address}`];
  const versionOption = version === undefined ? ['vers=4.2'] : [];
  // Version 3 keeps locks with a daemon of nfs-common, which may not be there.
  const locks = isOld && !source.options.some((option) => /^(no)?lock$/.test(option)) ? ['nolock'] : [];
  return {
    type: isOld ? 'nfs' : 'nfs4',
    options: [...(source.readOnly ? ['ro'] : []), ...versionOption, ...own, ...locks, ...source.options],
  };
}

/** Throws TerminalError unless the kernel has this file system, built in or as a module that loads. */
export async function requireFileSystem(type: string, feature: string): Promise<void> {
  if (await hasFileSystem(type)) return;
  const failure = await run('modprobe', [type]).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (await hasFileSystem(type)) return;
  throw new TerminalError('KERNEL_LACKS_FILE_SYSTEM', `this node's kernel lacks ${feature}`, {
    cause: failure,
    hint: `run the pod on a node whose kernel has the file system ${type}, or install the kernel's modules`,
  });
}

async function hasFileSystem(type: string): Promise<boolean> {
  const text = await readFile('/proc/filesystems', 'utf8');
  return text.split('\n').some((line) => line.split('\t')[1] === type);
}
