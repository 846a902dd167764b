/**
 * Calls `act` for 0 to count-1 in batches of 1, 2, 4, ..., and stops after a batch in which one failed, so that a quota
 * or an admission rule that refuses all is asked once and not a thousand times. Returns how many succeeded and the
 * first failure.
 */
export async function slowStart(
  count: number,
  act: (index: number) => Promise<void>,
): Promise<{ readonly succeeded: number; readonly failure: unknown }> {
  let succeeded = 0;
  for (let start = 0, size = 1; start < count; start += size, size *= 2) {
    const batch = Array.from({ length: Math.min(size, count - start) }, (_, offset) => act(start + offset));
    const results = await Promise.allSettled(batch);
    succeeded += results.filter((result) => result.status === 'fulfilled').length;
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) return { succeeded, failure: failed.reason };
  }
  return { succeeded, failure: undefined };
}
