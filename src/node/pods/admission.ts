import { podRequests } from '../../kube/pod-resources.ts';
import { parseQuantity, quantityMilliValue, quantityValue } from '../../kube/quantity.ts';
import {
  criticalPriority,
  hostPorts,
  matchesNodeAffinity,
  portsConflict,
  tolerates,
  untoleratedTaint,
} from '../../kube/scheduling.ts';
import type { Node, Pod } from '../../kube/types.gen.ts';
import { qosClass } from './resources.ts';
import type { PodFailure } from './status.ts';

/** Why a node does not take a pod that was bound to it; `mayBeOld` when it follows from what others write into the Node. */
export interface Refusal extends PodFailure {
  readonly mayBeOld?: boolean;
}

/**
 * Kubelet's own look at a pod before it runs: whether it fits beside those that the node has taken already. The
 * scheduler has checked the same, but bindings need no scheduler, and its view may be old. Null when all is well. Pure.
 */
export function refusalOf(pod: Pod, node: Node, taken: readonly Pod[]): Refusal | null {
  return (
    underPressure(pod, node) ??
    otherSystem(pod) ??
    outOfResources(pod, node, taken) ??
    wrongNode(pod, node) ??
    takenPorts(pod, taken) ??
    untolerated(pod, node)
  );
}

/** A node under pressure takes critical pods; one that only lacks memory takes those that asked for some. */
function underPressure(pod: Pod, node: Node): Refusal | null {
  if ((pod.spec?.priority ?? 0) >= criticalPriority) return null;
  const pressures = (node.status?.conditions ?? [])
    .filter(({ type, status }) => type.endsWith('Pressure') && status === 'True')
    .map(({ type }) => type);
  if (pressures.length === 0) return null;
  if (pressures.length === 1 && pressures[0] === 'MemoryPressure') {
    const taint = { key: 'node.kubernetes.io/memory-pressure', effect: 'NoSchedule' };
    if (qosClass(pod) !== 'BestEffort' || pod.spec?.tolerations?.some((one) => tolerates(one, taint))) return null;
  }
  return { reason: 'Evicted', message: `The node had condition: [${pressures.join(' ')}]. `, mayBeOld: true };
}

function otherSystem(pod: Pod): Refusal | null {
  const name = pod.spec?.os?.name;
  if (name === undefined || name === '' || name === 'linux') return null;
  return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" };
}

/** Pods first, then CPU, memory and storage, then whatever else the node has. */
function outOfResources(pod: Pod, node: Node, taken: readonly Pod[]): Refusal | null {
  const allocatable = node.status?.allocatable ?? {};
  const wanted = podRequests(pod);
  const refuse = (resource: string, requested: number, used: number, capacity: number): Refusal => ({
    reason: `OutOf${resource}`,
    message: `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  });
  const podsMax = amount('pods', allocatable['pods']);
  if (taken.length + 1 > podsMax) return refuse('pods', 1, taken.length, podsMax);
  const others = taken.map(podRequests);
  const usual = ['cpu', 'memory', 'ephemeral-storage'];
  for (const resource of [...usual, ...Object.keys(wanted).filter((name) => !usual.includes(name))]) {
    // Of resources that it has never heard of a kubelet says nothing: who provides them does.
    if (!usual.includes(resource) && allocatable[resource] === undefined) continue;
    const requested = amount(resource, wanted[resource]);
    if (requested === 0) continue;
    const capacity = amount(resource, allocatable[resource]);
    const used = others.reduce((sum, requests) => sum + amount(resource, requests[resource]), 0);
    if (requested > capacity - used) return refuse(resource, requested, used, capacity);
  }
  return null;
}

/** Thousandths of a processor, else bytes or pieces. */
function amount(resource: string, text: string | undefined): number {
  if (text === undefined) return 0;
  const quantity = parseQuantity(text);
  return resource === 'cpu' ? quantityMilliValue(quantity) : quantityValue(quantity);
}

function failed(predicate: string, why: string): Refusal {
  return { reason: predicate, message: `Predicate ${predicate} failed: ${why}` };
}

function wrongNode(pod: Pod, node: Node): Refusal | null {
  if (!matchesNodeAffinity(pod, node))
    return { ...failed('NodeAffinity', "node(s) didn't match Pod's node affinity/selector"), mayBeOld: true };
  const { nodeName } = pod.spec ?? {};
  if (nodeName && nodeName !== node.metadata.name)
    return failed('NodeName', "node(s) didn't match the requested node name");
  return null;
}

function takenPorts(pod: Pod, taken: readonly Pod[]): Refusal | null {
  const wanted = hostPorts(pod);
  if (wanted.length === 0) return null;
  const used = taken.flatMap(hostPorts);
  if (!wanted.some((port) => used.some((other) => portsConflict(port, other)))) return null;
  return failed('NodePorts', "node(s) didn't have free ports for the requested pod ports");
}

/** Of taints only those that would throw the pod out again count here. */
function untolerated(pod: Pod, node: Node): Refusal | null {
  if (untoleratedTaint(node.spec?.taints, pod.spec?.tolerations, ['NoExecute']) === undefined) return null;
  return { ...failed('TaintToleration', "node(s) had taints that the pod didn't tolerate"), mayBeOld: true };
}
