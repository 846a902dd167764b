import { goQuoteList } from '../../kube/go-json.ts';
import type { PolicyRule } from '../../kube/types.gen.ts';
import type { AuthorizationAttributes } from '../request.ts';

/** A PolicyRule prepared for many decisions. `null` stands for "everything" (`*`, or no resource names given). */
export interface CompiledRule {
  readonly verbs: ReadonlySet<string> | null;
  readonly groups: ReadonlySet<string> | null;
  /** `pods`, `pods/log`, or `*` + `/scale` for a subresource of whatever resource. */
  readonly resources: ReadonlySet<string> | null;
  readonly anySubresource: boolean;
  readonly names: ReadonlySet<string> | null;
  readonly urls: readonly string[];
}

function setOrAll(values: readonly string[] | undefined): ReadonlySet<string> | null {
  return values?.includes('*') ? null : new Set(values);
}

export function compileRule(rule: PolicyRule): CompiledRule {
  const names = rule.resourceNames ?? [];
  return {
    verbs: setOrAll(rule.verbs),
    groups: setOrAll(rule.apiGroups),
    resources: setOrAll(rule.resources),
    anySubresource: (rule.resources ?? []).some((resource) => resource.startsWith('*/')),
    names: names.length === 0 ? null : new Set(names),
    urls: rule.nonResourceURLs ?? [],
  };
}

/** Whether a rule allows a request (rbac.authorization.k8s.io/v1 PolicyRule). */
export function ruleAllows(rule: CompiledRule, attributes: AuthorizationAttributes): boolean {
  if (rule.verbs !== null && !rule.verbs.has(attributes.verb)) return false;
  if (!attributes.isResource) return rule.urls.some((url) => urlMatches(url, attributes.path));
  if (rule.groups !== null && !rule.groups.has(attributes.group)) return false;
  if (rule.names !== null && !rule.names.has(attributes.name)) return false;
  if (rule.resources === null) return true;
  const { resource, subresource } = attributes;
  if (subresource === '') return rule.resources.has(resource);
  return (
    rule.resources.has(`${resource}/${subresource}`) || (rule.anySubresource && rule.resources.has(`*/${subresource}`))
  );
}

/** `*` at the end of a pattern stands for any rest, also none. */
export function urlMatches(pattern: string, path: string): boolean {
  if (pattern === '*' || pattern === path) return true;
  return pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1));
}

/** Splits a rule into rules that each name one verb of one resource (and name) or of one URL. */
export function breakDown(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = [];
  for (const group of rule.apiGroups ?? []) {
    for (const resource of rule.resources ?? []) {
      const names = rule.resourceNames ?? [];
      for (const verb of rule.verbs) {
        const simple = { apiGroups: [group], resources: [resource], verbs: [verb] };
        if (names.length === 0) parts.push(simple);
        for (const name of names) parts.push({ ...simple, resourceNames: [name] });
      }
    }
  }
  for (const url of rule.nonResourceURLs ?? []) {
    for (const verb of rule.verbs) parts.push({ nonResourceURLs: [url], verbs: [verb] });
  }
  return parts;
}

/** The permissions of `wanted` that no rule of `held` contains, each as a rule of its own. */
export function missingRules(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): readonly PolicyRule[] {
  return wanted.flatMap(breakDown).filter((part) => !held.some((rule) => covers(rule, part)));
}

function covers(owner: PolicyRule, part: PolicyRule): boolean {
  if (!hasAll(owner.verbs, part.verbs)) return false;
  const urls = part.nonResourceURLs ?? [];
  if (urls.length > 0) return urls.every((url) => (owner.nonResourceURLs ?? []).some((own) => urlMatches(own, url)));
  const names = owner.resourceNames ?? [];
  const wantedNames = part.resourceNames ?? [];
  return (
    hasAll(owner.apiGroups ?? [], part.apiGroups ?? []) &&
    (part.resources ?? []).every((resource) => coversResource(owner.resources ?? [], resource)) &&
    (names.length === 0 || (wantedNames.length > 0 && wantedNames.every((name) => names.includes(name))))
  );
}

function hasAll(owned: readonly string[], wanted: readonly string[]): boolean {
  return owned.includes('*') || wanted.every((value) => owned.includes(value));
}

function coversResource(owned: readonly string[], wanted: string): boolean {
  if (owned.includes('*') || owned.includes(wanted)) return true;
  const slash = wanted.indexOf('/');
  return slash >= 0 && owned.includes(`*${wanted.slice(slash)}`);
}

/** Joins rules for the same group, resource and name into one with all verbs; the others are kept as they are. */
export function compactRules(rules: readonly PolicyRule[]): readonly PolicyRule[] {
  const kept: PolicyRule[] = [];
  const simple = new Map<string, { rule: PolicyRule; verbs: string[] }>();
  for (const rule of rules) {
    const { apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
    const isSimple =
      apiGroups.length === 1 && resources.length === 1 && resourceNames.length <= 1 && nonResourceURLs.length === 0;
    if (!isSimple) {
      kept.push(rule);
      continue;
    }
    const key = JSON.stringify([apiGroups[0], resources[0], resourceNames[0] ?? null]);
    const known = simple.get(key);
    if (known === undefined) simple.set(key, { rule, verbs: [...rule.verbs] });
    else known.verbs.push(...rule.verbs);
  }
  return [...kept, ...[...simple.values()].map(({ rule, verbs }) => ({ ...rule, verbs }))];
}

/** `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`, as Kubernetes' messages show a rule. */
export function describeRule(rule: PolicyRule): string {
  const parts: string[] = [];
  const add = (label: string, values: readonly string[] | undefined) => {
    if (values !== undefined && values.length > 0) parts.push(`${label}:${goQuoteList(values)}`);
  };
  add('APIGroups', rule.apiGroups);
  add('Resources', rule.resources);
  add('NonResourceURLs', rule.nonResourceURLs);
  add('ResourceNames', rule.resourceNames);
  add('Verbs', rule.verbs);
  return `{${parts.join(', ')}}`;
}
