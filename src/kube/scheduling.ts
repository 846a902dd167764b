import { runningContainers } from './pod-containers.ts';
import { meetsRequirement } from './requirement.ts';
import type { Node, NodeSelector, NodeSelectorTerm, Pod, Taint, Toleration } from './types.gen.ts';

/** core/v1 ToleratesTaint: effect and key match when the toleration leaves them empty. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (toleration.operator === 'Exists') return true;
  if (toleration.operator === 'Gt' || toleration.operator === 'Lt') {
    return meetsRequirement(toleration.operator, taint.value, [toleration.value ?? '']);
  }
  return toleration.key !== undefined && toleration.key !== '' && (toleration.value ?? '') === (taint.value ?? '');
}

/** The first taint with one of these effects that no toleration covers. */
export function untoleratedTaint(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  effects: readonly string[],
): Taint | undefined {
  return taints?.find((taint) => effects.includes(taint.effect) && !tolerations?.some((t) => tolerates(t, taint)));
}

/** True when the node has the labels of spec.nodeSelector and satisfies the required node affinity. */
export function matchesNodeAffinity(pod: Pod, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  for (const [key, value] of Object.entries(pod.spec?.nodeSelector ?? {})) if (labels[key] !== value) return false;
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || matchesNodeSelector(required, node);
}

/** core/v1 NodeSelector: the terms are alternatives; an empty list matches nothing. */
export function matchesNodeSelector(selector: NodeSelector, node: Node): boolean {
  return selector.nodeSelectorTerms.some((term) => matchesNodeSelectorTerm(term, node));
}

/** All requirements of one term; a term without any matches nothing. */
export function matchesNodeSelectorTerm(term: NodeSelectorTerm, node: Node): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length === 0 && fields.length === 0) return false;
  const labels = node.metadata.labels ?? {};
  return (
    expressions.every((r) => meetsRequirement(r.operator, labels[r.key], r.values ?? [])) &&
    fields.every((r) => r.key === 'metadata.name' && meetsRequirement(r.operator, node.metadata.name, r.values ?? []))
  );
}

/** A port of the node that a pod takes for itself. */
export interface HostPort {
  readonly ip: string;
  readonly port: number;
  readonly protocol: string;
}

/** The ports of the node that a pod's containers take while they run. */
export function hostPorts(pod: Pod): readonly HostPort[] {
  return runningContainers(pod.spec).flatMap((container) =>
    (container.ports ?? [])
      .filter((p) => (p.hostPort ?? 0) > 0)
      .map((p) => ({ ip: p.hostIP || '0.0.0.0', port: p.hostPort ?? 0, protocol: p.protocol ?? 'TCP' })),
  );
}

/** Two ports that can't both be had: an address that stands for all clashes with each one. */
export function portsConflict(a: HostPort, b: HostPort): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  return a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0' || a.ip === '::' || b.ip === '::';
}

/** From this priority on a pod is critical to its node or cluster (system-cluster-critical): it goes last. */
export const criticalPriority = 2_000_000_000;
