/**
 * fast-check with the seed of this run. `./wherry test` takes the same seed every time, so that a change is judged by
 * what it changed; `./wherry test --long` and WHERRY_TEST_SEED=N look elsewhere, and print the seed of what they find.
 */
import process from 'node:process';
import fc from 'fast-check';

/** The environment variable that holds a seed, or `random`. */
export const seedVariable = 'WHERRY_TEST_SEED';

const asked = process.env[seedVariable] ?? '1';
if (asked !== 'random') {
  const seed = Number.parseInt(asked, 10);
  if (!Number.isSafeInteger(seed))
    throw new Error(`${seedVariable} must be a whole number or "random", not "${asked}"`);
  fc.configureGlobal({ seed });
}

export { fc };
