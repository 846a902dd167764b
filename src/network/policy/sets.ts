import { createHash } from 'node:crypto';
import type { PolicyProtocol, PolicySet, PortRange } from '../../engines/nftables/policy-rules.ts';
import { matchesLabelSelector } from '../../kube/label-selector.ts';
import type { LabelSelector, Node } from '../../kube/types.gen.ts';
import type { PodFacts } from './pods.ts';
import type { NetworkBlock, PodChoice, Protocol } from './policy.ts';
import { addressAt, canonicalAddress, rangeOf, rangesOf, rangeText } from './ranges.ts';
import type { Selection } from './selection.ts';

/** What sets are made of beside pods. */
export interface SetInput {
  readonly nodes: readonly Node[];
  readonly clusterCidrs: readonly string[];
}

/** A port that has a name, and the set of the pods on which it has this number. */
export interface ResolvedPort {
  readonly protocol: PolicyProtocol;
  readonly port: number;
  readonly set: string;
}

const allPods: PodChoice = { namespaces: { selector: {} }, pods: {} };

/**
 * The sets of one plan. Policies that choose the same pods, networks or ports share a set, whose name follows from what
 * it holds, or from the selector that fills it.
 */
export class SetPlan {
  readonly #input: SetInput;
  readonly #pods: readonly PodFacts[];
  readonly #selection: Selection;
  readonly #former: Map<string, PolicySet>;
  readonly #sets = new Map<string, PolicySet>();
  #named: ReadonlyMap<string, ReadonlyMap<number, ReadonlySet<string>>> | null = null;

  /** `former` are the sets of the plan before, which those that did not change come from; it becomes this one's. */
  constructor(input: SetInput, pods: readonly PodFacts[], selection: Selection, former: Map<string, PolicySet>) {
    this.#input = input;
    this.#pods = pods;
    this.#selection = selection;
    this.#former = former;
  }

  all(): ReadonlyMap<string, PolicySet> {
    this.#former.clear();
    for (const [name, set] of this.#sets) this.#former.set(name, set);
    return this.#sets;
  }

  pods(choice: PodChoice): string {
    const id = choiceId(choice);
    return this.#add(`pods-${id}`, 'addresses', () => this.#selection.addresses(id, choice));
  }

  /** Addresses that are known to be a pod's. */
  knownPods(): string {
    return this.pods(allPods);
  }

  /**
   * Addresses that only pods have. The first two of a node's range are the node's own: of its tunnel, and of its end of
   * the pods' links.
   */
  podAddresses(): string {
    return this.#add('cluster', 'ranges', () => {
      const nodeRanges = this.#input.nodes.flatMap(
        ({ spec }) => spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []),
      );
      const except = nodeRanges.flatMap((cidr) => {
        const range = rangeOf(cidr);
        if (range === undefined) return [];
        const bits = range.family === 4 ? 32 : 128;
        return [0, 1].map((n) => `${addressAt(range, n)}/${bits}`);
      });
      return rangeElements(this.#input.clusterCidrs.map((cidr) => ({ cidr, except })));
    });
  }

  networks(blocks: readonly NetworkBlock[]): string {
    const elements = rangeElements(blocks);
    return this.#add(`net-${hashOf([...elements])}`, 'ranges', () => elements);
  }

  nodes(selector: LabelSelector): string {
    return this.#add(`nodes-${hashOf(selector)}`, 'addresses', () => {
      const chosen = this.#input.nodes.filter(({ metadata }) => matchesLabelSelector(selector, metadata.labels ?? {}));
      return new Set(chosen.flatMap(nodeAddresses));
    });
  }

  ports(ranges: readonly PortRange[]): string {
    const elements = ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));
    return this.#add(`ports-${hashOf(elements)}`, 'ports', () => new Set(elements));
  }

  /** All numbers that a named port has among the cluster's pods. */
  namedPorts(name: string, protocol: Protocol | undefined): readonly ResolvedPort[] {
    this.#named ??= indexPorts(this.#pods);
    const result: ResolvedPort[] = [];
    for (const one of protocol === undefined ? (['TCP', 'UDP', 'SCTP'] as const) : [protocol]) {
      const numbers = this.#named.get(`${name}/${one}`) ?? new Map<number, ReadonlySet<string>>();
      for (const [port, addresses] of [...numbers].sort(([a], [b]) => a - b)) {
        const set = this.#add(`named-${hashOf([name, one, port])}`, 'addresses', () => addresses);
        result.push({ protocol: nftProtocols[one], port, set });
      }
    }
    return result;
  }

  #add(name: string, kind: PolicySet['kind'], elements: () => ReadonlySet<string>): string {
    if (this.#sets.has(name)) return name;
    const former = this.#former.get(name);
    const current = elements();
    const isSame = former !== undefined && (former.elements === current || sameElements(former.elements, current));
    this.#sets.set(name, isSame ? former : { kind, elements: current });
    return name;
  }
}

export const nftProtocols: Readonly<Record<Protocol, PolicyProtocol>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' };

/** The addresses by which a node is chosen as a peer. */
export function nodeAddresses({ status }: Node): readonly string[] {
  return (status?.addresses ?? []).flatMap(({ type, address }) =>
    type === 'InternalIP' || type === 'ExternalIP' ? (canonicalAddress(address) ?? []) : [],
  );
}

const choiceIds = new WeakMap<PodChoice, string>();

/** What a choice is known by: the same for all that choose alike. */
export function choiceId(choice: PodChoice): string {
  let id = choiceIds.get(choice);
  if (id === undefined) {
    id = hashOf(choice);
    choiceIds.set(choice, id);
  }
  return id;
}

/** Twelve digits that stand for a value in names of sets and chains. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value, inKeyOrder)).digest('hex').slice(0, 12);
}

function inKeyOrder(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function rangeElements(blocks: readonly NetworkBlock[]): ReadonlySet<string> {
  return new Set(rangesOf(blocks).map(rangeText));
}

function indexPorts(pods: readonly PodFacts[]): ReadonlyMap<string, ReadonlyMap<number, ReadonlySet<string>>> {
  const index = new Map<string, Map<number, Set<string>>>();
  for (const { namedPorts, addresses } of pods) {
    for (const { name, protocol, port } of namedPorts) {
      const key = `${name}/${protocol}`;
      const numbers = index.get(key) ?? new Map<number, Set<string>>();
      index.set(key, numbers);
      const having = numbers.get(port) ?? new Set();
      numbers.set(port, having);
      for (const address of addresses) having.add(address);
    }
  }
  return index;
}

function sameElements(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size !== b.size) return false;
  for (const element of a) if (!b.has(element)) return false;
  return true;
}
