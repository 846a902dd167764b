import { matchesLabelSelector } from '../../kube/label-selector.ts';
import type { PodFacts } from './pods.ts';
import type { PodChoice } from './policy.ts';

type Labels = Readonly<Record<string, string>>;

interface Chosen {
  readonly choice: PodChoice;
  readonly pods: Set<PodFacts>;
  /** Made when asked for, and the same until it changes. */
  addresses: ReadonlySet<string> | null;
  isUsed: boolean;
}

/** Which pods the selectors of policies choose, kept up to date by what changed. */
export class Selection {
  #pods: ReadonlySet<PodFacts> = new Set();
  #byNamespace = new Map<string, Set<PodFacts>>();
  #labels: ReadonlyMap<string, Labels> = new Map();
  readonly #chosen = new Map<string, Chosen>();

  /** What pods and namespaces there are now. Pods are told apart by identity. */
  update(pods: readonly PodFacts[], namespaces: ReadonlyMap<string, Labels>): void {
    const current = new Set(pods);
    const gone = [...this.#pods].filter((pod) => !current.has(pod));
    const come = pods.filter((pod) => !this.#pods.has(pod));
    const relabelled = [...new Set([...namespaces.keys(), ...this.#labels.keys()])].filter(
      (name) => !sameLabels(namespaces.get(name), this.#labels.get(name)),
    );
    for (const pod of gone) this.#byNamespace.get(pod.namespace)?.delete(pod);
    for (const pod of come) {
      const neighbours = this.#byNamespace.get(pod.namespace);
      if (neighbours === undefined) this.#byNamespace.set(pod.namespace, new Set([pod]));
      else neighbours.add(pod);
    }
    this.#pods = current;
    this.#labels = namespaces;
    for (const chosen of this.#chosen.values()) {
      for (const pod of gone) if (chosen.pods.delete(pod)) chosen.addresses = null;
      for (const pod of come) this.#consider(chosen, pod);
      if ('name' in chosen.choice.namespaces) continue;
      for (const name of relabelled) for (const pod of this.#byNamespace.get(name) ?? []) this.#consider(chosen, pod);
    }
  }

  /** The pods that a choice, known by its id, chooses now. */
  pods(id: string, choice: PodChoice): ReadonlySet<PodFacts> {
    return this.#of(id, choice).pods;
  }

  /** Their addresses; the same object as long as they stay the same. */
  addresses(id: string, choice: PodChoice): ReadonlySet<string> {
    const chosen = this.#of(id, choice);
    chosen.addresses ??= new Set([...chosen.pods].flatMap((pod) => pod.addresses));
    return chosen.addresses;
  }

  /** Forgets choices that nobody has asked for since the last time. */
  sweep(): void {
    for (const [id, chosen] of this.#chosen) {
      if (!chosen.isUsed) this.#chosen.delete(id);
      chosen.isUsed = false;
    }
  }

  #of(id: string, choice: PodChoice): Chosen {
    let chosen = this.#chosen.get(id);
    if (chosen === undefined) {
      chosen = { choice, pods: new Set(), addresses: null, isUsed: true };
      this.#chosen.set(id, chosen);
      const { namespaces } = choice;
      const candidates = 'name' in namespaces ? (this.#byNamespace.get(namespaces.name) ?? []) : this.#pods;
      for (const pod of candidates) this.#consider(chosen, pod);
    }
    chosen.isUsed = true;
    return chosen;
  }

  #consider(chosen: Chosen, pod: PodFacts): void {
    if (isChosen(chosen.choice, pod, this.#labels.get(pod.namespace))) {
      if (!chosen.pods.has(pod)) chosen.addresses = null;
      chosen.pods.add(pod);
    } else if (chosen.pods.delete(pod)) chosen.addresses = null;
  }
}

/** Whether a choice takes a pod whose namespace has these labels. */
export function isChosen(
  { namespaces, pods }: PodChoice,
  pod: Pick<PodFacts, 'namespace' | 'labels'>,
  labels: Labels = {},
): boolean {
  if ('name' in namespaces ? namespaces.name !== pod.namespace : !matchesLabelSelector(namespaces.selector, labels))
    return false;
  return matchesLabelSelector(pods, pod.labels);
}

function sameLabels(a: Labels | undefined, b: Labels | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
