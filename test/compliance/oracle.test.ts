/**
 * The recorded answers of a real Kubernetes, replayed against our API server. oracle-ratchet.json holds how many steps of
 * each topic passed before: fewer is a failure, more is to be written down there. Without the recordings beside the
 * repository this suite says so and is left out.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { isObject } from '../../src/core/json.ts';
import { kubectlPath, runCommand } from '../testbed/kubectl.ts';
import { oracleDirectory } from './oracle-server.ts';

type Counts = Readonly<Record<string, { readonly passed: number; readonly of: number }>>;

const ratchetFile = path.join(import.meta.dirname, 'oracle-ratchet.json');
/** Steps that a busy machine may lose to the recordings' own deadlines, in each topic. */
const timingSteps = 3;
const replayTimeoutMs = 600_000;

if (existsSync(oracleDirectory)) {
  test('no fewer recorded steps pass than before', { timeout: 2 * replayTimeoutMs }, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'wherry-oracle-test-'));
    try {
      await using server = await startServer();
      const counts = { ...(await replayScenarios(server, folder)), kubectl: await replayKubectl(server, folder) };
      const ratchet: unknown = JSON.parse(readFileSync(ratchetFile, 'utf8'));
      assert.ok(isObject(ratchet));
      process.stdout.write(`${table(counts, ratchet)}\n`);
      for (const [topic, { passed }] of Object.entries(counts)) {
        const before: number = Number(ratchet[topic] ?? 0);
        assert.ok(passed >= before - timingSteps, `${topic}: ${passed} steps pass, ${before} did before`);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
} else {
  process.stdout.write(
    'The recordings of a real Kubernetes are not beside this repository: their replay is left out.\n',
  );
}

interface Server extends AsyncDisposable {
  readonly url: string;
  readonly ca: string;
  readonly token: string;
}

async function startServer(): Promise<Server> {
  const script = path.join(import.meta.dirname, 'oracle-server.ts');
  const child = spawn(process.execPath, [...process.execArgv, script, '--stdin'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(text);
    });
    child.once('close', (status) => reject(new Error(`the server ended with status ${status}`)));
  });
  const { url, ca, token }: { url: string; ca: string; token: string } = JSON.parse(line);
  return {
    url,
    ca,
    token,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => child.once('close', resolve));
      child.stdin.end();
      await closed;
    },
  };
}

async function replay(program: string, server: Server, report: string, more: readonly string[]): Promise<unknown> {
  const access = [
    '--server',
    server.url,
    '--ca',
    server.ca,
    '--token',
    server.token,
    '--report',
    report,
    '--show',
    '0',
  ];
  const result = await runCommand(process.execPath, [path.join(oracleDirectory, program), ...access, ...more], {
    timeoutMs: replayTimeoutMs,
  });
  // Status 1 says that steps failed, which the counts judge; anything else is the replay's own failure.
  assert.ok(result.status <= 1, `${program}: ${result.stderr}${result.stdout.slice(-2000)}`);
  return JSON.parse(readFileSync(report, 'utf8'));
}

async function replayScenarios(server: Server, folder: string): Promise<Counts> {
  const report = await replay('replay.mjs', server, path.join(folder, 'scenarios.json'), []);
  assert.ok(isObject(report) && isObject(report['topics']));
  const counts: Record<string, { passed: number; of: number }> = {};
  for (const [topic, value] of Object.entries(report['topics'])) {
    if (isObject(value)) counts[topic] = { passed: Number(value['passed']), of: Number(value['steps']) };
  }
  for (const { topic, failures } of report['results'] as readonly ScenarioResult[]) {
    const count = counts[topic];
    if (count !== undefined) count.passed += failures.filter(({ diffs }) => diffs.every(isOlder)).length;
  }
  return counts;
}

interface Difference {
  readonly expected?: unknown;
  readonly got?: unknown;
}

interface ScenarioResult {
  readonly topic: string;
  readonly failures: readonly { readonly diffs: readonly Difference[] }[];
}

/** Ages of what bears a fixed date in the recordings grow from day to day: `6y326d` then is `6y327d` now. */
function isOlder({ expected, got }: Difference): boolean {
  const ageless = (value: unknown) => JSON.stringify(value)?.replace(/\b\d+y\d+d\b/g, 'AGE');
  return expected !== undefined && ageless(expected) === ageless(got);
}

async function replayKubectl(server: Server, folder: string): Promise<Counts[string]> {
  const kubectl = ['--kubectl', kubectlPath('1.36'), '--jobs', '2'];
  const report = await replay('replay-kubectl.mjs', server, path.join(folder, 'kubectl.json'), kubectl);
  assert.ok(Array.isArray(report));
  const steps = new Map<string, number>();
  for (const file of [
    'apply',
    'auth',
    'crd',
    'create',
    'describe',
    'diff',
    'discovery',
    'events',
    'explain',
    'get',
    'mutate',
    'pods',
    'wait',
  ]) {
    const lines = readFileSync(path.join(oracleDirectory, 'kubectl', `${file}.jsonl`), 'utf8').split('\n');
    for (const line of lines.filter((l) => l.trim() !== '')) {
      const { id, steps: all }: { id: string; steps: unknown[] } = JSON.parse(line);
      steps.set(id, all.length);
    }
  }
  let of = 0;
  let failed = 0;
  for (const result of report) {
    of += steps.get(String(result.id)) ?? 0;
    failed += Array.isArray(result.failures)
      ? (result.failures as ScenarioResult['failures']).filter(({ diffs }) => !diffs.every(isOlder)).length
      : 0;
  }
  return { passed: of - failed, of };
}

function table(counts: Counts, ratchet: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(counts)
    .sort()
    .map(
      ([topic, { passed, of }]) =>
        `${topic.padEnd(14)} ${String(passed).padStart(5)} of ${String(of).padStart(5)}  ${((100 * passed) / of).toFixed(1).padStart(5)} %  before ${String(ratchet[topic] ?? 0).padStart(5)}`,
    );
  return `recorded steps that pass:\n${rows.join('\n')}`;
}
