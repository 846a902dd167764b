import type { LabelSelector } from '../../kube/types.gen.ts';
import { type Family, parseAddress } from './address.ts';
import { type AddressRange, isInRange, sizeOf } from './address-range.ts';

/** Addresses that Services may get, after all that was wrong with their configuration is left out. */
export interface Pool {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ranges: readonly AddressRange[];
  /** False: only Services that ask for the pool, or for an address of it, get one. */
  readonly autoAssign: boolean;
  /** Addresses that end with .0 and .255 are left out: some old devices take them for broadcasts. */
  readonly avoidBuggyIPs: boolean;
  readonly allocateTo: PoolAudience | undefined;
}

/** The Services that a pool is for; others get nothing of it by themselves. */
export interface PoolAudience {
  /** The smallest goes first; 0 goes last. */
  readonly priority: number;
  readonly namespaces: readonly string[];
  readonly namespaceSelectors: readonly LabelSelector[];
  readonly serviceSelectors: readonly LabelSelector[];
}

/** The pool that an address belongs to. Pools don't overlap. */
export function poolOf(pools: readonly Pool[], address: string): Pool | undefined {
  const parsed = parseAddress(address);
  if (parsed === undefined) return undefined;
  return pools.find((pool) => isUsable(pool, parsed.family, parsed.value));
}

export function isUsable(pool: Pool, family: Family, value: bigint): boolean {
  if (pool.avoidBuggyIPs && isBuggy(family, value)) return false;
  return pool.ranges.some((range) => isInRange(range, family, value));
}

export function isBuggy(family: Family, value: bigint): boolean {
  const last = value & 255n;
  return family === 'IPv4' && (last === 0n || last === 255n);
}

/** How many addresses of a family Services can get from the pool. */
export function capacityOf(pool: Pool, family: Family): bigint {
  let count = 0n;
  for (const range of pool.ranges) {
    if (range.family !== family) continue;
    count += sizeOf(range);
    if (!pool.avoidBuggyIPs || family !== 'IPv4') continue;
    // Whole blocks of 256 hold two each; the ends are counted one by one.
    for (const last of [0n, 255n]) count -= countEndingWith(range.first, range.last, last);
  }
  return count;
}

// How many of the numbers from `first` to `last` are `end` modulo 256.
function countEndingWith(first: bigint, last: bigint, end: bigint): bigint {
  const upTo = (limit: bigint) => (limit < end ? 0n : (limit - end) / 256n + 1n);
  return upTo(last) - (first === 0n ? 0n : upTo(first - 1n));
}
