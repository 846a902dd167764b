/**
 * An API server of our own without controllers, for the recorded scenarios and for trying things out. Its data is in a
 * temporary directory that goes away with it; it ends with SIGINT, SIGTERM or when standard input closes (--stdin).
 *
 *     node test/compliance/oracle-server.ts [--port 0] [--data DIR] [--pidfile FILE]
 *         prints one line of JSON: {"url", "ca", "token", "pid", "directory"}; then
 *         kubectl --server URL --certificate-authority CA --token oracle-admin get ns
 *     node test/compliance/oracle-server.ts --replay lists [--only GLOB] [--report FILE] [--show N]
 *         starts it, replays ../shared/kubernetes-1.36/scenarios/lists.jsonl against it, prints what replay.mjs says, ends
 *
 * `--replay` may be given several times; `--replay all` takes every file of scenarios. The token `oracle-admin` is user
 * `admin` in system:masters.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createLog } from '../../src/core/log.ts';
import { openSqliteBackend } from '../../src/datastore/sqlite/backend.ts';
import { type OracleServer, startOracleServer } from './oracle-composition.ts';

/** Where the recordings are, beside the repository; absent in a clone of the repository alone. */
export const oracleDirectory = resolve(import.meta.dirname, '../../../shared/kubernetes-1.36');

/** A certificate for 127.0.0.1 that is its own authority, made by openssl. */
export function selfSigned(directory: string): {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly caFile: string;
} {
  const certFile = join(directory, 'server.crt');
  const keyFile = join(directory, 'server.key');
  const subject = ['-subj', '/CN=oracle', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const files = ['-keyout', keyFile, '-out', certFile];
  execFileSync('openssl', ['req', '-x509', ...curve, '-nodes', '-days', '2', ...files, ...subject], {
    stdio: 'ignore',
  });
  return { cert: readFileSync(certFile), key: readFileSync(keyFile), caFile: certFile };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      data: { type: 'string' },
      pidfile: { type: 'string' },
      stdin: { type: 'boolean', default: false },
      replay: { type: 'string', multiple: true },
      only: { type: 'string' },
      report: { type: 'string' },
      show: { type: 'string' },
      verbose: { type: 'boolean', default: false },
    },
  });
  const directory = values.data ?? mkdtempSync(join(tmpdir(), 'wherry-oracle-'));
  const tls = selfSigned(directory);
  const backend = await openSqliteBackend({ directory: join(directory, 'db') });
  const log = createLog(values.verbose ? 'debug' : 'warn');
  const server = await startOracleServer({ backend, tls, log, port: Number(values.port) });
  let isEnding = false;
  const end = async (code: number) => {
    if (isEnding) return;
    isEnding = true;
    await server[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
    if (values.data === undefined) rmSync(directory, { recursive: true, force: true });
    process.exit(code);
  };
  process.on('SIGINT', () => void end(0));
  process.on('SIGTERM', () => void end(0));
  if (values.stdin) process.stdin.on('end', () => void end(0)).resume();
  if (values.pidfile !== undefined) writeFileSync(values.pidfile, `${process.pid}\n`);
  const url = `https://127.0.0.1:${server.port}`;
  if (values.replay === undefined) {
    console.log(JSON.stringify({ url, ca: tls.caFile, token: server.token, pid: process.pid, directory }));
    return;
  }
  const more = (['only', 'report', 'show'] as const).flatMap((name) => {
    const value = values[name];
    return value === undefined ? [] : [`--${name}`, value];
  });
  await end(await replay(server, url, tls.caFile, values.replay, more));
}

async function replay(
  server: OracleServer,
  url: string,
  ca: string,
  topics: readonly string[],
  more: readonly string[],
): Promise<number> {
  if (!existsSync(oracleDirectory)) {
    console.log('the recordings of a real Kubernetes are not here: nothing is compared');
    return 0;
  }
  const scenarios = join(oracleDirectory, 'scenarios');
  const names = topics.includes('all') ? readdirSync(scenarios) : topics.map((topic) => `${topic}.jsonl`);
  const files = names.filter((name) => name.endsWith('.jsonl')).map((name) => join(scenarios, name));
  const args = ['--server', url, '--ca', ca, '--token', server.token, ...more, ...files];
  const child = spawn(process.execPath, [join(oracleDirectory, 'replay.mjs'), ...args], { stdio: 'inherit' });
  return await new Promise((done) => child.on('exit', (code) => done(code ?? 1)));
}

if (import.meta.main) await main();
