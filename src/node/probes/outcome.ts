/** What one try of a probe says. A warning counts as a success and is told. */
export interface ProbeOutcome {
  readonly result: 'success' | 'warning' | 'failure';
  readonly output: string;
}
