import { goQuote } from '../../../kube/go-json.ts';
import type { ObjectMeta } from '../../../kube/object.ts';
import type { Container, EphemeralContainer, PodSpec } from '../../../kube/types.gen.ts';

/** A pod, or what a controller would make pods from. */
export interface Subject {
  readonly metadata: Pick<ObjectMeta, 'annotations'>;
  readonly spec: PodSpec;
}

/** Why a pod breaks a rule: `reason (detail)`. */
export interface Violation {
  readonly reason: string;
  readonly detail: string;
}

/** Looks at one pod; undefined when it keeps the rule. */
export type Rule = (subject: Subject) => Violation | undefined;

/**
 * One rule of the Pod Security Standards, in the forms that it had: the form with the highest `since` (minor version of
 * Kubernetes) that is not above the policy's version holds.
 */
export interface Check {
  readonly id: string;
  readonly level: 'baseline' | 'restricted';
  readonly forms: readonly { readonly since: number; readonly rule: Rule; readonly overrides?: string }[];
}

export type AnyContainer = Container | EphemeralContainer;

export function allContainers(spec: PodSpec): readonly AnyContainer[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])];
}

export function namesWhere(spec: PodSpec, isBad: (container: AnyContainer) => boolean): readonly string[] {
  return allContainers(spec)
    .filter(isBad)
    .map((container) => container.name);
}

export function plural(one: string, many: string, count: number): string {
  return count === 1 ? one : many;
}

/** `"a", "b"` */
export function quoted(values: readonly string[]): string {
  return values.map(goQuote).join(', ');
}

/** `container "a"` or `containers "a", "b"` */
export function containersText(names: readonly string[]): string {
  return `${plural('container', 'containers', names.length)} ${quoted(names)}`;
}

/** Who set something that they may not: the pod, some containers, both. */
export function setters(isPod: boolean, containers: readonly string[]): string {
  const parts = [...(isPod ? ['pod'] : []), ...(containers.length > 0 ? [containersText(containers)] : [])];
  return parts.join(' and ');
}

export function sortedUnique(values: readonly string[]): readonly string[] {
  return [...new Set(values)].sort();
}

/** From 1.25 on pods for Windows are spared the rules that only Linux knows. */
export function exceptWindows(rule: Rule): Rule {
  return (subject) => (subject.spec.os?.name === 'windows' ? undefined : rule(subject));
}

/** From 1.35 on pods in a user namespace of their own are spared rules that only matter for the host's users. */
export function exceptUserNamespace(rule: Rule): Rule {
  return (subject) => (subject.spec.hostUsers === false ? undefined : rule(subject));
}
