import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { readSources, tidy, type Violation } from './tidy.ts';

const rulesOf = (violations: readonly Violation[]) => violations.map((v) => `${v.path}: ${v.rule}`);

test('the repository keeps the rules of the house', () => {
  assert.deepEqual(tidy(readSources(path.join(import.meta.dirname, '..'))), []);
});

test('a feature that imports the API server is caught', () => {
  const found = tidy([
    {
      path: 'src/storage/localpath/provisioner.ts',
      text: "import { createApiServer } from '../../apiserver/api-server.ts';\n",
    },
    { path: 'src/apiserver/api-server.ts', text: 'export const createApiServer = 1;\n' },
  ]);
  assert.deepEqual(rulesOf(found), ['src/storage/localpath/provisioner.ts: layering']);
});

test('the composition root may import every room', () => {
  assert.deepEqual(tidy([{ path: 'src/server/run.ts', text: "import { x } from '../apiserver/a.ts';\nx();\n" }]), []);
});

test('two features that import each other are caught, also in type imports', () => {
  const found = tidy([
    { path: 'src/node/agent.ts', text: "import type { X } from '../network/x.ts';\nexport type Y = X;\n" },
  ]);
  assert.deepEqual(rulesOf(found), ['src/node/agent.ts: layering']);
});

test('a cycle at run time is caught, one of types alone is not', () => {
  const a = { path: 'src/core/a.ts', text: "import { b } from './b.ts';\nexport const a = () => b;\n" };
  const b = "import { a } from './a.ts';\nexport const b = () => a;\n";
  assert.deepEqual(rulesOf(tidy([a, { path: 'src/core/b.ts', text: b }])), ['src/core/a.ts: cycle']);
  assert.deepEqual(tidy([a, { path: 'src/core/b.ts', text: b.replace('import', 'import type') }]), []);
});

test('files over the limit, barrels, the environment and child processes are caught', () => {
  const found = tidy([
    { path: 'src/core/long.ts', text: 'export {};\n'.repeat(601) },
    { path: 'src/kube/index.ts', text: "export { pods } from './resources.gen.ts';\n" },
    { path: 'src/node/env.ts', text: 'export const path = process.env.PATH;\n' },
    { path: 'src/node/run.ts', text: "import { spawn } from 'node:child_process';\nspawn('true');\n" },
    { path: 'src/engines/process/run.ts', text: "import { spawn } from 'node:child_process';\nspawn('true');\n" },
    { path: 'src/cli/main.ts', text: 'export const path = process.env.PATH;\n' },
  ]);
  assert.deepEqual(rulesOf(found), [
    'src/core/long.ts: length',
    'src/kube/index.ts: barrel',
    'src/node/env.ts: environment',
    'src/node/run.ts: child-process',
  ]);
});
