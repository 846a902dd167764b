/** Runs the benchmarks one after the other, each in a process of its own, so that none leaves its memory to the next. */
import path from 'node:path';
import { runInForeground } from '../../src/engines/process/background.ts';

const parts = [
  'datastore',
  'api',
  'dns',
  'ingress',
  'network',
  'policy',
  'services',
  'tunnel',
  'failover',
  'failover-bgp',
  'cluster',
] as const;

/** Throws when a benchmark fails or is not known. */
export async function runBenchmarks(only: readonly string[]): Promise<void> {
  for (const name of only) {
    if (!parts.some((part) => part === name))
      throw new Error(`there is no benchmark ${name}; there are ${parts.join(', ')}`);
  }
  for (const part of parts) {
    if (only.length > 0 && !only.includes(part)) continue;
    process.stdout.write(`== ${part}\n`);
    const file = path.join(import.meta.dirname, `${part}.ts`);
    const status = await runInForeground(process.execPath, [...process.execArgv, file], process.env);
    if (status !== 0) throw new Error(`the benchmark ${part} ended with status ${status}`);
  }
}
