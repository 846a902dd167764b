import { matchesNodeAffinity, untoleratedTaint } from '../kube/scheduling.ts';
import type { DaemonSet, DaemonSetStatus, Node, Pod, PodSpec, PodTemplateSpec, Toleration } from '../kube/types.gen.ts';
import { scaledValue } from './support/int-or-percent.ts';
import { isPodAvailable, isPodReady } from './support/pods.ts';

export const revisionHashLabel = 'controller-revision-hash';
const templateGenerationLabel = 'pod-template-generation';
const templateGenerationAnnotation = 'deprecated.daemonset.template.generation';

/** Daemons stay where others are sent away: they are what makes a node well again. */
const daemonTolerations: readonly Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
];
const hostNetworkToleration: Toleration = {
  key: 'node.kubernetes.io/network-unavailable',
  operator: 'Exists',
  effect: 'NoSchedule',
};

/** The template of the pod for one node: bound to it by affinity, so that the scheduler places it. */
export function templateForNode(daemonSet: DaemonSet, node: string, hash: string): PodTemplateSpec {
  const { template } = daemonSet.spec ?? {};
  const generation = daemonSet.metadata.annotations?.[templateGenerationAnnotation];
  const labels = {
    ...template?.metadata?.labels,
    ...(generation === undefined ? {} : { [templateGenerationLabel]: generation }),
    [revisionHashLabel]: hash,
  };
  const spec = template?.spec ?? { containers: [] };
  const nodeSelectorTerms = [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }];
  const nodeAffinity = {
    ...spec.affinity?.nodeAffinity,
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms },
  };
  return {
    metadata: { ...template?.metadata, labels },
    spec: { ...spec, affinity: { ...spec.affinity, nodeAffinity }, tolerations: tolerationsOf(spec) },
  };
}

function tolerationsOf(spec: PodSpec): readonly Toleration[] {
  const own = spec.tolerations ?? [];
  const added = spec.hostNetwork ? [...daemonTolerations, hostNetworkToleration] : daemonTolerations;
  const isSame = (a: Toleration, b: Toleration) =>
    a.key === b.key && a.effect === b.effect && a.operator === b.operator;
  return [...own, ...added.filter((one) => !own.some((other) => isSame(one, other)))];
}

/** Whether a daemon belongs on the node: to be started there, or at least to stay. Pure. */
export function placement(daemonSet: DaemonSet, node: Node): { readonly runs: boolean; readonly stays: boolean } {
  const spec = daemonSet.spec?.template.spec ?? { containers: [] };
  const pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata: {}, spec };
  const isNamed = !spec.nodeName || spec.nodeName === node.metadata.name;
  if (!isNamed || !matchesNodeAffinity(pod, node)) return { runs: false, stays: false };
  const taints = node.spec?.taints;
  const tolerations = tolerationsOf(spec);
  if (!untoleratedTaint(taints, tolerations, ['NoSchedule', 'NoExecute'])) return { runs: true, stays: true };
  return { runs: false, stays: !untoleratedTaint(taints, tolerations, ['NoExecute']) };
}

/** The node that a daemon runs on, or is meant for while the scheduler has not placed it. */
export function targetNode(pod: Pod): string {
  if (pod.spec?.nodeName) return pod.spec.nodeName;
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  for (const { matchFields = [] } of required?.nodeSelectorTerms ?? []) {
    const field = matchFields.find(({ key, operator }) => key === 'metadata.name' && operator === 'In');
    if (field?.values?.length === 1) return field.values[0] ?? '';
  }
  return '';
}

export function podsByNode(pods: readonly Pod[]): ReadonlyMap<string, readonly Pod[]> {
  const byNode = new Map<string, Pod[]>();
  for (const pod of pods) {
    const node = targetNode(pod);
    const there = byNode.get(node);
    if (there) there.push(pod);
    else byNode.set(node, [pod]);
  }
  return byNode;
}

export interface DaemonPlan {
  /** Names of nodes. */
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
  /** Of `remove`, those that ended by themselves: their nodes get a new one after a delay. */
  readonly ended: readonly Pod[];
}

export interface DaemonWorld {
  readonly nodes: readonly Node[];
  readonly pods: readonly Pod[];
  /** The hash of the present template. */
  readonly hash: string;
  readonly nowMs: number;
}

function isGoing(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined;
}

function isCurrent(pod: Pod, hash: string): boolean {
  return pod.metadata.labels?.[revisionHashLabel] === hash;
}

function byAge(pods: readonly Pod[]): readonly Pod[] {
  const age = ({ metadata }: Pod) => `${metadata.creationTimestamp ?? ''}\0${metadata.name ?? ''}`;
  return [...pods].sort((a, b) => (age(a) < age(b) ? -1 : 1));
}

/** One daemon on each node that should have one (the daemon set controller's manage). Pure. */
export function planDaemons(daemonSet: DaemonSet, world: DaemonWorld): DaemonPlan {
  const byNode = podsByNode(world.pods);
  const plan: { create: string[]; remove: Pod[]; ended: Pod[] } = { create: [], remove: [], ended: [] };
  for (const node of world.nodes) {
    const name = node.metadata.name ?? '';
    const there = byNode.get(name) ?? [];
    const { runs, stays } = placement(daemonSet, node);
    if (runs && there.length === 0) plan.create.push(name);
    else if (!stays) plan.remove.push(...there.filter((pod) => !isGoing(pod)));
    else planNode(daemonSet, there, world, plan);
  }
  // Daemons that wait for a node that is gone would wait for ever.
  const names = new Set(world.nodes.map(({ metadata }) => metadata.name));
  for (const pod of world.pods) {
    if (!pod.spec?.nodeName && !isGoing(pod) && !names.has(targetNode(pod))) plan.remove.push(pod);
  }
  return plan;
}

function planNode(
  daemonSet: DaemonSet,
  there: readonly Pod[],
  { hash, nowMs }: DaemonWorld,
  plan: { remove: Pod[]; ended: Pod[] },
): void {
  const staying = there.filter((pod) => !isGoing(pod));
  const ended = staying.filter(({ status }) => status?.phase === 'Failed' || status?.phase === 'Succeeded');
  plan.remove.push(...ended);
  plan.ended.push(...ended);
  const running = byAge(staying.filter((pod) => !ended.includes(pod)));
  if (running.length <= 1) return;
  if (!allowsSurge(daemonSet)) {
    plan.remove.push(...running.slice(1));
    return;
  }
  const newest = running.filter((pod) => isCurrent(pod, hash));
  const older = running.filter((pod) => !isCurrent(pod, hash));
  plan.remove.push(...newest.slice(1), ...older.slice(1));
  const [fresh] = newest;
  const [old] = older;
  if (!fresh || !old) return;
  const minReadySeconds = daemonSet.spec?.minReadySeconds ?? 0;
  if (!isPodReady(old) || isPodAvailable(fresh, minReadySeconds, nowMs)) plan.remove.push(old);
}

export function allowsSurge(daemonSet: DaemonSet): boolean {
  const { updateStrategy } = daemonSet.spec ?? {};
  return updateStrategy?.type === 'RollingUpdate' && scaledValue(updateStrategy.rollingUpdate?.maxSurge, 100, 'up') > 0;
}

/** The next step of a rolling update. Pure. */
export function planRollingUpdate(daemonSet: DaemonSet, world: DaemonWorld): DaemonPlan {
  const byNode = podsByNode(world.pods);
  const nodes = world.nodes
    .filter((node) => placement(daemonSet, node).runs)
    .map(({ metadata }) => metadata.name ?? '');
  const { rollingUpdate } = daemonSet.spec?.updateStrategy ?? {};
  const maxSurge = scaledValue(rollingUpdate?.maxSurge, nodes.length, 'up');
  const maxUnavailable = scaledValue(rollingUpdate?.maxUnavailable ?? 1, nodes.length, 'up');
  const names = [...new Set([...nodes, ...byNode.keys()])];
  const pairs = names.map((node) => ({ node, pair: pairOn(byNode.get(node) ?? [], world.hash) }));
  const minReadySeconds = daemonSet.spec?.minReadySeconds ?? 0;
  const isAvailable = (pod: Pod) => isPodAvailable(pod, minReadySeconds, world.nowMs);
  if (maxSurge > 0) return planSurge(pairs, maxSurge, isAvailable);
  return planReplacement(pairs, maxSurge === 0 && maxUnavailable === 0 ? 1 : maxUnavailable, isAvailable);
}

/** The one old and one new daemon of a node; null when there are more, which planDaemons settles first. */
interface Pair {
  readonly fresh: Pod | undefined;
  readonly old: Pod | undefined;
}

function pairOn(pods: readonly Pod[], hash: string): Pair | null {
  const staying = pods.filter((pod) => !isGoing(pod));
  const fresh = staying.filter((pod) => isCurrent(pod, hash));
  const old = staying.filter((pod) => !isCurrent(pod, hash));
  return fresh.length > 1 || old.length > 1 ? null : { fresh: fresh[0], old: old[0] };
}

type Pairs = readonly { readonly node: string; readonly pair: Pair | null }[];

function planReplacement(pairs: Pairs, maxUnavailable: number, isAvailable: (pod: Pod) => boolean): DaemonPlan {
  let unavailable = 0;
  const broken: Pod[] = [];
  const candidates: Pod[] = [];
  for (const { pair } of pairs) {
    if (!pair || (pair.fresh === undefined) === (pair.old === undefined)) unavailable++;
    else if (pair.fresh) unavailable += isAvailable(pair.fresh) ? 0 : 1;
    else if (pair.old) (isAvailable(pair.old) ? candidates : broken).push(pair.old);
  }
  const room = Math.max(0, maxUnavailable - unavailable);
  return { create: [], remove: [...broken, ...candidates.slice(0, room)], ended: [] };
}

function planSurge(pairs: Pairs, maxSurge: number, isAvailable: (pod: Pod) => boolean): DaemonPlan {
  let surging = 0;
  const create: string[] = [];
  const candidates: string[] = [];
  const remove: Pod[] = [];
  for (const { node, pair } of pairs) {
    if (!pair?.old) continue;
    if (!pair.fresh) (isAvailable(pair.old) ? candidates : create).push(node);
    else if (isAvailable(pair.fresh)) remove.push(pair.old);
    else surging++;
  }
  return { create: [...create, ...candidates.slice(0, Math.max(0, maxSurge - surging))], remove, ended: [] };
}

/** The numbers of the status. Pure. */
export function daemonStatus(daemonSet: DaemonSet, world: DaemonWorld): DaemonSetStatus {
  const byNode = podsByNode(world.pods);
  const minReadySeconds = daemonSet.spec?.minReadySeconds ?? 0;
  let desired = 0;
  let scheduled = 0;
  let misscheduled = 0;
  let ready = 0;
  let available = 0;
  let updated = 0;
  for (const node of world.nodes) {
    const [pod] = byAge(byNode.get(node.metadata.name ?? '') ?? []);
    if (!placement(daemonSet, node).runs) {
      if (pod) misscheduled++;
      continue;
    }
    desired++;
    if (!pod) continue;
    scheduled++;
    if (isPodReady(pod)) ready++;
    if (isPodAvailable(pod, minReadySeconds, world.nowMs)) available++;
    if (isCurrent(pod, world.hash)) updated++;
  }
  const unavailable = desired - available;
  return {
    currentNumberScheduled: scheduled,
    numberMisscheduled: misscheduled,
    desiredNumberScheduled: desired,
    numberReady: ready,
    ...(daemonSet.metadata.generation === undefined ? {} : { observedGeneration: daemonSet.metadata.generation }),
    ...(updated > 0 ? { updatedNumberScheduled: updated } : {}),
    ...(available > 0 ? { numberAvailable: available } : {}),
    ...(unavailable > 0 ? { numberUnavailable: unavailable } : {}),
  };
}
