import type { Command } from 'commander';

/** `wherry test`: everything that proves Wherry. */
export function addTest(program: Command): void {
  program
    .command('test')
    .description('run the tests')
    .argument('[parts...]', 'only test files whose path contains one of these')
    .option('--long', 'also the tests that take long')
    .action(async (parts: readonly string[], given: { long?: boolean }) => {
      const { runTests } = await import('../../tools/run-tests.ts');
      process.exitCode = await runTests({ long: given.long ?? false, only: parts });
    });
}
