/** Sets of completion indexes as Jobs write them: `1,3-5,7` (batch/v1 JobStatus.completedIndexes). */

export const completionIndexAnnotation = 'batch.kubernetes.io/job-completion-index';

/** Parses such a text; indexes at or above `limit` are left out. */
export function parseIndexes(text: string | undefined, limit: number): Set<number> {
  const indexes = new Set<number>();
  for (const part of (text ?? '').split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (!match) continue;
    const first = Number(match[1]);
    const last = Math.min(Number(match[2] ?? match[1]), limit - 1);
    for (let index = first; index <= last; index++) indexes.add(index);
  }
  return indexes;
}

/** Two neighbours are written apart, three and more as a range. */
export function formatIndexes(indexes: ReadonlySet<number>): string {
  const sorted = [...indexes].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let at = 0; at < sorted.length; ) {
    const first = sorted[at] ?? 0;
    let last = first;
    while (sorted[at + (last - first) + 1] === last + 1) last++;
    at += last - first + 1;
    parts.push(last === first ? `${first}` : last === first + 1 ? `${first},${last}` : `${first}-${last}`);
  }
  return parts.join(',');
}

/** The first `count` indexes below `completions` that are in none of the sets. */
export function firstFreeIndexes(
  count: number,
  completions: number,
  taken: readonly ReadonlySet<number>[],
): readonly number[] {
  const free: number[] = [];
  for (let index = 0; index < completions && free.length < count; index++) {
    if (!taken.some((set) => set.has(index))) free.push(index);
  }
  return free;
}
