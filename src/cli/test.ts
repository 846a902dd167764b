import type { Command } from 'commander';
import { runTests } from '../../tools/run-tests.ts';

/** `wherry test`: everything that proves Wherry. */
export function addTest(program: Command): void {
  program
    .command('test')
    .description('run the tests')
    .argument('[parts...]', 'only test files whose path contains one of these')
    .option('--long', 'also the tests that take long')
    .action(async (parts: readonly string[], given: { long?: boolean }) => {
      process.exitCode = await runTests({ long: given.long ?? false, only: parts });
    });
}
