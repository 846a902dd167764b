import type { Command } from 'commander';

/** `wherry bench`: measures and prints what docs/benchmarks.md states. */
export function addBench(program: Command): void {
  program
    .command('bench')
    .description('measure speed and memory')
    .argument('[parts...]', 'only these: datastore, api, tunnel, cluster')
    .action(async (parts: readonly string[]) => {
      const { runBenchmarks } = await import('../../test/bench/run.ts');
      await runBenchmarks(parts);
    });
}
