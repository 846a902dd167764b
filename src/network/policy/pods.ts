import { runningContainers } from '../../kube/pod-containers.ts';
import { isPodFinished } from '../../kube/pod-phase.ts';
import type { Pod } from '../../kube/types.gen.ts';
import { type Protocol, protocols } from './policy.ts';
import { canonicalAddress } from './ranges.ts';

/** What policies see of a pod that has an address of its own. The same object as long as none of it changes. */
export interface PodFacts {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly addresses: readonly string[];
  readonly namedPorts: readonly NamedPort[];
  /** It runs on this node. */
  readonly isOwn: boolean;
  /** Of two pods that claim an address, the one with the later text has it: the other's end is not told yet. */
  readonly seniority: string;
}

export interface NamedPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** Addresses that pods have got on this node, by uid, before the API tells. */
export type AdmittedAddresses = ReadonlyMap<string, readonly string[]>;

/**
 * Facts of the pods that policies are about: those on the host's network have the node's address, and those that have
 * ended have given theirs back.
 */
export class PodTable {
  readonly #known = new Map<
    string,
    { readonly pod: Pod; readonly addresses: readonly string[]; readonly facts: PodFacts }
  >();

  /** The facts of all of `pods`; what is in none of them is forgotten. */
  read(pods: readonly Pod[], nodeName: string, admitted: AdmittedAddresses): readonly PodFacts[] {
    const seen = new Set<string>();
    const facts: PodFacts[] = [];
    for (const pod of pods) {
      const addresses = addressesOf(pod, admitted);
      if (addresses.length === 0) continue;
      const uid = pod.metadata.uid ?? '';
      seen.add(uid);
      facts.push(this.#factsOf(uid, pod, addresses, nodeName));
    }
    for (const uid of this.#known.keys()) if (!seen.has(uid)) this.#known.delete(uid);
    return withoutConflicts(facts);
  }

  #factsOf(uid: string, pod: Pod, addresses: readonly string[], nodeName: string): PodFacts {
    const known = this.#known.get(uid);
    const isSame = known !== undefined && sameList(known.addresses, addresses);
    if (isSame && known.pod === pod) return known.facts;
    const { namespace = '', name = '', labels = {}, creationTimestamp = '' } = pod.metadata;
    const next: PodFacts = {
      key: `${namespace}/${name}`,
      namespace,
      labels,
      addresses,
      namedPorts: namedPortsOf(pod),
      isOwn: pod.spec?.nodeName === nodeName,
      seniority: `${pod.status?.startTime ?? creationTimestamp} ${creationTimestamp} ${uid}`,
    };
    // Most changes of a pod are none for policies.
    const facts = isSame && sameFacts(known.facts, next) ? known.facts : next;
    this.#known.set(uid, { pod, addresses, facts });
    return facts;
  }
}

function addressesOf(pod: Pod, admitted: AdmittedAddresses): readonly string[] {
  if (pod.spec?.hostNetwork || isPodFinished(pod)) return [];
  const { podIPs, podIP } = pod.status ?? {};
  const told = admitted.get(pod.metadata.uid ?? '') ?? podIPs?.map(({ ip }) => ip) ?? (podIP ? [podIP] : []);
  return told.flatMap((address) => canonicalAddress(address) ?? []);
}

/** The first port of each name and protocol, as services find them too. */
function namedPortsOf({ spec }: Pod): readonly NamedPort[] {
  const found = new Map<string, NamedPort>();
  for (const { ports = [] } of runningContainers(spec)) {
    for (const { name, protocol = 'TCP', containerPort: port } of ports) {
      const known = protocols.find((one) => one === protocol);
      const key = `${name}/${protocol}`;
      if (name && known !== undefined && !found.has(key)) found.set(key, { name, protocol: known, port });
    }
  }
  return [...found.values()];
}

function withoutConflicts(facts: readonly PodFacts[]): readonly PodFacts[] {
  const owners = new Map<string, PodFacts>();
  let isClear = true;
  for (const pod of facts) {
    for (const address of pod.addresses) {
      const other = owners.get(address);
      if (other !== undefined) isClear = false;
      if (other === undefined || other.seniority < pod.seniority) owners.set(address, pod);
    }
  }
  if (isClear) return facts;
  return facts.flatMap((pod) => {
    const addresses = pod.addresses.filter((address) => owners.get(address) === pod);
    if (addresses.length === pod.addresses.length) return [pod];
    return addresses.length === 0 ? [] : [{ ...pod, addresses }];
  });
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

function sameFacts(a: PodFacts, b: PodFacts): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
