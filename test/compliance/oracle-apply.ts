/**
 * Replays the recorded writes of a real API server against src/kube/patch and src/kube/apply, without a server: the
 * recorded objects are the states before and after each write, and managedFields must come out as recorded. Parts of an
 * object that admission or the registry adds are owned by nobody and make some recordings unusable here; the program
 * prints what it left out. Run: node test/compliance/oracle-apply.ts [--verbose] [TOPIC...]
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import type { Json, JsonObject } from '../../src/core/json.ts';
import { applyConfiguration } from '../../src/kube/apply/apply.ts';
import { ApplyConflict, ApplyError } from '../../src/kube/apply/apply-error.ts';
import type { FieldManagement } from '../../src/kube/apply/context.ts';
import { managedFieldsOf } from '../../src/kube/apply/object-fields.ts';
import { updateManagedFields } from '../../src/kube/apply/update.ts';
import { isJsonObject, jsonEqual } from '../../src/kube/patch/json-object.ts';
import { apiVersionOf, type Resource } from '../../src/kube/resource.ts';
import { builtinResources } from '../../src/kube/resources.gen.ts';
import { schemaOf } from '../../src/kube/schema/builtin.ts';

interface Step {
  readonly method: string;
  readonly path: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Json;
  readonly expect: { readonly status: number; readonly body?: Json; readonly omit?: readonly string[] };
}
interface Scenario {
  readonly id: string;
  readonly steps: readonly Step[];
}
interface Target {
  readonly resource: Resource;
  readonly name: string;
  readonly subresource: string;
}

// The registry or admission adds to these when they are created, after ownership was recorded.
const completedOnCreate = new Set(['jobs', 'namespaces', 'nodes', 'persistentvolumeclaims', 'pods', 'services']);

const recordings = path.join(import.meta.dirname, '../../../shared/kubernetes-1.36/scenarios');
const { values, positionals } = parseArgs({ options: { verbose: { type: 'boolean' } }, allowPositionals: true });
if (!existsSync(recordings)) {
  console.log('oracle-apply: left out, the recordings are not here');
} else {
  process.exitCode = run(positionals.length > 0 ? positionals : ['apply', 'patches', 'writes']) ? 0 : 1;
}

function run(topics: readonly string[]): boolean {
  let good = true;
  for (const topic of topics) {
    const tally = { passed: 0, failed: 0, skipped: 0 };
    for (const line of readFileSync(path.join(recordings, `${topic}.jsonl`), 'utf8').split('\n')) {
      if (line !== '') replay(JSON.parse(line) as Scenario, tally);
    }
    console.log(`${topic}: ${tally.passed} of ${tally.passed + tally.failed} passed, ${tally.skipped} left out`);
    good &&= tally.failed === 0;
  }
  return good;
}

function replay(scenario: Scenario, tally: { passed: number; failed: number; skipped: number }): void {
  const states = new Map<string, JsonObject>();
  for (const [index, step] of scenario.steps.entries()) {
    const target = targetOf(step);
    if (target === null) continue;
    const key = `${target.resource.plural}.${target.resource.group}/${target.name}`;
    const verdict = step.expect.status < 300 || isApply(step) ? judge(step, target, states.get(key) ?? null) : null;
    if (verdict === '') tally.passed++;
    else if (verdict === null) tally.skipped++;
    else {
      tally.failed++;
      console.log(`  ${scenario.id} step ${index}: ${verdict}`);
    }
    const { body } = step.expect;
    const isDryRun = step.query?.includes('dryRun=All') ?? false;
    if (isJsonObject(body) && body.kind === target.resource.kind && !isDryRun && step.expect.status < 300) {
      if (step.expect.omit?.includes('metadata.managedFields')) states.delete(key);
      else states.set(key, body);
    }
    if (step.method === 'DELETE') states.delete(key);
  }
}

/** '' when it came out as recorded, null when this program can't tell, else what differs. */
function judge(step: Step, target: Target, live: JsonObject | null): string | null {
  if (!['POST', 'PUT', 'PATCH'].includes(step.method) || step.expect.omit?.includes('metadata.managedFields'))
    return null;
  const result = step.expect.body;
  if (!isJsonObject(result)) return null;
  if (isApply(step)) return judgeApply(step, target, live);
  if (result.kind !== target.resource.kind || (target.subresource !== '' && target.subresource !== 'status'))
    return null;
  if (step.method !== 'POST' && live === null) return null;
  if (step.method === 'POST' && completedOnCreate.has(target.resource.plural)) return null;
  if (live !== null && !isOfOneVersion(live, result)) return null;
  const sent = step.method === 'PUT' && isJsonObject(step.body) ? managedFieldsOf(step.body) : undefined;
  const context = contextOf(step, target);
  const next = withSentFields(result, sent);
  return compareFields(updateManagedFields(step.method === 'POST' ? null : live, next, context), result);
}

// Managers of another version need its conversion.
function isOfOneVersion(live: JsonObject, result: JsonObject): boolean {
  const entries = managedFieldsOf(live) ?? [];
  return live.apiVersion === result.apiVersion && entries.every((entry) => entry.apiVersion === live.apiVersion);
}

function judgeApply(step: Step, target: Target, live: JsonObject | null): string | null {
  const result = step.expect.body;
  if (!isJsonObject(step.body) || !isJsonObject(result)) return null;
  try {
    const force = /force=true/.test(step.query ?? '');
    const applied = applyConfiguration(live, step.body, { ...contextOf(step, target), force });
    if (step.expect.status >= 400) {
      return step.expect.status === 422 ? null : `expected ${step.expect.status} ${String(result.message)}`;
    }
    return compareFields(applied, result);
  } catch (error) {
    if (!(error instanceof ApplyConflict) && !(error instanceof ApplyError)) throw error;
    return error.message === result.message ? '' : `${error.message}\n    recorded: ${String(result.message)}`;
  }
}

function compareFields(actual: JsonObject, recorded: JsonObject): string {
  const ours = ownership(actual);
  const theirs = ownership(recorded);
  if (jsonEqual(ours, theirs)) return '';
  return values.verbose
    ? `\n    ours   ${JSON.stringify(ours)}\n    theirs ${JSON.stringify(theirs)}`
    : 'managedFields';
}

// Times are placeholders in the recordings, and order depends on them.
function ownership(object: JsonObject): Json {
  const entries = (managedFieldsOf(object) ?? []).map((entry) => {
    const { time, ...rest } = entry;
    return { ...rest, hasTime: time !== undefined } as unknown as JsonObject;
  });
  return entries.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

function withSentFields(result: JsonObject, sent: ReturnType<typeof managedFieldsOf>): JsonObject {
  const metadata = isJsonObject(result.metadata) ? { ...result.metadata } : {};
  delete metadata.managedFields;
  return {
    ...result,
    metadata: sent === undefined ? metadata : { ...metadata, managedFields: sent as unknown as Json },
  };
}

function contextOf(step: Step, target: Target): FieldManagement {
  const query = new URLSearchParams(step.query ?? '');
  const { resource, subresource } = target;
  const hasStatus = resource.subresources.some((s) => s.name === 'status');
  return {
    schema: schemaOf(resource.typeName ?? ''),
    manager: query.get('fieldManager') ?? 'oracle',
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    subresource,
    now: '2026-01-01T00:00:00Z',
    resetFields:
      resource.plural === 'certificatesigningrequests'
        ? [['f:spec'], ['f:status']]
        : subresource === 'status'
          ? [['f:spec']]
          : hasStatus
            ? [['f:status']]
            : [],
  };
}

function isApply(step: Step): boolean {
  return step.method === 'PATCH' && (step.headers?.['content-type'] ?? '').startsWith('application/apply-patch');
}

function targetOf(step: Step): Target | null {
  const match =
    /^\/(?:api|apis\/([^/]+))\/([^/]+)(?:\/namespaces\/\$\{[^}]+\})?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
      step.path,
    );
  if (match === null) return null;
  const [, group = '', version, plural, name, subresource = ''] = match;
  const resource = builtinResources.find((r) => r.group === group && r.version === version && r.plural === plural);
  if (resource?.typeName == null) return null;
  const metadata = isJsonObject(step.body) && isJsonObject(step.body.metadata) ? step.body.metadata : {};
  return { resource, name: name ?? String(metadata.name ?? ''), subresource };
}
