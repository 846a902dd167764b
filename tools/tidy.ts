/**
 * The rules of the house, as a program: who may import whom, how long a file may be, what only some rooms may touch.
 * `node tools/tidy.ts` prints each violation and ends with status 1 if there is one; tidy.test.ts runs it on the
 * repository and on planted violations.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

/** A source file: its path relative to the repository's root, with slashes, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export interface Violation {
  readonly path: string;
  readonly rule:
    | 'layering'
    | 'cycle'
    | 'length'
    | 'barrel'
    | 'environment'
    | 'child-process'
    | 'unknown-room'
    | 'extension';
  readonly message: string;
}

const maxLines = 600;

const feature = ['runtime', 'client', 'kube', 'wire', 'core', 'engines'];
/** For each room the rooms that it may import besides itself. Rooms that are absent here (server, cli) may import all. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  core: [],
  wire: ['core'],
  kube: ['core'],
  client: ['kube', 'wire', 'core'],
  runtime: ['client', 'kube', 'wire', 'core'],
  engines: ['core', 'wire'],
  datastore: ['engines', 'core'],
  apiserver: ['datastore', 'kube', 'wire', 'core', 'client'],
  controllers: ['runtime', 'client', 'kube', 'core'],
  scheduler: ['runtime', 'client', 'kube', 'core'],
  node: feature,
  network: feature,
  loadbalancer: feature,
  ingress: feature,
  storage: feature,
  tunnel: feature,
  doctor: feature,
};
const composers = ['server', 'cli'];

const importPattern =
  /^(?:import|export)\b[^'"]*?from\s+['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|new URL\(\s*['"](\.[^'"]+\.ts)['"]/gm;

/** Checks all files together and returns what breaks a rule, in the order of the files. */
export function tidy(files: readonly SourceFile[]): readonly Violation[] {
  return [...files.flatMap(checkFile), ...findCycles(files)];
}

function checkFile(file: SourceFile): Violation[] {
  const violations: Violation[] = [];
  const say = (rule: Violation['rule'], message: string) => violations.push({ path: file.path, rule, message });
  const generated = file.path.includes('.gen.');
  const test = isTest(file.path);
  const room = roomOf(file.path);
  const lines = file.text.split('\n').length - 1;
  if (!generated && lines > maxLines) say('length', `${lines} lines, ${maxLines} at most`);
  if (room !== undefined && mayImport[room] === undefined && !composers.includes(room))
    say('unknown-room', `src/${room} has no rule`);

  const statements = file.text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('//'));
  if (statements.length > 0 && statements.every((line) => /^export\b.*\bfrom\b/.test(line)))
    say('barrel', 'only re-exports; import from where things stand');

  for (const specifier of importsOf(file.text)) {
    if (/^(node:)?child_process$/.test(specifier) && room !== undefined && room !== 'engines' && !test) {
      say('child-process', 'programs are run by src/engines');
    }
    if (!specifier.startsWith('.')) continue;
    if (!/\.(ts|json)$/.test(specifier)) say('extension', `${specifier}: imports carry their extension`);
    const target = roomOf(path.posix.join(path.posix.dirname(file.path), specifier));
    if (room === undefined || target === undefined || target === room || test || composers.includes(room)) continue;
    if (!(mayImport[room] ?? []).includes(target)) say('layering', `${room} may not import ${target} (${specifier})`);
  }
  if (room !== undefined && !composers.includes(room) && !test && /\bprocess\.env\b/.test(file.text)) {
    say('environment', 'process.env is read in cli and server alone');
  }
  return violations;
}

function findCycles(files: readonly SourceFile[]): Violation[] {
  const graph = new Map<string, string[]>();
  for (const file of files) {
    // A type import vanishes at run time, so it can't make a cycle of initialisation.
    const text = file.text.replace(/^(?:import|export) type\b[^;]*;/gm, '').replace(/new URL\([^)]*\)/g, '');
    const targets = importsOf(text).filter((s) => s.startsWith('.'));
    graph.set(
      file.path,
      targets.map((s) => path.posix.join(path.posix.dirname(file.path), s)),
    );
  }
  const violations: Violation[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (node: string, trail: readonly string[]) => {
    if (state.get(node) === 'done') return;
    if (state.get(node) === 'open') {
      const cycle = [...trail.slice(trail.indexOf(node)), node];
      violations.push({ path: node, rule: 'cycle', message: cycle.join(' -> ') });
      return;
    }
    state.set(node, 'open');
    for (const next of graph.get(node) ?? []) visit(next, [...trail, node]);
    state.set(node, 'done');
  };
  for (const file of files) visit(file.path, []);
  return violations;
}

function importsOf(text: string): string[] {
  return [...text.matchAll(importPattern)].map((m) => m[1] ?? m[2] ?? m[3] ?? m[4] ?? '');
}

function roomOf(file: string): string | undefined {
  const parts = file.split('/');
  return parts[0] === 'src' && parts.length > 2 ? parts[1] : undefined;
}

function isTest(file: string): boolean {
  return file.endsWith('.test.ts') || file.startsWith('test/');
}

/** Reads the TypeScript files below src, test and tools of the repository at `root`. */
export function readSources(root: string): SourceFile[] {
  const files: SourceFile[] = [];
  for (const top of ['src', 'test', 'tools']) {
    for (const entry of readdirSync(path.join(root, top), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const full = path.join(entry.parentPath, entry.name);
      files.push({ path: path.relative(root, full).split(path.sep).join('/'), text: readFileSync(full, 'utf8') });
    }
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

if (import.meta.main) {
  const violations = tidy(readSources(path.join(import.meta.dirname, '..')));
  for (const v of violations) console.log(`${v.path}: ${v.rule}: ${v.message}`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}
