import { matchesLabelSelector } from '../../kube/label-selector.ts';
import type { ClusterRole, PolicyRule } from '../../kube/types.gen.ts';

/**
 * The rules that an aggregated ClusterRole should have: those of all others that one of its selectors selects, in the
 * order of their names, each rule once. Undefined when the role isn't aggregated.
 */
export function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): readonly PolicyRule[] | undefined {
  const selectors = role.aggregationRule?.clusterRoleSelectors;
  if (selectors === undefined) return undefined;
  const rules = new Map<string, PolicyRule>();
  for (const selector of selectors) {
    const chosen = all.filter(
      (other) => other.metadata.name !== role.metadata.name && matchesLabelSelector(selector, other.metadata.labels),
    );
    chosen.sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
    for (const rule of chosen.flatMap((other) => other.rules ?? [])) {
      const key = JSON.stringify([
        rule.verbs,
        rule.apiGroups,
        rule.resources,
        rule.resourceNames,
        rule.nonResourceURLs,
      ]);
      if (!rules.has(key)) rules.set(key, rule);
    }
  }
  return [...rules.values()];
}
