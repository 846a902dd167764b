import { matchesLabelSelector } from '../../kube/label-selector.ts';
import { matchesNodeAffinity, untoleratedTaint } from '../../kube/scheduling.ts';
import type { LabelSelector, LabelSelectorRequirement, Pod, TopologySpreadConstraint } from '../../kube/types.gen.ts';
import { maxScore, type NodeInfo, type Plugin, type Snapshot } from '../plugin.ts';

/** Spreads the pods of one selection over the values of a node label: topologySpreadConstraints (KEP-895). */
export const podTopologySpread: Plugin = {
  name: 'PodTopologySpread',
  weight: 2,
  prepare({ pod }, snapshot) {
    const constraints = pod.spec?.topologySpreadConstraints ?? [];
    const hard = constraints.filter((c) => c.whenUnsatisfiable === 'DoNotSchedule').map((c) => count(c, pod, snapshot));
    const soft = constraints
      .filter((c) => c.whenUnsatisfiable === 'ScheduleAnyway')
      .map((c) => count(c, pod, snapshot));
    const spread = constraints.length === 0 ? defaultSpread(pod, snapshot) : soft;
    return {
      filter({ node }) {
        for (const constraint of hard) {
          const value = node.metadata.labels?.[constraint.topologyKey];
          if (value === undefined) {
            return {
              reasons: ["node(s) didn't match pod topology spread constraints (missing required label)"],
              resolvable: false,
            };
          }
          const skew = (constraint.counts.get(value) ?? 0) + (constraint.countsItself ? 1 : 0) - constraint.minimum;
          if (skew > constraint.maxSkew) {
            return { reasons: ["node(s) didn't match pod topology spread constraints"], resolvable: true };
          }
        }
        return null;
      },
      ...(spread.length === 0
        ? {}
        : {
            score: (node) => cost(node, spread),
            normalize(costs) {
              const finite = costs.filter((c) => Number.isFinite(c));
              const min = Math.min(...finite);
              const max = Math.max(...finite);
              return costs.map((c) => {
                if (!Number.isFinite(c)) return 0;
                return max === 0 ? maxScore : Math.floor((maxScore * (max + min - c)) / max);
              });
            },
          }),
    };
  },
};

interface Counted {
  readonly topologyKey: string;
  readonly maxSkew: number;
  /** Matching pods for each value of the topology key that an eligible node has. */
  readonly counts: ReadonlyMap<string, number>;
  readonly minimum: number;
  readonly countsItself: boolean;
  /** A domain costs more the fewer domains there are. */
  readonly weight: number;
}

function count(constraint: TopologySpreadConstraint, pod: Pod, snapshot: Snapshot): Counted {
  const selector = withMatchLabelKeys(constraint, pod);
  const counts = new Map<string, number>();
  for (const info of snapshot.nodes) {
    const value = info.node.metadata.labels?.[constraint.topologyKey];
    if (value === undefined || !eligible(constraint, pod, info)) continue;
    const matching = info.pods.filter(
      ({ pod: other }) =>
        other.metadata.namespace === pod.metadata.namespace &&
        other.metadata.deletionTimestamp === undefined &&
        matchesLabelSelector(selector, other.metadata.labels),
    ).length;
    counts.set(value, (counts.get(value) ?? 0) + matching);
  }
  const enough = counts.size >= (constraint.minDomains ?? 1);
  return {
    topologyKey: constraint.topologyKey,
    maxSkew: constraint.maxSkew,
    counts,
    minimum: enough ? Math.min(...counts.values()) : 0,
    countsItself: matchesLabelSelector(selector, pod.metadata.labels),
    weight: Math.log(counts.size + 2),
  };
}

/** nodeAffinityPolicy (Honor by default) and nodeTaintsPolicy (Ignore by default) say which nodes count. */
function eligible(constraint: TopologySpreadConstraint, pod: Pod, { node }: NodeInfo): boolean {
  if ((constraint.nodeAffinityPolicy ?? 'Honor') === 'Honor' && !matchesNodeAffinity(pod, node)) return false;
  if ((constraint.nodeTaintsPolicy ?? 'Ignore') === 'Ignore') return true;
  return untoleratedTaint(node.spec?.taints, pod.spec?.tolerations, ['NoSchedule', 'NoExecute']) === undefined;
}

function withMatchLabelKeys(constraint: TopologySpreadConstraint, pod: Pod): LabelSelector | undefined {
  const labels = pod.metadata.labels ?? {};
  const more: LabelSelectorRequirement[] = (constraint.matchLabelKeys ?? []).flatMap((key) =>
    labels[key] === undefined ? [] : [{ key, operator: 'In', values: [labels[key]] }],
  );
  if (more.length === 0 || constraint.labelSelector === undefined) return constraint.labelSelector;
  return {
    ...constraint.labelSelector,
    matchExpressions: [...(constraint.labelSelector.matchExpressions ?? []), ...more],
  };
}

/** Without constraints of its own a pod of a Service or a workload spreads over hosts (3) and zones (5), softly. */
function defaultSpread(pod: Pod, snapshot: Snapshot): Counted[] {
  const labelSelector = snapshot.spreadSelector(pod);
  if (labelSelector === undefined) return [];
  return (
    [
      ['kubernetes.io/hostname', 3],
      ['topology.kubernetes.io/zone', 5],
    ] as const
  ).map(([topologyKey, maxSkew]) =>
    count({ topologyKey, maxSkew, whenUnsatisfiable: 'ScheduleAnyway', labelSelector }, pod, snapshot),
  );
}

function cost({ node }: NodeInfo, constraints: readonly Counted[]): number {
  let sum = 0;
  for (const constraint of constraints) {
    const value = node.metadata.labels?.[constraint.topologyKey];
    if (value === undefined) continue;
    sum += (constraint.counts.get(value) ?? 0) * constraint.weight + (constraint.maxSkew - 1);
  }
  return Math.round(sum);
}
