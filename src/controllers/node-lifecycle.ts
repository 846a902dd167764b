import type { Clock } from '../core/clock.ts';
import { findCondition } from '../kube/conditions.ts';
import { keyOf } from '../kube/resource.ts';
import { leases, nodes, pods } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import { formatTime } from '../kube/time.ts';
import type { Lease, Node, NodeCondition, Pod, Taint } from '../kube/types.gen.ts';
import { type Controller, type ControllerContext, done, type Outcome, watchOf } from '../runtime/controller.ts';
import { planZones, type ZoneState, zoneOf } from './node-zones.ts';
import { isEqual } from './support/equality.ts';

export const leaseNamespace = 'kube-node-lease';
const monitorPeriodMs = 5_000;
export const notReadyTaint = 'node.kubernetes.io/not-ready';
export const unreachableTaint = 'node.kubernetes.io/unreachable';

/** Taints that keep new pods from a node in this condition (TaintNodesByCondition). */
const conditionTaints: readonly (readonly [type: string, status: string, key: string])[] = [
  ['Ready', 'False', notReadyTaint],
  ['Ready', 'Unknown', unreachableTaint],
  ['MemoryPressure', 'True', 'node.kubernetes.io/memory-pressure'],
  ['DiskPressure', 'True', 'node.kubernetes.io/disk-pressure'],
  ['PIDPressure', 'True', 'node.kubernetes.io/pid-pressure'],
  ['NetworkUnavailable', 'True', 'node.kubernetes.io/network-unavailable'],
];
const unschedulableTaint = 'node.kubernetes.io/unschedulable';
const heartbeatConditions = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

export interface NodeLifecycleOptions {
  /** A node that was silent for so long counts as lost; 40 s when absent. */
  readonly gracePeriodMs?: number;
  /** The same for a node that never posted its status; 60 s when absent. */
  readonly startupGracePeriodMs?: number;
}

/** The conditions of a node that has been silent too long: nothing is known any more. Pure. */
export function silentConditions(node: Node, nowMs: number): readonly NodeCondition[] {
  const now = formatTime(nowMs);
  const standing = node.status?.conditions ?? [];
  const conditions = standing.map((condition) => {
    if (!heartbeatConditions.includes(condition.type) || condition.status === 'Unknown') return condition;
    const message = 'Kubelet stopped posting node status.';
    return { ...condition, status: 'Unknown', reason: 'NodeStatusUnknown', message, lastTransitionTime: now };
  });
  for (const type of heartbeatConditions) {
    if (findCondition(standing, type)) continue;
    const times = { lastHeartbeatTime: node.metadata.creationTimestamp ?? now, lastTransitionTime: now };
    const message = 'Kubelet never posted node status.';
    conditions.push({ type, status: 'Unknown', reason: 'NodeStatusNeverUpdated', message, ...times });
  }
  return conditions;
}

/** The taints that the node's conditions call for, over those that others put there. Pure. */
export function planTaints(node: Node, evicts: boolean, nowMs: number): readonly Taint[] {
  const standing = node.spec?.taints ?? [];
  const wanted: Taint[] = [];
  const ready = findCondition(node.status?.conditions, 'Ready')?.status ?? 'Unknown';
  for (const [type, status, key] of conditionTaints) {
    const actual = type === 'Ready' ? ready : findCondition(node.status?.conditions, type)?.status;
    if (actual === status) wanted.push({ key, effect: 'NoSchedule' });
  }
  if (node.spec?.unschedulable) wanted.push({ key: unschedulableTaint, effect: 'NoSchedule' });
  const isEvicted = (key: string) => standing.some((taint) => taint.key === key && taint.effect === 'NoExecute');
  const evictionKey = ready === 'False' ? notReadyTaint : ready === 'True' ? null : unreachableTaint;
  // A taint that stands is kept (or becomes the other one) without waiting for its zone's turn.
  const wasEvicted = isEvicted(notReadyTaint) || isEvicted(unreachableTaint);
  if (evictionKey !== null && (evicts || wasEvicted)) {
    wanted.push({ key: evictionKey, effect: 'NoExecute', timeAdded: formatTime(nowMs) });
  }
  const isOurs = (taint: Taint) => {
    if (taint.effect === 'NoExecute') return taint.key === notReadyTaint || taint.key === unreachableTaint;
    return (
      taint.effect === 'NoSchedule' &&
      (taint.key === unschedulableTaint || conditionTaints.some(([, , key]) => key === taint.key))
    );
  };
  const kept = standing.filter((taint) => !isOurs(taint) || wanted.some((next) => isSameTaint(next, taint)));
  return [...kept, ...wanted.filter((next) => !kept.some((taint) => isSameTaint(next, taint)))];
}

function isSameTaint(a: Taint, b: Taint): boolean {
  return a.key === b.key && a.effect === b.effect;
}

/** When each node was last heard of, by our own clock: a node's clock may be wrong. */
class Heartbeats {
  readonly #seen = new Map<string, { readonly sign: string; readonly atMs: number }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds of silence. */
  observe(node: Node, lease: Lease | undefined): number {
    const key = keyOf(node);
    const ready = findCondition(node.status?.conditions, 'Ready');
    const sign = `${lease?.spec?.renewTime ?? ''}|${ready?.status === 'Unknown' ? '' : (ready?.lastHeartbeatTime ?? '')}`;
    const now = this.#clock.monotonic();
    const before = this.#seen.get(key);
    if (before?.sign === sign) return now - before.atMs;
    this.#seen.set(key, { sign, atMs: now });
    return 0;
  }

  forget(key: string): void {
    this.#seen.delete(key);
  }
}

/** Watches nodes' heartbeats; marks and taints those that are silent or unwell, at a bounded rate for each zone. */
export function createNodeLifecycleController(options: NodeLifecycleOptions = {}): Controller {
  const { gracePeriodMs = 40_000, startupGracePeriodMs = 60_000 } = options;
  let heartbeats: Heartbeats | null = null;
  const evictions = new Map<string, number>();

  /** True when the node's zone has an eviction to give now. */
  function mayEvict(node: Node, zones: ReadonlyMap<string, ZoneState>, nowMs: number): boolean {
    const zone = zoneOf(node);
    const perSecond = zones.get(zone)?.evictionsPerSecond ?? 0;
    if (perSecond === 0) return false;
    const last = evictions.get(zone);
    if (last !== undefined && nowMs - last < 1000 / perSecond) return false;
    evictions.set(zone, nowMs);
    return true;
  }

  async function reconcile(key: string, context: ControllerContext): Promise<Outcome> {
    const { informers, client, clock, events } = context;
    heartbeats ??= new Heartbeats(clock);
    const node = informers.of(nodes).get(key);
    if (!node) {
      heartbeats.forget(key);
      return done;
    }
    const isRegistered = findCondition(node.status?.conditions, 'Ready') !== undefined;
    const silenceMs = heartbeats.observe(
      node,
      informers.of(leases, { namespace: leaseNamespace }).get(`${leaseNamespace}/${key}`),
    );
    let current = node;
    const isSilent = silenceMs > (isRegistered ? gracePeriodMs : startupGracePeriodMs);
    if (isSilent) {
      const conditions = silentConditions(node, clock.now());
      if (!isEqual(conditions, node.status?.conditions)) {
        current = await client.update(
          nodes,
          { ...node, status: { ...node.status, conditions } },
          { subresource: 'status' },
        );
        events.event(node, 'Normal', 'NodeNotReady', `Node ${key} status is now: NodeNotReady`);
      }
    }
    const ready = findCondition(current.status?.conditions, 'Ready')?.status;
    // A node that has not posted its first status is not judged before its time is up.
    if (ready !== undefined) await taint(context, current, ready);
    if (ready !== undefined && ready !== 'True') await markPodsNotReady(context, key);
    return { requeueAfterMs: monitorPeriodMs };
  }

  async function taint(context: ControllerContext, node: Node, ready: string): Promise<void> {
    const { informers, client, clock } = context;
    const standing = node.spec?.taints ?? [];
    const isEvicting = standing.some(
      ({ key, effect }) => effect === 'NoExecute' && (key === notReadyTaint || key === unreachableTaint),
    );
    const zones = planZones(informers.of(nodes).list());
    // When no node of the whole cluster is ready, it is rather we who are cut off.
    const isCutOff = [...zones.values()].every((zone) => zone.state === 'full-disruption');
    const evicts = ready !== 'True' && !isCutOff && (isEvicting || mayEvict(node, zones, clock.monotonic()));
    const judged = isCutOff && isEvicting ? withoutEvictions(node) : node;
    const taints = planTaints(judged, evicts, clock.now());
    if (isEqual(taints, standing)) return;
    const { resourceVersion } = node.metadata;
    await client.patch(
      nodes,
      { name: keyOf(node) },
      { type: 'merge', body: { metadata: { resourceVersion }, spec: { taints } } },
    );
  }

  return {
    name: 'node-controller',
    watches: [
      watchOf(nodes, (node) => [keyOf(node)]),
      watchOf(leases, () => [], { namespace: leaseNamespace }),
      watchOf(pods, () => [], { indexes: { node: nodeOfPod } }),
    ],
    reconcile,
  };
}

function withoutEvictions(node: Node): Node {
  const taints = (node.spec?.taints ?? []).filter(
    ({ key, effect }) => effect !== 'NoExecute' || (key !== notReadyTaint && key !== unreachableTaint),
  );
  return { ...node, spec: { ...node.spec, taints } };
}

/** Index function: the node that a pod runs on. */
export function nodeOfPod(pod: Pod): readonly string[] {
  return pod.spec?.nodeName ? [pod.spec.nodeName] : [];
}

/** Endpoints must not send traffic to pods of a node that nobody hears of. */
async function markPodsNotReady({ informers, client, clock, events }: ControllerContext, node: string): Promise<void> {
  for (const pod of informers.of(pods, { indexes: { node: nodeOfPod } }).byIndex('node', node)) {
    if (findCondition(pod.status?.conditions, 'Ready')?.status !== 'True') continue;
    const conditions = (pod.status?.conditions ?? []).map((condition) =>
      condition.type === 'Ready'
        ? { ...condition, status: 'False', lastTransitionTime: formatTime(clock.now()) }
        : condition,
    );
    try {
      await client.update(pods, { ...pod, status: { ...pod.status, conditions } }, { subresource: 'status' });
    } catch (thrown) {
      if (isReason(thrown, 'NotFound', 'Conflict')) continue;
      throw thrown;
    }
    events.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
  }
}
