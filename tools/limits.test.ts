import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { type Bound, boundsOf, constantValue, problemsOf } from './limits.ts';

const root = path.join(import.meta.dirname, '..');

function readSource(file: string): string | undefined {
  try {
    return readFileSync(path.join(root, file), 'utf8');
  } catch {
    return undefined;
  }
}

test('docs/limits.md says what the code does', () => {
  const bounds = boundsOf(readFileSync(path.join(root, 'docs/limits.md'), 'utf8'));
  assert.ok(bounds.length > 150, `only ${bounds.length} rows were read`);
  assert.deepEqual(
    bounds.flatMap((bound) => problemsOf(bound, readSource)),
    [],
  );
});

test('constants are found as declarations, as members and as defaults, and worked out', () => {
  const source = `
    const dayMs = 24 * 60 * 60 * 1000;
    export const lifetimeMs: number = 365 * dayMs;
    const candidates = 1n << 20n;
    const seconds = 2 ** 32;
    const limits = { events: 1_000, nested: true };
    const other = { events: 5 };
    function run({ timeoutMs = 30_000 }) {}
  `;
  assert.equal(constantValue(source, 'lifetimeMs'), 31_536_000_000);
  assert.equal(constantValue(source, 'candidates'), 1_048_576);
  assert.equal(constantValue(source, 'seconds'), 4_294_967_296);
  assert.equal(constantValue(source, 'limits.events'), 1000);
  assert.equal(constantValue(source, 'other.events'), 5);
  assert.equal(constantValue(source, 'timeoutMs'), 30_000);
  assert.equal(constantValue(source, 'absent'), undefined);
});

const row = (bound: string, unit: string, ...places: string[]): Bound => ({
  name: 'x',
  bound,
  unit,
  places: places.map((constant) => ({ file: 'a.ts', constant })),
});

test('a bound that has changed, moved or gone is told', () => {
  const read = (file: string) =>
    file === 'a.ts' ? 'const waitMs = 5_000;\nconst sizeBytes = 3 * 1024 * 1024;\n' : undefined;
  assert.deepEqual(problemsOf(row('5', 's', 'waitMs'), read), []);
  assert.deepEqual(problemsOf(row('5, 3', 's, MiB', 'waitMs', 'sizeBytes'), read), []);
  assert.equal(problemsOf(row('6', 's', 'waitMs'), read).length, 1);
  assert.equal(problemsOf(row('3', 'KiB', 'sizeBytes'), read).length, 1);
  assert.equal(problemsOf(row('5', 's', 'pauseMs'), read).length, 1);
  assert.equal(problemsOf(row('5', 's', 'waitMs', 'sizeBytes'), read).length, 1);
  assert.equal(problemsOf({ ...row('5', 's'), places: [{ file: 'b.ts', constant: 'waitMs' }] }, read).length, 1);
});
