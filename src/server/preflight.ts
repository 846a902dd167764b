import { readFile } from 'node:fs/promises';
import { WherryError } from '../core/errors.ts';
import type { ServerOptions } from './options.ts';

/** What this machine's kernel shows of itself. */
export interface KernelFacts {
  /** uname release, e.g. 6.1.0-18-amd64. */
  readonly release: string;
  /** Text of /proc/filesystems. */
  readonly filesystems: string;
  /** Text of /proc/self/mountinfo. */
  readonly mounts: string;
  /** Effective capabilities, from /proc/self/status. */
  readonly capabilities: bigint;
}

export interface Lack {
  readonly what: string;
  readonly why: string;
  readonly hint: string;
}

const capNetAdmin = 12n;
const capSysAdmin = 21n;

/** What a node needs of the kernel and does not find. Pure. */
export function findLacks(facts: KernelFacts, options: Pick<ServerOptions, 'disableAgent'>): readonly Lack[] {
  if (options.disableAgent) return [];
  const lacks: Lack[] = [];
  const say = (what: string, why: string, hint: string) => lacks.push({ what, why, hint });
  if (!hasCapability(facts, capSysAdmin))
    say(
      'CAP_SYS_ADMIN',
      'mounts and namespaces of containers',
      'run as root on the machine itself, or in a privileged container',
    );
  if (!hasCapability(facts, capNetAdmin))
    say(
      'CAP_NET_ADMIN',
      'interfaces and rules of the pod network',
      'run as root on the machine itself, or in a privileged container',
    );
  if (!/ - cgroup2? /.test(facts.mounts))
    say('control groups', 'the limits of containers', 'mount cgroup2 on /sys/fs/cgroup');
  const has = (fs: string) => new RegExp(`\\b${fs}$`, 'm').test(facts.filesystems);
  if (!has('tmpfs')) say('tmpfs', 'secrets in memory', 'use a kernel with CONFIG_TMPFS');
  return lacks;
}

function hasCapability(facts: KernelFacts, capability: bigint): boolean {
  return ((facts.capabilities >> capability) & 1n) === 1n;
}

/** Looks at this machine; throws WherryError KERNEL_LACKS that lists all that is missing. Resolves with what was found. */
export async function preflight(options: Pick<ServerOptions, 'disableAgent'>): Promise<string> {
  const [release, filesystems, mounts, status] = await Promise.all(
    ['/proc/sys/kernel/osrelease', '/proc/filesystems', '/proc/self/mountinfo', '/proc/self/status'].map((file) =>
      readFile(file, 'utf8'),
    ),
  );
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status ?? '')?.[1] ?? '0'}`);
  const facts: KernelFacts = {
    release: (release ?? '').trim(),
    filesystems: filesystems ?? '',
    mounts: mounts ?? '',
    capabilities,
  };
  const lacks = findLacks(facts, options);
  if (lacks.length > 0) {
    throw new WherryError(
      'KERNEL_LACKS',
      `this machine lacks ${lacks.map((l) => `${l.what} (for ${l.why})`).join(', ')}`,
      {
        hint: [...new Set(lacks.map((l) => l.hint))].join('; '),
      },
    );
  }
  return `Linux ${facts.release}`;
}
