import { CommandError, run } from '../process/run.ts';

/** A line that the kernel refused, and what it said. */
export interface Refusal {
  readonly line: string;
  readonly reason: string;
}

/**
 * Carries out lines of `ip -batch` or `bridge -batch`, in order. A line that is refused does not keep the others from taking
 * effect. Resolves with those that were.
 */
export async function applyBatch(command: 'ip' | 'bridge', lines: readonly string[]): Promise<readonly Refusal[]> {
  if (lines.length === 0) return [];
  try {
    await run(command, ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n` });
    return [];
  } catch (thrown) {
    if (!(thrown instanceof CommandError) || thrown.exitCode === null) throw thrown;
    const refusals = parseRefusals(lines, thrown.stderr);
    if (refusals.length === 0) throw thrown;
    return refusals;
  }
}

/** What iproute2 says of a batch: one or more lines of complaint, then `Command failed -:NUMBER`. */
export function parseRefusals(lines: readonly string[], stderr: string): readonly Refusal[] {
  const refusals: Refusal[] = [];
  let said: string[] = [];
  for (const text of stderr.split('\n')) {
    const failed = /^Command failed -:(\d+)/.exec(text);
    if (failed === null) {
      if (text.trim() !== '') said.push(text.trim());
      continue;
    }
    const line = lines[Number(failed[1]) - 1] ?? '';
    refusals.push({ line, reason: said.join(' ').replace(/^(Error|RTNETLINK answers): /, '') });
    said = [];
  }
  return refusals;
}
