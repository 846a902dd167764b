import type {
  PodChains,
  PolicyChain,
  PolicyCondition,
  PolicyDirection,
  PolicyRule,
  PolicyVerdict,
  PortRange,
} from '../../engines/nftables/policy-rules.ts';
import { lastPort, type Policy, type PortMatch, protocols, type Rule, type Tier } from './policy.ts';
import { hashOf, nftProtocols, type SetPlan } from './sets.ts';

type Conditions = readonly PolicyCondition[];

/**
 * The chains of one plan. Pods to which the same policies apply share theirs: one for the Admin tier, which leads to one
 * that asks each NetworkPolicy's own chain, or to the Baseline tier's where no NetworkPolicy is about the pod.
 */
export class ChainPlan {
  readonly #sets: SetPlan;
  readonly #former: Map<string, PolicyChain>;
  readonly #chains = new Map<string, PolicyChain>();
  readonly #byPolicies = new Map<string, PodChains>();

  /** `former` are the chains of the plan before, which those that did not change come from; it becomes this one's. */
  constructor(sets: SetPlan, former: Map<string, PolicyChain>) {
    this.#sets = sets;
    this.#former = former;
  }

  all(): ReadonlyMap<string, PolicyChain> {
    this.#former.clear();
    for (const [name, chain] of this.#chains) this.#former.set(name, chain);
    return this.#chains;
  }

  /** Where a pod's connections are judged, by the policies about it in their order. */
  ofPod(policies: readonly Policy[]): PodChains {
    const key = policies.map(({ name }) => name).join('\n');
    const known = this.#byPolicies.get(key);
    if (known !== undefined) return known;
    const made: PodChains = {
      ingress: this.#tiers('ingress', policies),
      egress: this.#tiers('egress', policies),
      node: this.#ordered('node', ofTier(policies, 'Admin', 'egress'), null),
    };
    this.#byPolicies.set(key, made);
    return made;
  }

  #tiers(direction: 'ingress' | 'egress', policies: readonly Policy[]): string | null {
    const baseline = this.#ordered(direction, ofTier(policies, 'Baseline', direction), null);
    const middle = this.#isolated(direction, ofTier(policies, 'NetworkPolicy', direction)) ?? baseline;
    return this.#ordered(direction, ofTier(policies, 'Admin', direction), middle);
  }

  /** NetworkPolicies: what none of them accepts is denied. */
  #isolated(direction: 'ingress' | 'egress', policies: readonly Policy[]): string | null {
    if (policies.length === 0) return null;
    const jumps = policies.map(
      (policy): PolicyRule => ({ when: [], verdict: { jump: this.#policy(direction, policy) } }),
    );
    return this.#add(`${direction}-${hashOf(policies.map(({ name }) => name))}`, direction, () => [
      ...jumps,
      { when: [], verdict: 'deny' },
    ]);
  }

  #policy(direction: 'ingress' | 'egress', policy: Policy): string {
    const readable = policy.name
      .replace(/^NetworkPolicy /, '')
      .replace(/[^A-Za-z0-9.-]/g, '_')
      .slice(0, 60);
    return this.#add(`${direction}-${hashOf(policy.name)}-${readable}`, direction, () =>
      (policy[direction] ?? []).flatMap((rule) => this.#expand(direction, rule, 'allow')),
    );
  }

  /** ClusterNetworkPolicies of a tier: the first rule that matches decides; Pass and the end lead to `next`. */
  #ordered(direction: PolicyDirection, policies: readonly Policy[], next: string | null): string | null {
    if (policies.length === 0) return next;
    const beyond: PolicyVerdict = next === null ? 'allow' : { goto: next };
    const verdicts = { Accept: 'allow', Deny: 'deny', Pass: beyond } as const;
    const facet = direction === 'ingress' ? 'ingress' : 'egress';
    const rules = policies.flatMap((policy) => policy[facet] ?? []);
    const id = hashOf([policies.map(({ name }) => name), next]);
    return this.#add(`${direction}-tier-${id}`, direction, () => {
      const texts: PolicyRule[] = [];
      let isStrict = direction === 'node';
      for (const rule of rules) {
        if (!isStrict && rule.action !== 'Accept' && choosesPods(rule)) {
          texts.push(this.#denyStrangers(direction));
          isStrict = true;
        }
        texts.push(...this.#expand(direction, rule, verdicts[rule.action]));
      }
      return [...texts, { when: [], verdict: beyond }];
    });
  }

  /**
   * A pod whose address is not told yet must not slip past a rule that would deny it: what has a pod's address and is no
   * known pod waits outside.
   */
  #denyStrangers(direction: PolicyDirection): PolicyRule {
    const side = direction === 'ingress' ? 'client' : 'server';
    const when = [
      { side, in: this.#sets.podAddresses() },
      { side, notIn: this.#sets.knownPods() },
    ] as const;
    return { when, verdict: 'deny' };
  }

  #expand(direction: PolicyDirection, rule: Rule, verdict: PolicyVerdict): readonly PolicyRule[] {
    if (rule.peers !== 'all' && rule.peers.some(({ kind }) => kind === 'unknown')) {
      return rule.action === 'Accept' ? [] : [{ when: [], verdict: 'deny' }];
    }
    const peers = this.#peerConditions(direction, rule);
    const ports = rule.ports === 'all' ? [[]] : this.#portConditions(rule.ports);
    return peers.flatMap((peer) => ports.map((port) => ({ when: [...peer, ...port], verdict })));
  }

  #peerConditions(direction: PolicyDirection, { peers }: Rule): readonly Conditions[] {
    if (peers === 'all') return [[]];
    const side = direction === 'ingress' ? 'client' : 'server';
    const blocks = peers.flatMap((peer) => (peer.kind === 'networks' ? peer.blocks : []));
    const names = new Set(
      peers.flatMap((peer) => {
        if (peer.kind === 'pods') return [this.#sets.pods(peer.choice)];
        return peer.kind === 'nodes' ? [this.#sets.nodes(peer.selector)] : [];
      }),
    );
    if (blocks.length > 0) names.add(this.#sets.networks(blocks));
    return [...names].map((name) => [{ side, in: name }]);
  }

  #portConditions(ports: readonly PortMatch[]): readonly Conditions[] {
    const result: Conditions[] = [];
    for (const protocol of protocols) {
      const ranges = joined(ports.flatMap((port) => ('from' in port && port.protocol === protocol ? [port] : [])));
      const nft = nftProtocols[protocol];
      const [only] = ranges;
      if (only === undefined) continue;
      if (ranges.length > 1) result.push([{ protocol: nft, ports: { set: this.#sets.ports(ranges) } }]);
      else result.push([only.from === 0 && only.to === lastPort ? { protocol: nft } : { protocol: nft, ports: only }]);
    }
    for (const port of ports) {
      if (!('name' in port)) continue;
      for (const { protocol, port: number, set } of this.#sets.namedPorts(port.name, port.protocol)) {
        result.push([
          { side: 'server', in: set },
          { protocol, ports: { from: number, to: number } },
        ]);
      }
    }
    return result;
  }

  #add(name: string, direction: PolicyDirection, make: () => readonly PolicyRule[]): string {
    if (this.#chains.has(name)) return name;
    const rules = make();
    const former = this.#former.get(name);
    const isSame = former !== undefined && JSON.stringify(former.rules) === JSON.stringify(rules);
    this.#chains.set(name, isSame ? former : { direction, rules });
    return name;
  }
}

function ofTier(policies: readonly Policy[], tier: Tier, direction: 'ingress' | 'egress'): readonly Policy[] {
  return policies.filter((policy) => policy.tier === tier && policy[direction] !== null);
}

function choosesPods({ peers }: Rule): boolean {
  return peers !== 'all' && peers.some(({ kind }) => kind === 'pods');
}

/** In ascending order; what overlaps or touches becomes one. */
function joined(ranges: readonly PortRange[]): readonly PortRange[] {
  const result: PortRange[] = [];
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = result.at(-1);
    if (last !== undefined && from <= last.to + 1)
      result[result.length - 1] = { from: last.from, to: Math.max(last.to, to) };
    else result.push({ from, to });
  }
  return result;
}
