import { goJsonIndented } from '../go-json.ts';

/**
 * The difference of two internal forms as immutability errors show it: a unified diff, with three lines of context, of
 * the values' indented JSON. The matching blocks are those of Python's difflib (Ratcliff and Obershelp's algorithm, with
 * its rule for popular lines), which upstream's library follows.
 */
export function diffOfForms(before: unknown, after: unknown): string {
  return unifiedDiff(`${goJsonIndented(before)}\n`.split(/(?<=\n)/), `${goJsonIndented(after)}\n`.split(/(?<=\n)/));
}

interface Match {
  readonly a: number;
  readonly b: number;
  readonly size: number;
}

interface Edit {
  readonly same: boolean;
  readonly a1: number;
  readonly a2: number;
  readonly b1: number;
  readonly b2: number;
}

const contextLines = 3;
/** From this number of lines on, a line that makes up more than a hundredth of them starts no match. */
const popularFrom = 200;

function unifiedDiff(a: readonly string[], b: readonly string[]): string {
  let text = '';
  for (const group of groupsOf(editsOf(a, b))) {
    const first = group[0];
    const last = group[group.length - 1];
    if (first === undefined || last === undefined) continue;
    text += `@@ -${rangeOf(first.a1, last.a2)} +${rangeOf(first.b1, last.b2)} @@\n`;
    for (const edit of group) {
      if (edit.same)
        text += a
          .slice(edit.a1, edit.a2)
          .map((line) => ` ${line}`)
          .join('');
      else {
        text += a
          .slice(edit.a1, edit.a2)
          .map((line) => `-${line}`)
          .join('');
        text += b
          .slice(edit.b1, edit.b2)
          .map((line) => `+${line}`)
          .join('');
      }
    }
  }
  return text;
}

function rangeOf(start: number, stop: number): string {
  const length = stop - start;
  if (length === 1) return `${start + 1}`;
  return `${length === 0 ? start : start + 1},${length}`;
}

function editsOf(a: readonly string[], b: readonly string[]): readonly Edit[] {
  const edits: Edit[] = [];
  let i = 0;
  let j = 0;
  for (const match of [...matchesOf(a, b), { a: a.length, b: b.length, size: 0 }]) {
    if (i < match.a || j < match.b) edits.push({ same: false, a1: i, a2: match.a, b1: j, b2: match.b });
    i = match.a + match.size;
    j = match.b + match.size;
    if (match.size > 0) edits.push({ same: true, a1: match.a, a2: i, b1: match.b, b2: j });
  }
  return edits;
}

/** Edits with their context, split where more than twice the context lies between two changes. */
function groupsOf(edits: readonly Edit[]): readonly (readonly Edit[])[] {
  const trimmed = edits.map((edit, index) => {
    if (!edit.same) return edit;
    if (index === 0)
      return { ...edit, a1: Math.max(edit.a1, edit.a2 - contextLines), b1: Math.max(edit.b1, edit.b2 - contextLines) };
    if (index < edits.length - 1) return edit;
    return { ...edit, a2: Math.min(edit.a2, edit.a1 + contextLines), b2: Math.min(edit.b2, edit.b1 + contextLines) };
  });
  const groups: Edit[][] = [];
  let group: Edit[] = [];
  for (const edit of trimmed) {
    if (edit.same && edit.a2 - edit.a1 > 2 * contextLines) {
      groups.push([...group, { ...edit, a2: edit.a1 + contextLines, b2: edit.b1 + contextLines }]);
      group = [{ ...edit, a1: edit.a2 - contextLines, b1: edit.b2 - contextLines }];
    } else group.push(edit);
  }
  groups.push(group);
  return groups.filter((candidate) => candidate.some((edit) => !edit.same));
}

function matchesOf(a: readonly string[], b: readonly string[]): readonly Match[] {
  const positions = positionsOf(b);
  const matches: Match[] = [];
  const pending: [number, number, number, number][] = [[0, a.length, 0, b.length]];
  for (let window = pending.pop(); window !== undefined; window = pending.pop()) {
    const [alo, ahi, blo, bhi] = window;
    const match = longestMatch(a, b, positions, window);
    if (match.size === 0) continue;
    matches.push(match);
    pending.push([alo, match.a, blo, match.b], [match.a + match.size, ahi, match.b + match.size, bhi]);
  }
  matches.sort((x, y) => x.a - y.a || x.b - y.b);
  return joined(matches);
}

function joined(matches: readonly Match[]): readonly Match[] {
  const result: Match[] = [];
  for (const match of matches) {
    const last = result[result.length - 1];
    if (last !== undefined && last.a + last.size === match.a && last.b + last.size === match.b) {
      result[result.length - 1] = { ...last, size: last.size + match.size };
    } else result.push(match);
  }
  return result;
}

function positionsOf(lines: readonly string[]): ReadonlyMap<string, readonly number[]> {
  const positions = new Map<string, number[]>();
  lines.forEach((line, index) => {
    const known = positions.get(line);
    if (known === undefined) positions.set(line, [index]);
    else known.push(index);
  });
  if (lines.length < popularFrom) return positions;
  const limit = Math.floor(lines.length / 100) + 1;
  for (const [line, indices] of positions) if (indices.length > limit) positions.delete(line);
  return positions;
}

function longestMatch(
  a: readonly string[],
  b: readonly string[],
  positions: ReadonlyMap<string, readonly number[]>,
  [alo, ahi, blo, bhi]: readonly [number, number, number, number],
): Match {
  let best: Match = { a: alo, b: blo, size: 0 };
  // For each position in b, the length of the run of equal lines that ends there and at the line of a before this one.
  let runs = new Map<number, number>();
  for (let i = alo; i < ahi; i++) {
    const next = new Map<number, number>();
    for (const j of positions.get(a[i] ?? '') ?? []) {
      if (j < blo) continue;
      if (j >= bhi) break;
      const size = (runs.get(j - 1) ?? 0) + 1;
      next.set(j, size);
      if (size > best.size) best = { a: i - size + 1, b: j - size + 1, size };
    }
    runs = next;
  }
  let { a: start, b: other, size } = best;
  while (start > alo && other > blo && a[start - 1] === b[other - 1]) {
    start--;
    other--;
    size++;
  }
  while (start + size < ahi && other + size < bhi && a[start + size] === b[other + size]) size++;
  return { a: start, b: other, size };
}
