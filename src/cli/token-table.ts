import { humanDuration } from '../kube/kinds/name-and-age.ts';
import type { BootstrapToken } from '../server/join/bootstrap-token.ts';

const head = ['TOKEN', 'TTL', 'EXPIRES', 'USAGES', 'DESCRIPTION', 'EXTRA GROUPS'];
const gap = '   ';
const widthMin = 7;

/** The table of `token list`, in the columns of k3s and kubeadm. Pure. */
export function tokenLines(tokens: readonly BootstrapToken[], nowMs: number): readonly string[] {
  const rows = [head, ...tokens.map((token) => rowOf(token, nowMs))];
  const widths = head.map((_, column) => Math.max(widthMin, ...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(gap)
      .trimEnd(),
  );
}

function rowOf(
  { credentials, description, expiresAt, usages, groups }: BootstrapToken,
  nowMs: number,
): readonly string[] {
  return [
    `${credentials.id}.${credentials.secret}`,
    expiresAt === undefined ? '<forever>' : expiresAt <= nowMs ? '<expired>' : humanDuration(expiresAt - nowMs),
    expiresAt === undefined ? '<never>' : new Date(expiresAt).toISOString().replace(/\.\d+Z$/, 'Z'),
    listed(usages),
    description === '' ? '<none>' : description,
    listed(groups),
  ];
}

function listed(words: readonly string[]): string {
  return words.length === 0 ? '<none>' : words.toSorted().join(',');
}
