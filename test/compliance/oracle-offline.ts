/**
 * Compares the vocabulary alone (decoding, defaults, preparation, validation, warnings) with what a real API server
 * answered, without a server: the recorded POST and PUT requests for built-in kinds are run through the kinds.
 *
 *     node test/compliance/oracle-offline.ts [--verbose] [--only TEXT] [TOPIC ...]
 *
 * What admission and allocators of a server add (service accounts, priorities, cluster addresses) is left out of the
 * comparison. Says so in one line and ends when the recordings are absent.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { isObject } from '../../src/core/json.ts';
import { draft } from '../../src/kube/draft.ts';
import { renderFieldError } from '../../src/kube/field-error.ts';
import type { Kind } from '../../src/kube/kind.ts';
import { builtinKinds } from '../../src/kube/kinds/all.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { schemaOf } from '../../src/kube/schema/builtin.ts';
import { decode, type FieldValidation } from '../../src/kube/schema/decode.ts';
import { StatusError } from '../../src/kube/status-error.ts';
import { withoutNulls } from '../../src/kube/strategy/without-nulls.ts';
import { validateObjectMeta } from '../../src/kube/validation/meta.ts';

type Body = Record<string, unknown>;
interface Step {
  readonly method: string;
  readonly path: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly expect: {
    readonly status: number;
    readonly headers?: Readonly<Record<string, unknown>>;
    readonly body?: unknown;
    /** Paths of members that were left out of the recorded body. */
    readonly omit?: readonly string[];
  };
}

const scenarios = path.join(import.meta.dirname, '../../../shared/kubernetes-1.36/scenarios');
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { verbose: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
});
if (!existsSync(scenarios)) {
  console.log('oracle-offline: the recordings are absent, nothing to compare with');
  process.exit(0);
}

const setByServer = new Set([
  '.metadata.uid',
  '.metadata.resourceVersion',
  '.metadata.creationTimestamp',
  '.metadata.managedFields',
  '.metadata.namespace',
  '.metadata.name',
]);

const anyTime = '2020-01-01T00:00:00Z';
const tally = new Map<string, { passed: number; total: number }>();
const failures: string[] = [];

for (const topic of positionals.length > 0 ? positionals : ['defaults', 'validation']) {
  for (const line of readFileSync(path.join(scenarios, `${topic}.jsonl`), 'utf8')
    .trim()
    .split('\n')) {
    const scenario = JSON.parse(bind(line)) as { readonly id: string; readonly steps: readonly Step[] };
    if (!scenario.id.includes(flags.only)) continue;
    const stored = new Map<string, KubeObject>();
    for (const [index, step] of scenario.steps.entries()) runStep(topic, `${scenario.id}#${index}`, step, stored);
  }
}
for (const failure of failures) if (flags.verbose) console.log(failure);
for (const [name, { passed, total }] of tally) console.log(`${name}: ${passed} of ${total}`);

/** Puts values in the places of those that varied, so that times parse and names are valid. */
function bind(line: string): string {
  return line
    .replaceAll(/\$\{(?:ct|time|mt)\d*\}/g, anyTime)
    .replaceAll(/\$\{ns\}/g, 'ns-1')
    .replaceAll(/"\$\{np\d*\}"/g, '30001')
    .replaceAll(/\$\{gen\d*\}/g, 'abcde')
    .replaceAll(/\$\{ip\d*\}/g, '10.0.0.1');
}

function runStep(topic: string, id: string, step: Step, stored: Map<string, KubeObject>): void {
  const target = targetOf(step.path);
  if (target === undefined) return;
  judge(topic, id, step, target, stored);
  const { expect } = step;
  if (expect.status >= 300 || !isObject(expect.body) || step.query?.includes('dryRun')) return;
  if (expect.body['kind'] !== target.kind.resource.kind || expect.body['metadata'] === undefined) return;
  const object = expect.body as unknown as KubeObject;
  stored.set(`${target.kind.resource.plural}/${object.metadata.name ?? ''}`, object);
}

function judge(topic: string, id: string, step: Step, target: Target, stored: ReadonlyMap<string, KubeObject>): void {
  if (!isObject(step.body)) return;
  if (step.headers?.['content-type']?.includes('json') === false) return;
  const { kind, name, subresource } = target;
  if (step.method === 'POST' ? name !== '' : step.method !== 'PUT') return;
  if (subresource !== '' && kind.strategy.subresources?.[subresource] === undefined) return;
  let outcome: Outcome | undefined;
  try {
    outcome = run(target, step, stored.get(`${kind.resource.plural}/${name}`));
  } catch (error) {
    outcome = { refused: `crashed: ${error instanceof Error ? error.stack : String(error)}`, warnings: [] };
  }
  if (outcome === undefined) return;

  const endpoint = subresource === '' ? step.method : `${step.method} ${subresource}`;
  const category = `${topic} ${endpoint} ${step.expect.status}`;
  const count = tally.get(category) ?? { passed: 0, total: 0 };
  tally.set(category, count);
  count.total++;
  const problems = compareOutcome(step, outcome);
  if (problems.length === 0) count.passed++;
  else
    failures.push(
      `${id} ${step.method} ${step.path}\n${problems
        .slice(0, 8)
        .map((p) => `    ${p}`)
        .join('\n')}`,
    );
}

interface Target {
  readonly kind: Kind;
  readonly name: string;
  /** Empty for the object itself. */
  readonly subresource: string;
}

function targetOf(url: string): Target | undefined {
  const parts = url.split('/').slice(1);
  const isCore = parts[0] === 'api';
  const [group = '', version = ''] = isCore ? ['', parts[1]] : [parts[1], parts[2]];
  let rest = parts.slice(isCore ? 2 : 3);
  if (rest[0] === 'namespaces' && rest.length > 2 && rest[2] !== 'status' && rest[2] !== 'finalize')
    rest = rest.slice(2);
  const [plural, name = '', subresource = ''] = rest;
  const kind = builtinKinds.find(
    ({ resource: r }) => r.group === group && r.version === version && r.plural === plural,
  );
  return kind === undefined ? undefined : { kind, name, subresource };
}

interface Outcome {
  readonly refused?: string;
  readonly causes?: readonly string[];
  readonly object?: Body;
  readonly warnings: readonly string[];
}

function run({ kind, subresource }: Target, step: Step, old: KubeObject | undefined): Outcome | undefined {
  const { status, body } = step.expect;
  const isUpdate = step.method === 'PUT';
  const message = isObject(body) ? String(body['message'] ?? '') : '';
  const isDecodeError = status === 400 && /cannot be handled as/.test(message) && !message.includes('no kind ');
  const isInvalid = status === 422 && isObject(body) && body['reason'] === 'Invalid' && !/Options\.meta/.test(message);
  if (status !== 200 && status !== 201 && !isDecodeError && !isInvalid) return undefined;
  if (isUpdate && old === undefined && !isDecodeError) return undefined;
  const { resource, strategy } = kind;
  const raw = Buffer.from(JSON.stringify(step.body));
  const validation = new URLSearchParams(step.query ?? '').get('fieldValidation');
  let decoded: ReturnType<typeof decode>;
  try {
    decoded = decode(schemaOf(resource.typeName ?? ''), step.body, {
      raw,
      fieldValidation: (validation as FieldValidation | null) ?? 'Warn',
      groupVersionKind: { version: resource.version, kind: resource.kind },
    });
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return { refused: error.status.message ?? '', warnings: [] };
  }
  const object = decoded.object as unknown as KubeObject;
  const editable = object as never;
  strategy.setDefaults(editable);
  const metadata = decoded.object['metadata'];
  if (isObject(metadata))
    Object.assign(metadata, setByRegistry(old), { uid: metadata['uid'] ?? old?.metadata.uid ?? 'u' });
  if (resource.kind !== 'CertificateSigningRequest')
    admit(resource.kind, decoded.object, isObject(body) ? body : {}, !isUpdate);
  const endpoint = subresource === '' ? strategy : strategy.subresources?.[subresource];
  if (endpoint === undefined) return undefined;
  if (isUpdate && old !== undefined) endpoint.prepareForUpdate(editable, old);
  else strategy.prepareForCreate(editable);
  if (resource.kind === 'CertificateSigningRequest')
    admit(resource.kind, decoded.object, isObject(body) ? body : {}, !isUpdate);
  const { name, generateName } = object.metadata;
  if (!isUpdate && !name && generateName && isObject(metadata)) metadata['name'] = `${generateName}abcde`;
  const metadataErrors = isUpdate
    ? []
    : validateObjectMeta(withoutNulls(object.metadata), {
        namespaced: resource.namespaced,
        ...(strategy.validateName !== undefined && { validateName: strategy.validateName }),
      });
  const ownErrors =
    isUpdate && old !== undefined ? endpoint.validateUpdate(object, old) : strategy.validateCreate(object);
  const errors = [...metadataErrors, ...ownErrors];
  const warnings = [
    ...decoded.warnings,
    ...((subresource === '' ? strategy.warnings : undefined)?.(object, isUpdate ? (old ?? null) : null) ?? []),
  ];
  if (errors.length > 0) return { causes: errors.map(renderFieldError), warnings };
  return { object: draft(decoded.object), warnings };
}

/** What an update keeps of the stored metadata. */
function setByRegistry(old: KubeObject | undefined): object {
  const { creationTimestamp, resourceVersion } = old?.metadata ?? {};
  return {
    ...(creationTimestamp !== undefined && { creationTimestamp }),
    ...(resourceVersion !== undefined && { resourceVersion }),
  };
}

/** What a server's admission would set and validation expects. */
function admit(kind: string, object: Body, expected: Body, isCreate: boolean): void {
  const spec = object['spec'];
  const wanted = expected['spec'];
  if (kind === 'Pod' && isObject(spec)) {
    spec['priority'] ??= 0;
    spec['serviceAccountName'] ??= 'default';
    spec['serviceAccount'] ??= 'default';
    spec['preemptionPolicy'] ??= 'PreemptLowerPriority';
  }
  if (kind === 'CertificateSigningRequest' && isObject(spec) && isObject(wanted)) {
    for (const member of ['username', 'uid', 'groups', 'extra']) spec[member] = wanted[member];
  }
  if (kind === 'Service' && isObject(spec) && isObject(wanted)) {
    for (const member of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'healthCheckNodePort']) {
      if (wanted[member] !== undefined) spec[member] ??= draft(wanted[member]);
    }
  }
  if (
    kind === 'Service' &&
    isCreate &&
    isObject(spec) &&
    spec['type'] === 'LoadBalancer' &&
    spec['externalTrafficPolicy'] === 'Local'
  ) {
    spec['healthCheckNodePort'] ??= 30002;
  }
}

function compareOutcome(step: Step, outcome: Outcome): string[] {
  const { status, body } = step.expect;
  const expected = isObject(body) ? body : {};
  if (status >= 300) {
    if (status === 400) {
      const got = outcome.refused ?? 'accepted';
      return got === expected['message'] ? [] : [`expected ${expected['message']}`, `got      ${got}`];
    }
    return compareCauses(expected, outcome);
  }
  if (outcome.refused !== undefined) return [`refused: ${outcome.refused}`];
  if (outcome.causes !== undefined) return outcome.causes.map((cause) => `refused: ${cause}`);
  const problems: string[] = [];
  if (isObject(body) && outcome.object !== undefined) {
    for (const omitted of step.expect.omit ?? []) omit(outcome.object, omitted.split('.'));
    compare('', expected, outcome.object, problems);
  }
  const header = step.expect.headers?.['warning'];
  const wanted = Array.isArray(header) ? header.map((text) => /^299 - "(.*)"$/s.exec(String(text))?.[1] ?? '') : [];
  const unquoted = wanted.map((text) => text.replaceAll(/\\(.)/g, '$1'));
  for (const text of unquoted)
    if (!outcome.warnings.includes(text) && !isFromElsewhere(text)) problems.push(`no warning: ${text}`);
  for (const text of outcome.warnings) if (!unquoted.includes(text)) problems.push(`warned: ${text}`);
  return problems;
}

function omit(object: Body, [name = '', ...rest]: readonly string[]): void {
  const member = object[name];
  if (rest.length === 0) delete object[name];
  else if (isObject(member)) omit(member, rest);
}

// Warnings of the registry and of admission.
function isFromElsewhere(text: string): boolean {
  return /would violate PodSecurity|is deprecated in v1\.|ownerReferences contains duplicate|metadata\.finalizers/.test(
    text,
  );
}

function compareCauses(expected: Body, outcome: Outcome): string[] {
  const details = expected['details'];
  const causes = isObject(details) && Array.isArray(details['causes']) ? details['causes'] : [];
  const wanted = causes.map((cause: Body) => `${cause['field']}: ${cause['message']}`);
  const got = outcome.causes ?? [];
  if (outcome.refused !== undefined) return [`refused: ${outcome.refused}`];
  return [
    ...wanted.filter((cause) => !got.includes(cause)).map((cause) => `missing  ${cause}`),
    ...got.filter((cause) => !wanted.includes(cause)).map((cause) => `too much ${cause}`),
  ];
}

function compare(at: string, expected: unknown, got: unknown, problems: string[]): void {
  if (setByServer.has(at)) return;
  if (typeof expected === 'string' && (expected.includes('${') || expected === anyTime || expected === '10.0.0.1'))
    return;
  if (Array.isArray(expected) && Array.isArray(got)) {
    const wanted = expected.filter((item) => !isAdmitted(item));
    const present = got.filter((item) => !isAdmitted(item));
    if (wanted.length !== present.length)
      problems.push(`${at}: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`);
    else for (const [index, item] of wanted.entries()) compare(`${at}[${index}]`, item, present[index], problems);
    return;
  }
  if (isObject(expected) && isObject(got)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(got)])) {
      if (got[key] === undefined && isAdmittedMember(at, key, expected[key])) continue;
      compare(`${at}.${key}`, expected[key], got[key], problems);
    }
    return;
  }
  if (JSON.stringify(expected) !== JSON.stringify(got)) {
    problems.push(`${at}: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`);
  }
}

/** Elements that admission adds: token volumes, their mounts, tolerations, the storage protection's finalizers. */
function isAdmitted(item: unknown): boolean {
  if (typeof item === 'string') return /^kubernetes\.io\/(pv|pvc|vac)-protection$/.test(item);
  return (
    isObject(item) &&
    (String(item['name']).startsWith('kube-api-access') ||
      item['key'] === 'node.kubernetes.io/not-ready' ||
      item['tolerationSeconds'] === 300)
  );
}

function isAdmittedMember(at: string, key: string, value: unknown): boolean {
  if (
    /^(serviceAccount|serviceAccountName|clusterIP|clusterIPs|ipFamilies|ipFamilyPolicy|priority|preemptionPolicy)$/.test(
      key,
    )
  )
    return true;
  if (key === 'nodePort' || key === 'healthCheckNodePort' || key === 'storageClassName') return true;
  if (at === '.metadata' && key === 'labels' && JSON.stringify(value).includes('kubernetes.io/metadata.name'))
    return true;
  return Array.isArray(value) && value.every(isAdmitted);
}
