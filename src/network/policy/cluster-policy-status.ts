import { findCondition } from '../../kube/conditions.ts';
import { formatTime } from '../../kube/time.ts';
import type { Condition } from '../../kube/types.gen.ts';
import { type Controller, done, watchOf } from '../../runtime/controller.ts';
import { type ClusterNetworkPolicy, clusternetworkpolicies, readClusterPolicy } from './cluster-network-policy.ts';
import { rangeOf } from './ranges.ts';

/** Whom the controller acts as. */
export const clusterPolicyAccount = 'cluster-network-policy-controller';

/**
 * Tells on each ClusterNetworkPolicy whether all of it can be enforced: condition Accepted, and an Event where it can't.
 * What can't be is closed: an Accept rule matches nothing, any other denies everything.
 */
export function createClusterPolicyController(): Controller {
  return {
    name: clusterPolicyAccount,
    watches: [watchOf(clusternetworkpolicies, ({ metadata }) => [metadata.name ?? ''])],
    async reconcile(key, { client, informers, events, clock }) {
      const policy = informers.of(clusternetworkpolicies).get(key);
      if (policy === undefined || policy.metadata.deletionTimestamp !== undefined) return done;
      const problems = problemsOf(policy);
      const wanted = acceptedCondition(policy, problems, clock.now());
      const former = findCondition(policy.status?.conditions, 'Accepted');
      if (isSame(former, wanted)) return done;
      const others = (policy.status?.conditions ?? []).filter(({ type }) => type !== 'Accepted');
      // The moment is that of the change of status, not of each look.
      const lastTransitionTime =
        former?.status === wanted.status ? former.lastTransitionTime : wanted.lastTransitionTime;
      const conditions = [...others, { ...wanted, lastTransitionTime }];
      await client.update(clusternetworkpolicies, { ...policy, status: { conditions } }, { subresource: 'status' });
      if (problems.length > 0) events.event(policy, 'Warning', 'NotEnforceable', wanted.message);
      return done;
    },
  };
}

/** What of a policy can't be enforced as it stands, with the place of each. */
export function problemsOf(policy: ClusterNetworkPolicy): readonly string[] {
  const networks = (policy.spec.egress ?? []).flatMap(({ to = [] }, index) =>
    to.flatMap(({ networks: cidrs = [] }) =>
      cidrs.filter((cidr) => rangeOf(cidr) === undefined).map((cidr) => `spec.egress[${index}]: ${cidr} is no prefix`),
    ),
  );
  const { problems } = readClusterPolicy(policy);
  const { tier } = policy.spec;
  const ranges = [...(policy.spec.ingress ?? []), ...(policy.spec.egress ?? [])].flatMap(({ protocols = [] }) =>
    protocols.flatMap(({ tcp, udp, sctp }) => {
      const range = (tcp ?? udp ?? sctp)?.destinationPort?.range;
      return range !== undefined && range.start >= range.end
        ? [`ports ${range.start} to ${range.end}: not ascending`]
        : [];
    }),
  );
  const tiers = tier === 'Admin' || tier === 'Baseline' ? [] : [`spec.tier: ${tier} is not known`];
  return [...tiers, ...problems, ...networks, ...ranges];
}

function acceptedCondition(policy: ClusterNetworkPolicy, problems: readonly string[], nowMs: number): Condition {
  const isAccepted = problems.length === 0;
  return {
    type: 'Accepted',
    status: isAccepted ? 'True' : 'False',
    reason: isAccepted ? 'Accepted' : 'NotEnforceable',
    message: isAccepted
      ? 'every node enforces it'
      : `${problems.join('; ')}. Rules concerned are closed: they accept nothing, or deny everything`,
    observedGeneration: policy.metadata.generation ?? 0,
    lastTransitionTime: formatTime(nowMs),
  };
}

function isSame(a: Condition | undefined, b: Condition): boolean {
  return (
    a?.status === b.status &&
    a.reason === b.reason &&
    a.message === b.message &&
    a.observedGeneration === b.observedGeneration
  );
}
