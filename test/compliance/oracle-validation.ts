/**
 * Compares what validation alone says (decoding, defaults, preparation, metadata, kind) with what a real API server
 * said, message for message and cause for cause, without a server: the recorded POST, PUT and PATCH requests for built-in
 * kinds, subresources included.
 *
 *     node test/compliance/oracle-validation.ts [--verbose] [--only TEXT] [TOPIC ...]
 *
 * `--only` takes the scenarios whose id contains TEXT. Where the outcome depends on admission, on allocators or on
 * anything else that a server keeps, the request is left out. Says so in one line and ends when the recordings are
 * absent.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import type { ServedKind } from '../../src/apiserver/kind-registry.ts';
import { checkChanged, checkNew, settleNamespace } from '../../src/apiserver/registry/validate.ts';
import { isObject, type Json, type JsonObject } from '../../src/core/json.ts';
import { draft } from '../../src/kube/draft.ts';
import type { Kind } from '../../src/kube/kind.ts';
import { builtinKinds } from '../../src/kube/kinds/all.ts';
import type { KubeObject, Status } from '../../src/kube/object.ts';
import { applyJsonPatch, decodeJsonPatch } from '../../src/kube/patch/json-patch.ts';
import { applyMergePatch } from '../../src/kube/patch/merge-patch.ts';
import { PatchError } from '../../src/kube/patch/patch-error.ts';
import { applyStrategicMergePatch } from '../../src/kube/patch/strategic-merge-patch.ts';
import { schemaOf } from '../../src/kube/schema/builtin.ts';
import { decode, type FieldValidation } from '../../src/kube/schema/decode.ts';
import { StatusError } from '../../src/kube/status-error.ts';

type Body = Record<string, unknown>;
interface Step {
  readonly method: string;
  readonly path: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly expect: { readonly status: number; readonly body?: unknown; readonly omit?: readonly string[] };
}

interface Target {
  readonly kind: Kind;
  readonly name: string;
  readonly subresource: string;
}

const scenarios = path.join(import.meta.dirname, '../../../shared/kubernetes-1.36/scenarios');
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { verbose: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
});
if (!existsSync(scenarios)) {
  console.log('oracle-validation: the recordings are absent, nothing to compare with');
  process.exit(0);
}

const uid = '11111111-2222-3333-4444-555555555555';
const suffix = 'abcde';
const generatedNameStartMax = 58;

const defaultKeys = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

const tally = new Map<string, { passed: number; total: number }>();
const failures: string[] = [];

for (const topic of positionals.length > 0 ? positionals : ['validation']) {
  const lines = readFileSync(path.join(scenarios, `${topic}.jsonl`), 'utf8')
    .trim()
    .split('\n');
  for (const line of lines) {
    const scenario = JSON.parse(bind(line)) as { readonly id: string; readonly steps: readonly Step[] };
    if (!scenario.id.includes(flags.only)) continue;
    const stored = new Map<string, KubeObject>();
    for (const [index, step] of scenario.steps.entries()) runStep(`${scenario.id}#${index}`, step, stored);
  }
}
if (flags.verbose) for (const failure of failures) console.log(failure);
let all = 0;
let right = 0;
for (const [name, { passed, total }] of [...tally].sort()) {
  console.log(`${name}: ${passed} of ${total}`);
  all += total;
  right += passed;
}
console.log(`all: ${right} of ${all}`);

/** Puts values in the places of those that varied, so that times parse and names are valid. */
function bind(line: string): string {
  return line
    .replaceAll(/\$\{(?:ct|time|mt)\d*\}/g, '2020-01-01T00:00:00Z')
    .replaceAll(/\$\{ns\}/g, 'ns-1')
    .replaceAll(/"\$\{np\d*\}"/g, '30000')
    .replaceAll(/\$\{(?:any|gen\d*)\}/g, suffix)
    .replaceAll(/\$\{uid\d*\}/g, uid)
    .replaceAll(/\$\{ip\d*\}/g, '10.0.0.1');
}

function runStep(id: string, step: Step, stored: Map<string, KubeObject>): void {
  const target = targetOf(step.path);
  if (target === undefined) return;
  const { kind, name, subresource } = target;
  const created = isObject(step.body) ? Object(step.body['metadata']).name : undefined;
  const key = `${kind.resource.plural}/${step.method === 'POST' ? created : name}`;
  const old = stored.get(key);
  const body = bodyOf(step, kind, old);
  const isCreation = step.method === 'POST' && name === '' && subresource === '';
  if (body === undefined || (step.method === 'POST' && !isCreation)) return;
  if (isComparable(step, isCreation ? undefined : old)) compareStep(id, { ...step, body }, target, old);
  if (step.expect.status < 300 && isObject(step.expect.body) && !step.query?.includes('dryRun')) {
    const object = draft(step.expect.body) as Body;
    restoreOmitted(object, step, old);
    stored.set(key, object as unknown as KubeObject);
  }
}

/** Recordings leave out what varies; pods need what admission gave them. */
function restoreOmitted(object: Body, { expect: { omit = [] } }: Step, before: KubeObject | undefined): void {
  const old = (before as unknown as Body | undefined)?.['spec'];
  if (object['spec'] === undefined && old !== undefined) object['spec'] = draft(old);
  const { spec } = object;
  if (!isObject(spec)) return;
  if (omit.includes('spec.volumes')) spec['volumes'] ??= [{ name: `kube-api-access-${suffix}`, emptyDir: {} }];
  if (omit.includes('spec.tolerations')) spec['tolerations'] ??= defaultKeys.map(defaultToleration);
}

function defaultToleration(key: string): Body {
  return { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 };
}

/** The object that the client sends, or that its patch makes of the stored one. */
function bodyOf(step: Step, { resource }: Kind, old: KubeObject | undefined): Body | undefined {
  const type = step.headers?.['content-type'];
  if (step.method === 'POST' || step.method === 'PUT') {
    return type?.includes('json') !== false && isObject(step.body) ? step.body : undefined;
  }
  if (step.method !== 'PATCH' || old === undefined || typeof step.body !== 'object') return undefined;
  const document = old as unknown as JsonObject;
  const patch = step.body as Json;
  try {
    switch (type) {
      case 'application/merge-patch+json':
        return applyMergePatch(document, patch as JsonObject) as Body;
      case 'application/strategic-merge-patch+json':
        return applyStrategicMergePatch(document, patch as JsonObject, schemaOf(resource.typeName ?? '')) as Body;
      case 'application/json-patch+json':
        return applyJsonPatch(document, decodeJsonPatch(patch)) as Body;
      default:
        return undefined;
    }
  } catch (error) {
    if (error instanceof PatchError) return undefined;
    throw error;
  }
}

/** Whether the outcome is validation's to tell. */
function isComparable({ method, expect: { status, body } }: Step, old: KubeObject | undefined): boolean {
  if (method !== 'POST' && old === undefined) return false;
  if (status < 300) return true;
  const { message = '', reason } = (isObject(body) ? body : {}) as Partial<Status>;
  if (status === 400) return /cannot be handled as/.test(message) && !message.includes('no kind ');
  return status === 422 && reason === 'Invalid' && !/Options\.meta|is invalid: patch: /.test(message);
}

function compareStep(id: string, step: Step, target: Target, old: KubeObject | undefined): void {
  const { plural, group } = target.kind.resource;
  const category = `${group === '' ? 'core' : group}/${plural} ${step.method}`;
  const count = tally.get(category) ?? { passed: 0, total: 0 };
  tally.set(category, count);
  count.total++;
  const got = outcomeOf(step, target, old);
  const wanted = isObject(step.expect.body) ? (step.expect.body as unknown as Status) : undefined;
  const problems: string[] = [];
  if (step.expect.status < 300) {
    if (got !== undefined) problems.push('expected acceptance', `got      ${got.message}`);
  } else if (got?.message !== wanted?.message) {
    problems.push(`expected ${wanted?.message}`, `got      ${got?.message ?? 'acceptance'}`);
  } else if (JSON.stringify(got?.details?.causes) !== JSON.stringify(wanted?.details?.causes)) {
    problems.push(
      `causes   ${JSON.stringify(wanted?.details?.causes)}`,
      `got      ${JSON.stringify(got?.details?.causes)}`,
    );
  }
  if (problems.length === 0) count.passed++;
  else failures.push([`${id} ${step.method} ${step.path}`, ...problems.map((text) => `    ${text}`)].join('\n'));
}

function targetOf(url: string): Target | undefined {
  const parts = url.split('/').slice(1);
  const isCore = parts[0] === 'api';
  const [group = '', version = ''] = isCore ? ['', parts[1]] : [parts[1], parts[2]];
  let rest = parts.slice(isCore ? 2 : 3);
  if (rest[0] === 'namespaces' && rest.length > 2 && rest[2] !== 'status' && rest[2] !== 'finalize') {
    rest = rest.slice(2);
  }
  const [plural, name = '', subresource = ''] = rest;
  const kind = builtinKinds.find(
    ({ resource: r }) => r.group === group && r.version === version && r.plural === plural,
  );
  if (kind === undefined) return undefined;
  if (subresource !== '' && kind.strategy.subresources?.[subresource] === undefined) return undefined;
  return { kind, name, subresource };
}

/** The Status with which the request is refused; undefined: it passes. */
function outcomeOf(step: Step, { kind, subresource }: Target, old: KubeObject | undefined): Status | undefined {
  const { resource, strategy } = kind;
  const served = { kind, resource, isCustom: false } as unknown as ServedKind;
  try {
    const { object: body } = decode(schemaOf(resource.typeName ?? ''), step.body, {
      raw: Buffer.from(JSON.stringify(step.body)),
      fieldValidation:
        (new URLSearchParams(step.query ?? '').get('fieldValidation') as FieldValidation | null) ?? 'Warn',
      groupVersionKind: { version: resource.version, kind: resource.kind },
    });
    const object = body as unknown as KubeObject;
    const editable = object as never;
    body['metadata'] ??= {};
    const metadata = body['metadata'] as Body;
    const expected = isObject(step.expect.body) ? step.expect.body : {};
    strategy.setDefaults(editable);
    if (step.method !== 'POST' && old !== undefined) {
      completeMetadata(metadata, old);
      admitChange(resource.kind, body, old as unknown as Body);
      const part = subresource === '' ? strategy : strategy.subresources?.[subresource];
      part?.prepareForUpdate(editable, old);
      checkChanged(served, object, old, (now, before) => part?.validateUpdate(now, before) ?? []);
      return undefined;
    }
    settleNamespace(served, metadata, /namespaces\/([^/]+)\//.exec(step.path)?.[1] ?? '');
    metadata['uid'] = uid;
    delete metadata['managedFields'];
    if (metadata['name'] === undefined && typeof metadata['generateName'] === 'string') {
      metadata['name'] = `${metadata['generateName'].slice(0, generatedNameStartMax)}${suffix}`;
    }
    admit(resource.kind, body, expected);
    strategy.prepareForCreate(editable);
    checkNew(served, object);
    return undefined;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return error.status;
  }
}

/** What the registry takes over from the stored object before it looks at the change. */
function completeMetadata(metadata: Body, old: KubeObject): void {
  const { uid, creationTimestamp, generation, deletionTimestamp, deletionGracePeriodSeconds, resourceVersion } =
    old.metadata;
  metadata['uid'] ??= uid;
  metadata['namespace'] ??= old.metadata.namespace;
  metadata['resourceVersion'] ??= resourceVersion;
  metadata['creationTimestamp'] = creationTimestamp;
  delete metadata['managedFields'];
  metadata['generation'] = generation;
  if (deletionTimestamp !== undefined) metadata['deletionTimestamp'] = deletionTimestamp;
  if (deletionGracePeriodSeconds !== undefined) metadata['deletionGracePeriodSeconds'] = deletionGracePeriodSeconds;
}

/** What a server's admission would set and validation expects. */
function admit(kind: string, object: Body, example: Body): void {
  const spec = object['spec'];
  const wanted = isObject(example['spec']) ? example['spec'] : {};
  if (!isObject(spec)) return;
  if (kind === 'Pod') {
    spec['priority'] ??= 0;
    spec['preemptionPolicy'] ??= 'PreemptLowerPriority';
    if (example['kind'] !== 'Pod') spec['serviceAccountName'] ??= 'default';
  }
  if (kind === 'CertificateSigningRequest') {
    for (const member of ['username', 'uid', 'groups', 'extra']) spec[member] = draft(wanted[member]);
  }
  if (kind === 'Service') {
    if (spec['externalTrafficPolicy'] === 'Local' && spec['type'] === 'LoadBalancer') {
      spec['healthCheckNodePort'] ??= wanted['healthCheckNodePort'] ?? 30000;
    }
    for (const member of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy']) {
      if (wanted[member] !== undefined) spec[member] ??= draft(wanted[member]);
    }
  }
}

/** What admission and allocators put back when an update leaves it out. */
function admitChange(kind: string, object: Body, old: Body): void {
  admit(kind, object, old);
  const spec = object['spec'];
  const before = old['spec'];
  if (kind !== 'Pod' || !isObject(spec) || !isObject(before)) return;
  const tolerations = Array.isArray(spec['tolerations']) ? [...spec['tolerations']] : [];
  for (const key of defaultKeys) {
    const isTolerated = tolerations.some((own: Body) => {
      return (
        [undefined, '', key].includes(own['key'] as string) &&
        [undefined, '', 'NoExecute'].includes(own['effect'] as string)
      );
    });
    if (!isTolerated) tolerations.push(defaultToleration(key));
  }
  if (tolerations.length > 0) spec['tolerations'] = tolerations;
}
