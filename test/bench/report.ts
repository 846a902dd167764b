/** Prints one figure as its median with minimum, maximum and how many measurements it stands on. */
export function report(what: string, unit: string, values: readonly number[]): void {
  const sorted = [...values].sort((a, b) => a - b);
  const show = (n: number | undefined) => (n ?? 0).toFixed((n ?? 0) < 100 ? 1 : 0);
  const median = show(sorted[Math.floor(sorted.length / 2)]);
  process.stdout.write(
    `${what}: median ${median}${unit} (${show(sorted[0])} to ${show(sorted.at(-1))}, ${sorted.length} measurements)\n`,
  );
}
