import { matchesLabelSelector } from '../../kube/label-selector.ts';
import type { Node } from '../../kube/types.gen.ts';
import type { PodFacts } from './pods.ts';
import { inOrder, type Peer, type Policy, type PortMatch, type Protocol, type Rule } from './policy.ts';
import { contains, rangesOf } from './ranges.ts';
import { isChosen } from './selection.ts';
import { nodeAddresses } from './sets.ts';

/** The cluster as one decision sees it. */
export interface DecisionView {
  readonly policies: readonly Policy[];
  readonly nodes: readonly Node[];
  podAt(address: string): PodFacts | undefined;
  namespaceLabels(namespace: string): Readonly<Record<string, string>> | undefined;
}

export interface ConnectionFacts {
  readonly client: string;
  readonly server: string;
  /** Anything but TCP, UDP and SCTP has no ports: only rules without any match it. */
  readonly protocol: Protocol | 'other';
  readonly port: number;
}

/** What one end's policies say, and which of them says it. */
export interface Decision {
  readonly allowed: boolean;
  /** `NetworkPolicy default/web ingress[0]`, or why there is no rule to name. */
  readonly reason: string;
}

/** The verdict of the client's pod on what leaves it, or of the server's on what enters it; null when that end is no pod. */
export function decide(
  view: DecisionView,
  connection: ConnectionFacts,
  direction: 'ingress' | 'egress',
): Decision | null {
  const pod = view.podAt(direction === 'ingress' ? connection.server : connection.client);
  if (pod === undefined) return null;
  if (connection.client === connection.server) return { allowed: true, reason: 'a pod may always reach itself' };
  const about = inOrder(view.policies).filter(
    (policy) => policy[direction] !== null && isChosen(policy.subject, pod, view.namespaceLabels(pod.namespace)),
  );
  const admin = firstMatch(view, about, 'Admin', direction, connection);
  if (admin !== undefined && decides(admin)) return ordered(admin);
  const isolating = about.filter(({ tier }) => tier === 'NetworkPolicy');
  if (isolating.length > 0) return isolated(view, isolating, direction, connection);
  const baseline = firstMatch(view, about, 'Baseline', direction, connection);
  if (baseline !== undefined && decides(baseline)) return ordered(baseline);
  const passed = admin ?? baseline;
  const why = passed === undefined ? `no policy is about ${direction} of ${pod.key}` : `${nameOf(passed)} passes it on`;
  return { allowed: true, reason: `${why}, and what no policy decides is allowed` };
}

interface Match {
  readonly policy: Policy;
  readonly rule: Rule;
}

function nameOf({ policy, rule }: Match): string {
  return `${policy.name} ${rule.name}`;
}

function ordered(match: Match): Decision {
  const { action } = match.rule;
  return { allowed: action === 'Accept', reason: `${nameOf(match)} (${match.policy.tier} tier, ${action})` };
}

/** Pass leaves it to the next tier, unless something in the rule is unknown. */
function decides({ rule }: Match): boolean {
  return rule.action !== 'Pass' || isClosed(rule);
}

function isClosed({ peers }: Rule): boolean {
  return peers !== 'all' && peers.some(({ kind }) => kind === 'unknown');
}

function isolated(
  view: DecisionView,
  policies: readonly Policy[],
  direction: 'ingress' | 'egress',
  connection: ConnectionFacts,
): Decision {
  for (const policy of policies) {
    const rule = policy[direction]?.find((one) => matches(view, one, direction, connection));
    if (rule !== undefined) return { allowed: true, reason: nameOf({ policy, rule }) };
  }
  const names = policies.map(({ name }) => name).join(', ');
  const verb = policies.length === 1 ? 'has' : 'have';
  return { allowed: false, reason: `${names} ${verb} no ${direction} rule that allows it` };
}

function firstMatch(
  view: DecisionView,
  policies: readonly Policy[],
  tier: Policy['tier'],
  direction: 'ingress' | 'egress',
  connection: ConnectionFacts,
): Match | undefined {
  for (const policy of policies) {
    if (policy.tier !== tier) continue;
    const rule = policy[direction]?.find((one) => matches(view, one, direction, connection));
    if (rule !== undefined) return { policy, rule };
  }
  return undefined;
}

function matches(
  view: DecisionView,
  rule: Rule,
  direction: 'ingress' | 'egress',
  connection: ConnectionFacts,
): boolean {
  const { peers, ports } = rule;
  // What is not understood is closed.
  if (isClosed(rule)) return rule.action !== 'Accept';
  const other = direction === 'ingress' ? connection.client : connection.server;
  if (peers !== 'all' && !peers.some((peer) => isPeer(view, peer, other))) return false;
  return ports === 'all' || ports.some((port) => isPort(view, port, connection));
}

function isPeer(view: DecisionView, peer: Peer, address: string): boolean {
  switch (peer.kind) {
    case 'pods': {
      const pod = view.podAt(address);
      return pod !== undefined && isChosen(peer.choice, pod, view.namespaceLabels(pod.namespace));
    }
    case 'networks':
      return rangesOf(peer.blocks).some((range) => contains(range, address));
    case 'nodes':
      return view.nodes.some(
        (node) =>
          matchesLabelSelector(peer.selector, node.metadata.labels ?? {}) && nodeAddresses(node).includes(address),
      );
    case 'unknown':
      return false;
  }
}

function isPort(view: DecisionView, match: PortMatch, { server, protocol, port }: ConnectionFacts): boolean {
  if (protocol === 'other') return false;
  if (match.protocol !== undefined && match.protocol !== protocol) return false;
  if ('from' in match) return match.from <= port && port <= match.to;
  const named = view.podAt(server)?.namedPorts.find((one) => one.name === match.name && one.protocol === protocol);
  return named?.port === port;
}
