import { matchesLabelSelector } from '../kube/label-selector.ts';
import type { Pod } from '../kube/types.gen.ts';
import type { NodeInfo, PodInfo, Snapshot } from './plugin.ts';
import { sum } from './requests.ts';
import { countedReasons, fits, type ScheduleResult } from './schedule.ts';

/** Which pods must go from which node so that a pod of higher priority fits; null with what Kubernetes says when none help. */
export type PreemptionResult =
  | { readonly node: NodeInfo; readonly victims: readonly Pod[] }
  | { readonly node: null; readonly message: string };

interface Candidate {
  readonly node: NodeInfo;
  readonly victims: readonly PodInfo[];
  readonly budgetViolations: number;
}

/** Default preemption: the node where the least is lost. Pure. */
export function preempt(
  pod: PodInfo,
  failed: Extract<ScheduleResult, { message: string }>,
  snapshot: Snapshot,
): PreemptionResult {
  const total = snapshot.nodes.length;
  const counts = new Map<string, number>();
  const say = (reason: string, count: number) => {
    if (count > 0) counts.set(reason, (counts.get(reason) ?? 0) + count);
  };
  const refuse = (): PreemptionResult => ({
    node: null,
    message: `preemption: 0/${total} nodes are available: ${countedReasons(counts)}.`,
  });
  if (pod.pod.spec?.preemptionPolicy === 'Never') {
    return { node: null, message: 'preemption: not eligible due to preemptionPolicy=Never.' };
  }
  const candidates: Candidate[] = [];
  for (const node of failed.resolvable) {
    const candidate = victimsOn(pod, node, snapshot);
    if (candidate === null) say('No preemption victims found for incoming pod', 1);
    else if (candidate.victims.length > 0) candidates.push(candidate);
  }
  say('Preemption is not helpful for scheduling', failed.unresolvable);
  const best = candidates.sort(compareCandidates)[0];
  if (best === undefined) return refuse();
  return { node: best.node, victims: best.victims.map((v) => v.pod) };
}

function priorityOf(pod: Pod): number {
  return pod.spec?.priority ?? 0;
}

/** Takes away all pods of lower priority, then gives back as many as still let the pod fit, the most important first. */
function victimsOn(pod: PodInfo, node: NodeInfo, snapshot: Snapshot): Candidate | null {
  const lower = node.pods.filter((p) => priorityOf(p.pod) < priorityOf(pod.pod));
  if (lower.length === 0) return null;
  let kept: readonly PodInfo[] = node.pods.filter((p) => !lower.includes(p));
  if (!fitsWith(pod, node, kept, snapshot)) return null;
  const budgets = violations(lower, snapshot);
  // Those that a disruption budget protects are given back first.
  const order = [...lower].sort(
    (a, b) =>
      Number(budgets.has(b)) - Number(budgets.has(a)) || priorityOf(b.pod) - priorityOf(a.pod) || byStart(a.pod, b.pod),
  );
  const victims: PodInfo[] = [];
  for (const candidate of order) {
    if (fitsWith(pod, node, [...kept, candidate], snapshot)) kept = [...kept, candidate];
    else victims.push(candidate);
  }
  return { node, victims, budgetViolations: victims.filter((v) => budgets.has(v)).length };
}

function fitsWith(pod: PodInfo, node: NodeInfo, pods: readonly PodInfo[], snapshot: Snapshot): boolean {
  const changed: NodeInfo = { ...node, pods, requested: pods.reduce((total, p) => sum(total, p.requests), {}) };
  const nodes = snapshot.nodes.map((n) => (n.name === node.name ? changed : n));
  return fits(pod, changed, { ...snapshot, nodes });
}

/** The pods whose eviction, all together, would break a PodDisruptionBudget. */
function violations(pods: readonly PodInfo[], snapshot: Snapshot): ReadonlySet<PodInfo> {
  const left = new Map<object, number>();
  const violating = new Set<PodInfo>();
  for (const info of pods) {
    for (const budget of snapshot.budgets(info.pod.metadata.namespace ?? '')) {
      if (!matchesLabelSelector(budget.spec?.selector, info.pod.metadata.labels)) continue;
      const allowed = (left.get(budget) ?? budget.status?.disruptionsAllowed ?? 0) - 1;
      left.set(budget, allowed);
      if (allowed < 0) violating.add(info);
    }
  }
  return violating;
}

/** Fewest broken budgets, lowest top priority, lowest sum, fewest victims, latest start of the most important one. */
function compareCandidates(a: Candidate, b: Candidate): number {
  const top = (c: Candidate) => Math.max(...c.victims.map((v) => priorityOf(v.pod)));
  const total = (c: Candidate) => c.victims.reduce((n, v) => n + priorityOf(v.pod) + 2 ** 31, 0);
  const earliest = (c: Candidate) =>
    c.victims
      .filter((v) => priorityOf(v.pod) === top(c))
      .map((v) => v.pod.status?.startTime ?? '')
      .sort()[0] ?? '';
  return (
    a.budgetViolations - b.budgetViolations ||
    top(a) - top(b) ||
    total(a) - total(b) ||
    a.victims.length - b.victims.length ||
    (earliest(a) > earliest(b) ? -1 : earliest(a) < earliest(b) ? 1 : 0) ||
    (a.node.name < b.node.name ? -1 : 1)
  );
}

function byStart(a: Pod, b: Pod): number {
  const start = (p: Pod) => p.status?.startTime ?? '';
  return start(a) < start(b) ? -1 : start(a) > start(b) ? 1 : 0;
}
