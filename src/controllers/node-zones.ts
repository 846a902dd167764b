import { findCondition } from '../kube/conditions.ts';
import type { Node } from '../kube/types.gen.ts';

/** kube-controller-manager's defaults. */
const evictionsPerSecond = 0.1;
const secondaryEvictionsPerSecond = 0.01;
const unhealthyThreshold = 0.55;
const largeZoneNodes = 50;

export interface ZoneState {
  readonly state: 'normal' | 'partial-disruption' | 'full-disruption';
  readonly evictionsPerSecond: number;
}

/** The failure zone of a node, by its topology labels. */
export function zoneOf(node: Node): string {
  const labels = node.metadata.labels ?? {};
  return `${labels['topology.kubernetes.io/region'] ?? ''}:${labels['topology.kubernetes.io/zone'] ?? ''}`;
}

/** How fast nodes of each zone may be emptied: the more of a zone are ill at once, the less it is their fault. Pure. */
export function planZones(nodes: readonly Node[]): ReadonlyMap<string, ZoneState> {
  const counts = new Map<string, { ready: number; ill: number }>();
  for (const node of nodes) {
    const ready = findCondition(node.status?.conditions, 'Ready');
    // A node that never spoke says nothing of its zone.
    if (!ready) continue;
    const count = counts.get(zoneOf(node)) ?? { ready: 0, ill: 0 };
    if (ready.status === 'True') count.ready++;
    else count.ill++;
    counts.set(zoneOf(node), count);
  }
  return new Map([...counts].map(([zone, { ready, ill }]) => [zone, stateOf(ready, ill)]));
}

function stateOf(ready: number, ill: number): ZoneState {
  if (ready === 0 && ill > 0) return { state: 'full-disruption', evictionsPerSecond };
  if (ill > 2 && ill / (ready + ill) >= unhealthyThreshold) {
    const isLarge = ready + ill > largeZoneNodes;
    return { state: 'partial-disruption', evictionsPerSecond: isLarge ? secondaryEvictionsPerSecond : 0 };
  }
  return { state: 'normal', evictionsPerSecond };
}
