import { isEmptySelector, matchesLabelSelector } from '../../kube/label-selector.ts';
import type { LabelSelectorRequirement, Pod, PodAffinityTerm } from '../../kube/types.gen.ts';
import { maxScore, type NodeInfo, type Plugin, type Prepared, type Snapshot } from '../plugin.ts';

/** A term with its owner's namespace and labels folded in: which pods it speaks of, and over which node label. */
interface Term {
  readonly topologyKey: string;
  matches(other: Pod): boolean;
}

/** Pods near to or far from other pods, as both sides ask. */
export const interPodAffinity: Plugin = {
  name: 'InterPodAffinity',
  weight: 2,
  prepare({ pod }, snapshot) {
    const affinity = terms(
      pod,
      pod.spec?.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution,
      snapshot,
    );
    const anti = terms(
      pod,
      pod.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution,
      snapshot,
    );
    // For each term the values of its topology key where a pod that it speaks of runs.
    const near = affinity.map((term) =>
      domains(snapshot, term.topologyKey, (other) => affinity.every((t) => t.matches(other))),
    );
    const far = anti.map((term) => domains(snapshot, term.topologyKey, (other) => term.matches(other)));
    const refusedBy = existingAntiAffinity(pod, snapshot);
    const nobodyNear = near.every((values) => values.size === 0);
    const firstOfItsKind = nobodyNear && affinity.every((term) => term.matches(pod));
    return {
      filter({ node }) {
        const labels = node.metadata.labels ?? {};
        for (const [i, term] of affinity.entries()) {
          const value = labels[term.topologyKey];
          if (value !== undefined && (near[i]?.has(value) || firstOfItsKind)) continue;
          return { reasons: ["node(s) didn't match pod affinity rules"], resolvable: false };
        }
        for (const [i, term] of anti.entries()) {
          const value = labels[term.topologyKey];
          if (value !== undefined && far[i]?.has(value)) {
            return { reasons: ["node(s) didn't match pod anti-affinity rules"], resolvable: true };
          }
        }
        for (const { topologyKey, values } of refusedBy) {
          const value = labels[topologyKey];
          if (value !== undefined && values.has(value)) {
            return { reasons: ["node(s) didn't satisfy existing pods anti-affinity rules"], resolvable: true };
          }
        }
        return null;
      },
      ...preference(pod, snapshot),
    };
  },
};

function existingAntiAffinity(pod: Pod, snapshot: Snapshot): { topologyKey: string; values: ReadonlySet<string> }[] {
  const found = new Map<string, Set<string>>();
  for (const { node, pods } of snapshot.nodes) {
    for (const { pod: other } of pods) {
      const required = other.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
      if (required === undefined) continue;
      for (const term of terms(other, required, snapshot)) {
        const value = node.metadata.labels?.[term.topologyKey];
        if (value === undefined || !term.matches(pod)) continue;
        const values = found.get(term.topologyKey) ?? new Set();
        found.set(term.topologyKey, values.add(value));
      }
    }
  }
  return [...found].map(([topologyKey, values]) => ({ topologyKey, values }));
}

/** Preferred terms of the pod, and those that pods on the nodes have about it. */
function preference(pod: Pod, snapshot: Snapshot): Pick<Prepared, 'score' | 'normalize'> {
  const totals = new Map<string, number>();
  const add = (key: string, node: NodeInfo, weight: number) => {
    const value = node.node.metadata.labels?.[key];
    if (value === undefined) return;
    const domain = `${key}=${value}`;
    totals.set(domain, (totals.get(domain) ?? 0) + weight);
  };
  const own = weighted(pod, snapshot);
  for (const node of snapshot.nodes) {
    for (const { pod: other } of node.pods) {
      for (const { term, weight } of own) if (term.matches(other)) add(term.topologyKey, node, weight);
      if (other.spec?.affinity === undefined) continue;
      for (const { term, weight } of weighted(other, snapshot))
        if (term.matches(pod)) add(term.topologyKey, node, weight);
      // A pod that requires this one near it counts for being together too (hardPodAffinityWeight is 1).
      const hard = other.spec.affinity.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
      for (const term of terms(other, hard, snapshot)) if (term.matches(pod)) add(term.topologyKey, node, 1);
    }
  }
  if (totals.size === 0) return {};
  return {
    score: ({ node }) => {
      let sum = 0;
      for (const [key, value] of Object.entries(node.metadata.labels ?? {})) sum += totals.get(`${key}=${value}`) ?? 0;
      return sum;
    },
    normalize(scores) {
      const min = Math.min(...scores);
      const max = Math.max(...scores);
      return scores.map((score) => (max === min ? 0 : Math.floor((maxScore * (score - min)) / (max - min))));
    },
  };
}

function weighted(pod: Pod, snapshot: Snapshot): { term: Term; weight: number }[] {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  const prefer = podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const avoid = podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return [
    ...prefer.map((p) => ({ term: termOf(pod, p.podAffinityTerm, snapshot), weight: p.weight })),
    ...avoid.map((p) => ({ term: termOf(pod, p.podAffinityTerm, snapshot), weight: -p.weight })),
  ];
}

function terms(owner: Pod, list: readonly PodAffinityTerm[] | undefined, snapshot: Snapshot): Term[] {
  return (list ?? []).map((term) => termOf(owner, term, snapshot));
}

function termOf(owner: Pod, term: PodAffinityTerm, snapshot: Snapshot): Term {
  const namespaces = new Set(term.namespaces ?? []);
  if (namespaces.size === 0 && term.namespaceSelector === undefined) namespaces.add(owner.metadata.namespace ?? '');
  const labels = owner.metadata.labels ?? {};
  const keyed = (keys: readonly string[] | undefined, operator: string): LabelSelectorRequirement[] =>
    (keys ?? []).flatMap((key) => (labels[key] === undefined ? [] : [{ key, operator, values: [labels[key]] }]));
  const more = [...keyed(term.matchLabelKeys, 'In'), ...keyed(term.mismatchLabelKeys, 'NotIn')];
  const selector =
    term.labelSelector === undefined || more.length === 0
      ? term.labelSelector
      : { ...term.labelSelector, matchExpressions: [...(term.labelSelector.matchExpressions ?? []), ...more] };
  const inNamespace = (name: string): boolean => {
    if (namespaces.has(name)) return true;
    if (term.namespaceSelector === undefined) return false;
    if (isEmptySelector(term.namespaceSelector)) return true;
    return matchesLabelSelector(term.namespaceSelector, snapshot.namespace(name)?.metadata.labels);
  };
  return {
    topologyKey: term.topologyKey,
    matches: (other) =>
      inNamespace(other.metadata.namespace ?? '') && matchesLabelSelector(selector, other.metadata.labels),
  };
}

function domains(snapshot: Snapshot, topologyKey: string, matches: (pod: Pod) => boolean): ReadonlySet<string> {
  const values = new Set<string>();
  for (const { node, pods } of snapshot.nodes) {
    const value = node.metadata.labels?.[topologyKey];
    if (value !== undefined && !values.has(value) && pods.some(({ pod }) => matches(pod))) values.add(value);
  }
  return values;
}
