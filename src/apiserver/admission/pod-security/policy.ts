import { type FieldError, invalid } from '../../../kube/field-error.ts';
import { baselineChecks } from './baseline.ts';
import type { Check, Subject, Violation } from './check.ts';
import { restrictedChecks } from './restricted.ts';

export type Level = 'privileged' | 'baseline' | 'restricted';

/** A level of the Pod Security Standards as some version of Kubernetes understood it. */
export interface LevelVersion {
  readonly level: Level;
  /** Minor version; Infinity for `latest`. */
  readonly minor: number;
}

export type Mode = 'enforce' | 'audit' | 'warn';
export type Policy = Readonly<Record<Mode, LevelVersion>>;

export const modes: readonly Mode[] = ['enforce', 'audit', 'warn'];
const labelPrefix = 'pod-security.kubernetes.io/';
const levels: readonly string[] = ['privileged', 'baseline', 'restricted'];

/** The policy that a namespace's labels ask for. What can't be read enforces the strictest level, and warns of nothing. */
export function policyOf(labels: Readonly<Record<string, string>> | undefined): {
  readonly policy: Policy;
  readonly errors: readonly FieldError[];
} {
  const errors: FieldError[] = [];
  const read = (mode: Mode): LevelVersion => {
    const fallback = mode === 'enforce' ? 'restricted' : 'privileged';
    return { level: readLevel(labels, mode, fallback, errors), minor: readVersion(labels, mode, errors) };
  };
  return { policy: { enforce: read('enforce'), audit: read('audit'), warn: read('warn') }, errors };
}

function readLevel(
  labels: Readonly<Record<string, string>> | undefined,
  mode: Mode,
  fallback: Level,
  errors: FieldError[],
): Level {
  const label = labelPrefix + mode;
  const text = labels?.[label];
  if (text === undefined) return 'privileged';
  if (isLevel(text)) return text;
  errors.push(invalid(`metadata.labels[${label}]`, text, 'must be one of privileged, baseline, restricted'));
  return fallback;
}

function isLevel(text: string): text is Level {
  return levels.includes(text);
}

function readVersion(labels: Readonly<Record<string, string>> | undefined, mode: Mode, errors: FieldError[]): number {
  const label = `${labelPrefix}${mode}-version`;
  const text = labels?.[label];
  if (text === undefined || text === 'latest') return Number.POSITIVE_INFINITY;
  const match = /^v1\.(0|[1-9][0-9]*)$/.exec(text);
  if (match !== null) return Number(match[1]);
  errors.push(invalid(`metadata.labels[${label}]`, text, 'must be "latest" or "v1.x"'));
  return Number.POSITIVE_INFINITY;
}

/** `baseline:latest`, `restricted:v1.20` */
export function describeLevel({ level, minor }: LevelVersion): string {
  return `${level}:${minor === Number.POSITIVE_INFINITY ? 'latest' : `v1.${minor}`}`;
}

export function isStricter(a: Level, b: Level): boolean {
  return levels.indexOf(a) > levels.indexOf(b);
}

export function isSameLevel(a: LevelVersion, b: LevelVersion): boolean {
  return a.level === b.level && a.minor === b.minor;
}

/** The rules that a pod breaks at a level, baseline rules first. */
export function violations({ level, minor }: LevelVersion, subject: Subject): readonly Violation[] {
  if (level === 'privileged') return [];
  const restricted = level === 'restricted' ? restrictedChecks.flatMap((check) => formAt(check, minor) ?? []) : [];
  const overridden = new Set(restricted.map(({ overrides }) => overrides));
  const baseline = baselineChecks
    .filter(({ id }) => !overridden.has(id))
    .flatMap((check) => formAt(check, minor) ?? []);
  return [...baseline, ...restricted].flatMap(({ rule }) => rule(subject) ?? []);
}

function formAt(check: Check, minor: number): Check['forms'][number] | undefined {
  return check.forms.findLast(({ since }) => since <= minor);
}

/** `privileged (container "c" must not ...), host namespaces (hostNetwork=true)` */
export function describeViolations(list: readonly Violation[]): string {
  return list.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`)).join(', ');
}
