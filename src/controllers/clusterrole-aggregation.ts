import { matchesLabelSelector } from '../kube/label-selector.ts';
import { keyOf } from '../kube/resource.ts';
import { clusterroles } from '../kube/resources.gen.ts';
import type { ClusterRole, PolicyRule } from '../kube/types.gen.ts';
import { type Controller, done, watchOf } from '../runtime/controller.ts';
import { canonicalJson, isEqual } from './support/equality.ts';

/** The rules that a role gathers from others: each once, in the order of the roles' names. Pure. */
export function aggregateRules(role: ClusterRole, all: readonly ClusterRole[]): readonly PolicyRule[] {
  const selectors = role.aggregationRule?.clusterRoleSelectors ?? [];
  const rules = new Map<string, PolicyRule>();
  const sources = all
    .filter((other) => other.metadata.name !== role.metadata.name)
    .filter((other) => selectors.some((selector) => matchesLabelSelector(selector, other.metadata.labels)))
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  for (const source of sources) for (const rule of source.rules ?? []) rules.set(canonicalJson(rule), rule);
  return [...rules.values()];
}

/** Fills ClusterRoles that aggregate others, such as `admin`, `edit` and `view`. */
export const clusterRoleAggregationController: Controller = {
  name: 'clusterrole-aggregation-controller',
  watches: [
    watchOf(clusterroles, (_role, informers) =>
      informers
        .of(clusterroles)
        .list()
        .filter(({ aggregationRule }) => aggregationRule !== undefined)
        .map(keyOf),
    ),
  ],
  async reconcile(key, { informers, client }) {
    const role = informers.of(clusterroles).get(key);
    if (!role?.aggregationRule) return done;
    const rules = aggregateRules(role, informers.of(clusterroles).list());
    if (isEqual(rules, role.rules)) return done;
    const body = { apiVersion: role.apiVersion, kind: role.kind, metadata: { name: key }, rules };
    const options = { fieldManager: 'clusterrole-aggregation-controller', force: true };
    await client.patch(clusterroles, { name: key }, { type: 'apply', body }, options);
    return done;
  },
};
