import {
  isRejection,
  type NodeInfo,
  type Plugin,
  type PodInfo,
  type Prepared,
  type Rejection,
  type Snapshot,
} from './plugin.ts';
import { interPodAffinity } from './plugins/inter-pod-affinity.ts';
import { imageLocality, nodeAffinity, nodeName, nodeUnschedulable, taintToleration } from './plugins/node-basics.ts';
import { balancedAllocation, nodePorts, nodeResourcesFit } from './plugins/node-resources.ts';
import { podTopologySpread } from './plugins/topology-spread.ts';
import { nodeVolumeLimits, volumeBinding, volumeRestrictions } from './plugins/volumes.ts';

/** In the order in which they filter; the first that refuses a node gives its reason. */
export const plugins: readonly Plugin[] = [
  nodeUnschedulable,
  nodeName,
  taintToleration,
  nodeAffinity,
  nodePorts,
  nodeResourcesFit,
  volumeRestrictions,
  nodeVolumeLimits,
  volumeBinding,
  podTopologySpread,
  interPodAffinity,
  balancedAllocation,
  imageLocality,
];

/** Where a pod goes, or why it goes nowhere. */
export type ScheduleResult =
  | { readonly node: NodeInfo }
  | {
      /** The message of FailedScheduling without what preemption adds. */
      readonly message: string;
      /** Nodes where fewer pods might help. */
      readonly resolvable: readonly NodeInfo[];
      /** How many nodes nothing helps. */
      readonly unresolvable: number;
    };

/** Chooses the node for a pod. Pure: the same pod and snapshot give the same answer. */
export function schedule(pod: PodInfo, snapshot: Snapshot): ScheduleResult {
  const total = snapshot.nodes.length;
  if (total === 0) return { message: 'no nodes available to schedule pods', resolvable: [], unresolvable: 0 };
  const prepared: { plugin: Plugin; rule: Prepared }[] = [];
  for (const plugin of plugins) {
    const rule = plugin.prepare(pod, snapshot);
    if (isRejection(rule)) {
      const message = `0/${total} nodes are available: ${rule.reasons.join(', ')}.`;
      return { message, resolvable: [], unresolvable: total };
    }
    prepared.push({ plugin, rule });
  }
  const fitting: NodeInfo[] = [];
  const resolvable: NodeInfo[] = [];
  const counts = new Map<string, number>();
  for (const node of snapshot.nodes) {
    const rejection = refusal(node, prepared);
    if (rejection === null) {
      fitting.push(node);
      continue;
    }
    if (rejection.resolvable) resolvable.push(node);
    for (const reason of rejection.reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  const best = choose(fitting, prepared);
  if (best !== undefined) return { node: best };
  return {
    message: `0/${total} nodes are available: ${countedReasons(counts)}.`,
    resolvable,
    unresolvable: total - resolvable.length,
  };
}

/** True when every filter accepts this one node; preemption asks it of snapshots without some pods. */
export function fits(pod: PodInfo, node: NodeInfo, snapshot: Snapshot): boolean {
  for (const plugin of plugins) {
    const rule = plugin.prepare(pod, snapshot);
    if (isRejection(rule) || rule.filter?.(node)) return false;
  }
  return true;
}

/** `1 Insufficient cpu, 2 node(s) were unschedulable`: sorted as text, as kube-scheduler does. */
export function countedReasons(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    .join(', ');
}

function refusal(node: NodeInfo, prepared: readonly { rule: Prepared }[]): Rejection | null {
  for (const { rule } of prepared) {
    const rejection = rule.filter?.(node);
    if (rejection) return rejection;
  }
  return null;
}

/** The candidate with the highest weighted score; the name decides between equals, so that the choice can be repeated. */
function choose(
  candidates: readonly NodeInfo[],
  prepared: readonly { plugin: Plugin; rule: Prepared }[],
): NodeInfo | undefined {
  if (candidates.length <= 1) return candidates[0];
  const totals = candidates.map(() => 0);
  for (const { plugin, rule } of prepared) {
    if (rule.score === undefined) continue;
    const raw = candidates.map((node) => rule.score?.(node) ?? 0);
    const scores = rule.normalize?.(raw) ?? raw;
    for (const [i, score] of scores.entries()) totals[i] = (totals[i] ?? 0) + score * plugin.weight;
  }
  const top = Math.max(...totals);
  return candidates.filter((_, i) => totals[i] === top).sort((a, b) => (a.name < b.name ? -1 : 1))[0];
}
