import { hostPorts, portsConflict } from '../../kube/scheduling.ts';
import { maxScore, type NodeInfo, type Plugin } from '../plugin.ts';
import { nonZeroRequests, type Requests } from '../requests.ts';

/** Room for the pod's requests; nodes with more room left are preferred. */
export const nodeResourcesFit: Plugin = {
  name: 'NodeResourcesFit',
  weight: 1,
  prepare(info) {
    const scored = nonZeroRequests(info.requests);
    return {
      filter(node) {
        const reasons = insufficient(info.requests, node);
        if (reasons.length === 0) return null;
        const impossible = Object.entries(info.requests).some(
          ([name, amount]) => amount > (node.allocatable[name] ?? 0),
        );
        return { reasons, resolvable: !impossible };
      },
      // LeastAllocated: the share that stays free, CPU and memory alike.
      score(node) {
        const shares = ['cpu', 'memory'].map((name) => {
          const capacity = node.allocatable[name] ?? 0;
          const used = nonZeroSum(node, name) + (scored[name] ?? 0);
          return capacity === 0 || used > capacity ? 0 : Math.floor(((capacity - used) * maxScore) / capacity);
        });
        return Math.floor(shares.reduce((sum, share) => sum + share, 0) / shares.length);
      },
    };
  },
};

function insufficient(requests: Requests, node: NodeInfo): string[] {
  const reasons: string[] = [];
  if (node.pods.length + 1 > (node.allocatable['pods'] ?? 0)) reasons.push('Too many pods');
  for (const [name, amount] of Object.entries(requests)) {
    if (amount > 0 && amount > (node.allocatable[name] ?? 0) - (node.requested[name] ?? 0))
      reasons.push(`Insufficient ${name}`);
  }
  return reasons;
}

/** Nodes whose CPU and memory would be used in like shares are preferred. */
export const balancedAllocation: Plugin = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  prepare(info) {
    const requests = info.requests;
    return {
      score(node) {
        const share = (name: string) => {
          const capacity = node.allocatable[name] ?? 0;
          return capacity === 0 ? 0 : Math.min(((node.requested[name] ?? 0) + (requests[name] ?? 0)) / capacity, 1);
        };
        const deviation = Math.abs(share('cpu') - share('memory')) / 2;
        return Math.floor((1 - deviation) * maxScore);
      },
    };
  },
};

function nonZeroSum(node: NodeInfo, name: string): number {
  return node.pods.reduce((sum, p) => sum + (nonZeroRequests(p.requests)[name] ?? 0), 0);
}

/** Two pods can't have the same host port, protocol and address on one node. */
export const nodePorts: Plugin = {
  name: 'NodePorts',
  weight: 0,
  prepare({ pod }) {
    const wanted = hostPorts(pod);
    if (wanted.length === 0) return {};
    return {
      filter(node) {
        const taken = node.pods.flatMap((p) => hostPorts(p.pod));
        const clash = wanted.some((w) => taken.some((t) => portsConflict(w, t)));
        return clash
          ? { reasons: ["node(s) didn't have free ports for the requested pod ports"], resolvable: true }
          : null;
      },
    };
  },
};
