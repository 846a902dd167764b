/** Sets of completion indexes as Jobs write them: `1,3-5,7` (batch/v1 JobStatus.completedIndexes). */
import { goQuote } from './go-json.ts';

export const completionIndexAnnotation = 'batch.kubernetes.io/job-completion-index';

interface Interval {
  readonly first: number;
  readonly last: number;
}

/** Says in upstream's words why a text like `0,2-5` can't be read as indexes below the number of completions. */
export class IndexesError extends Error {}

/** How many indexes a text names; throws IndexesError. */
export function countIndexes(text: string, completions: number): number {
  if (text === '') return 0;
  let previous: number | undefined;
  let total = 0;
  for (const part of text.split(',')) {
    const { first, last } = parseInterval(part, completions);
    if (previous !== undefined && previous >= first) throw outOfOrder(previous, first);
    total += last - first + 1;
    previous = last;
  }
  return total;
}

function parseInterval(text: string, completions: number): Interval {
  const parts = text.split('-');
  if (parts.length > 2) {
    const rule = "the requirement that an index interval can have at most two parts separated by '-'";
    throw new IndexesError(`the fragment ${goQuote(text)} violates ${rule}`);
  }
  const first = parseIndex(parts[0] ?? '', completions);
  if (parts[1] === undefined) return { first, last: first };
  const last = parseIndex(parts[1], completions);
  if (first >= last) throw outOfOrder(first, last);
  return { first, last };
}

function parseIndex(text: string, completions: number): number {
  const index = Number(text);
  if (!/^[+-]?[0-9]+$/.test(text) || !Number.isSafeInteger(index)) {
    throw new IndexesError(`cannot convert string to integer for index: ${goQuote(text)}`);
  }
  if (index >= completions) throw new IndexesError(`too large index: ${goQuote(text)}`);
  return index;
}

function outOfOrder(previous: number, current: number): IndexesError {
  return new IndexesError(`non-increasing order, previous: ${previous}, current: ${current}`);
}

/** The first index that both texts name. What can't be read is passed over: another rule complains of it. */
export function overlappingIndex(completed: string, failed: string, completions: number): number | undefined {
  const completedIntervals = readable(completed, completions);
  const failedIntervals = readable(failed, completions);
  let c = 0;
  let f = 0;
  for (;;) {
    const a = completedIntervals[c];
    const b = failedIntervals[f];
    if (a === undefined || b === undefined) return undefined;
    if (a.first <= b.last && b.first <= a.last) return Math.max(a.first, b.first);
    if (a.first <= b.first) c++;
    else f++;
  }
}

function readable(text: string, completions: number): readonly Interval[] {
  if (text === '') return [];
  return text.split(',').flatMap((part) => {
    try {
      return [parseInterval(part, completions)];
    } catch (error) {
      if (error instanceof IndexesError) return [];
      throw error;
    }
  });
}

/** The indexes below `limit` that a text names; what can't be read in it is passed over. */
export function parseIndexes(text: string | undefined, limit: number): Set<number> {
  const indexes = new Set<number>();
  for (const { first, last } of readable(text ?? '', Number.POSITIVE_INFINITY)) {
    for (let index = first; index <= last && index < limit; index++) indexes.add(index);
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
