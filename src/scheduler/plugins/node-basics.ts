import { matchesNodeAffinity, matchesNodeSelectorTerm, tolerates, untoleratedTaint } from '../../kube/scheduling.ts';
import { maxScore, normalizeByMax, type Plugin } from '../plugin.ts';

const gib = 1024 ** 3;
const mib = 1024 ** 2;

/** spec.nodeName, when given to the scheduler, is a demand. */
export const nodeName: Plugin = {
  name: 'NodeName',
  weight: 0,
  prepare: ({ pod }) => ({
    filter: (node) =>
      !pod.spec?.nodeName || pod.spec.nodeName === node.name
        ? null
        : { reasons: ["node(s) didn't match the requested node name"], resolvable: false },
  }),
};

/** A cordoned node takes no new pods, unless they tolerate its taint. */
export const nodeUnschedulable: Plugin = {
  name: 'NodeUnschedulable',
  weight: 0,
  prepare({ pod }) {
    const taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
    const tolerated = pod.spec?.tolerations?.some((t) => tolerates(t, taint)) ?? false;
    return {
      filter: ({ node }) =>
        node.spec?.unschedulable && !tolerated ? { reasons: ['node(s) were unschedulable'], resolvable: false } : null,
    };
  },
};

/** NoSchedule and NoExecute taints refuse, PreferNoSchedule ones cost. */
export const taintToleration: Plugin = {
  name: 'TaintToleration',
  weight: 3,
  prepare({ pod }) {
    const tolerations = pod.spec?.tolerations;
    return {
      filter({ node }) {
        const taint = untoleratedTaint(node.spec?.taints, tolerations, ['NoSchedule', 'NoExecute']);
        if (taint === undefined) return null;
        return { reasons: [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`], resolvable: false };
      },
      score: ({ node }) =>
        (node.spec?.taints ?? []).filter(
          (taint) => taint.effect === 'PreferNoSchedule' && !tolerations?.some((t) => tolerates(t, taint)),
        ).length,
      normalize: (scores) => normalizeByMax(scores, true),
    };
  },
};

/** nodeSelector and required node affinity refuse; preferred terms add their weights. */
export const nodeAffinity: Plugin = {
  name: 'NodeAffinity',
  weight: 2,
  prepare({ pod }) {
    const preferred = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    return {
      filter: ({ node }) =>
        matchesNodeAffinity(pod, node)
          ? null
          : { reasons: ["node(s) didn't match Pod's node affinity/selector"], resolvable: false },
      ...(preferred.length === 0
        ? {}
        : {
            score: ({ node }) =>
              preferred.reduce((sum, p) => sum + (matchesNodeSelectorTerm(p.preference, node) ? p.weight : 0), 0),
            normalize: (scores) => normalizeByMax(scores),
          }),
    };
  },
};

/** Nodes that have the pod's images already are preferred, by the bytes that need not be pulled. */
export const imageLocality: Plugin = {
  name: 'ImageLocality',
  weight: 1,
  prepare({ pod }, snapshot) {
    const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
    const wanted = containers.map((c) => normalizedImage(c.image ?? ''));
    const nodeCount = Math.max(snapshot.nodes.length, 1);
    const holders = new Map<string, number>();
    for (const { node } of snapshot.nodes) {
      for (const name of new Set((node.status?.images ?? []).flatMap((image) => image.names ?? []))) {
        if (wanted.includes(name)) holders.set(name, (holders.get(name) ?? 0) + 1);
      }
    }
    const low = 23 * mib;
    const high = gib * Math.max(containers.length, 1);
    return {
      score({ node }) {
        let bytes = 0;
        for (const name of wanted) {
          const image = node.status?.images?.find((i) => i.names?.includes(name));
          // An image that few nodes have counts less, so that pods don't heap up where it happens to be.
          if (image !== undefined) bytes += ((image.sizeBytes ?? 0) * (holders.get(name) ?? 0)) / nodeCount;
        }
        return Math.floor((maxScore * (Math.min(Math.max(bytes, low), high) - low)) / (high - low));
      },
    };
  },
};

function normalizedImage(name: string): string {
  const lastPart = name.slice(name.lastIndexOf('/') + 1);
  return /[:@]/.test(lastPart) ? name : `${name}:latest`;
}
