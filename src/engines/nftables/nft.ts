import { CommandError, run } from '../process/run.ts';

/**
 * Carries out nft commands (nft(8)) as one transaction: all of them take effect at once, or none. Throws CommandError
 * whose message holds the line that the kernel refused.
 */
export async function applyRules(
  script: string,
  options: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {},
): Promise<void> {
  await run('nft', ['-f', '-'], { ...options, input: script });
}

/** Checks commands against the kernel without changing anything. */
export async function checkRules(script: string): Promise<void> {
  await run('nft', ['-c', '-f', '-'], { input: script });
}

/** The rules of a table as nft prints them, without handles and counters; null when there is no such table. */
export async function readTable(family: 'ip' | 'ip6' | 'inet', table: string): Promise<string | null> {
  try {
    return (await run('nft', ['-s', 'list', 'table', family, table])).stdout;
  } catch (error) {
    if (error instanceof CommandError && /No such file or directory/.test(error.stderr)) return null;
    throw error;
  }
}

/** Removes a table with all in it; does nothing where it is not there, nor where the kernel has no such family. */
export async function deleteTable(family: 'ip' | 'ip6' | 'inet', table: string): Promise<void> {
  try {
    await run('nft', ['delete', 'table', family, table]);
  } catch (error) {
    if (error instanceof CommandError && /No such file or directory/.test(error.stderr)) return;
    throw error;
  }
}
