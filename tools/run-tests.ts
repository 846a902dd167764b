/**
 * Runs everything that proves Wherry, in order from cheap to dear, and prints at the end what failed and why, then
 * `N passed, N failed`. Called by `./wherry test`.
 */
import { globSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { run } from 'node:test';
import { runInForeground } from '../src/engines/process/background.ts';
import { seedVariable } from './property.ts';

const root = path.join(import.meta.dirname, '..');

interface Phase {
  readonly name: string;
  readonly patterns: readonly string[];
  /** Files that run at the same time: one where tests share names in the kernel; whole clusters have none in common. */
  readonly concurrency: number;
}

/** A file that takes longer is named with its time: what CI takes is made of these. */
const slowMs = 15_000;

const phases: readonly Phase[] = [
  { name: 'unit', patterns: ['src/**/*.test.ts', 'tools/*.test.ts'], concurrency: 2 },
  { name: 'compliance', patterns: ['test/compliance/**/*.test.ts'], concurrency: 1 },
  { name: 'sim', patterns: ['test/sim/**/*.test.ts'], concurrency: 1 },
  { name: 'component', patterns: ['test/component/**/*.test.ts'], concurrency: 1 },
  { name: 'e2e', patterns: ['test/e2e/**/*.test.ts'], concurrency: 2 },
];

export interface TestOptions {
  /** Also what takes longer than a CI run may: files named *.long.test.ts. */
  readonly long: boolean;
  /** Only files whose path contains one of these; all when empty. */
  readonly only: readonly string[];
}

interface Failure {
  readonly where: string;
  readonly what: string;
}

/** Resolves with the exit status: 0 when nothing failed and something passed. */
export async function runTests(options: TestOptions): Promise<number> {
  if (options.long) process.env[seedVariable] ??= 'random';
  const failures: Failure[] = [];
  let passed = 0;
  if (options.only.length === 0) {
    for (const [name, args] of [
      ['tsc', ['--noEmit']],
      ['biome', ['check', '.']],
    ] as const) {
      const status = await runInForeground(path.join(root, 'node_modules/.bin', name), args, {
        ...process.env,
        PWD: root,
      });
      if (status === 0) passed++;
      else
        failures.push({
          where: name,
          what: `${name} ${args.join(' ')} ended with status ${status}; its output stands at the top`,
        });
      process.stdout.write(`${status === 0 ? 'ok    ' : 'FAILED'} ${name}\n`);
    }
  }
  for (const phase of phases) {
    const files = filesOf(phase, options);
    if (files.length === 0) continue;
    const began = performance.now();
    const before = failures.length;
    const result = await runPhase(files, phase.concurrency);
    passed += result.passed;
    failures.push(...result.failures);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const mark = failures.length === before ? 'ok    ' : 'FAILED';
    process.stdout.write(
      `${mark} ${phase.name}: ${files.length} files, ${result.passed} tests passed, ${result.failures.length} failed, ${seconds} s\n`,
    );
  }
  for (const failure of failures) process.stdout.write(`\nFAILED ${failure.where}\n${indent(failure.what)}\n`);
  process.stdout.write(`\n${passed} passed, ${failures.length} failed\n`);
  return failures.length === 0 && passed > 0 ? 0 : 1;
}

function filesOf(phase: Phase, options: TestOptions): string[] {
  return globSync([...phase.patterns], { cwd: root })
    .filter((file) => options.long || !file.endsWith('.long.test.ts'))
    .filter((file) => options.only.length === 0 || options.only.some((part) => file.includes(part)))
    .map((file) => path.join(root, file))
    .sort();
}

function runPhase(files: readonly string[], concurrency: number): Promise<{ passed: number; failures: Failure[] }> {
  return new Promise((resolve, reject) => {
    const failures: Failure[] = [];
    let passed = 0;
    let output = '';
    const stream = run({
      files: [...files],
      concurrency,
      isolation: 'process',
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    stream.on('test:pass', (event) => {
      if (event.details.type !== 'suite' && event.name !== event.file) passed++;
    });
    stream.on('test:fail', (event) => {
      // The parent of a failed test fails too; only the leaf says why.
      if (/\bsubtests? failed$/.test(String(event.details.error.message))) return;
      const cause = event.details.error.cause;
      const what =
        cause instanceof Error ? (cause.stack ?? cause.message) : String(cause ?? event.details.error.message);
      const file = path.relative(root, event.file ?? '');
      failures.push({
        where: `${file}:${event.line ?? 0} ${event.name}`,
        what: `${what}\n${output.slice(-2000)}`.trim(),
      });
      process.stdout.write(`  failed: ${file} ${event.name}\n`);
    });
    stream.on('test:stderr', (event) => {
      output = (output + event.message).slice(-8000);
    });
    stream.on('test:stdout', (event) => process.stdout.write(event.message));
    stream.on('test:summary', ({ file, duration_ms: ms }) => {
      if (file === undefined || ms < slowMs) return;
      process.stdout.write(`  ${(ms / 1000).toFixed(0).padStart(4)} s ${path.relative(root, file)}\n`);
    });
    stream.once('end', () => resolve({ passed, failures }));
    stream.once('error', reject);
    stream.resume();
  });
}

function indent(text: string): string {
  return text
    .split('\n')
    .slice(0, 80)
    .map((line) => `  ${line}`)
    .join('\n');
}
