import type { Clock } from '../../core/clock.ts';
import { describeError, WherryError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { applyRules, deleteTable } from '../../engines/nftables/nft.ts';
import {
  compilePolicies,
  compilePolicyChange,
  isSameFrame,
  type PolicyRules,
} from '../../engines/nftables/policy-rules.ts';
import { generationMax } from '../../engines/nftables/policy-skeleton.ts';
import { readGeneration } from '../../engines/nftables/policy-state.ts';
import { isPodFinished } from '../../kube/pod-phase.ts';
import type { Pod } from '../../kube/types.gen.ts';
import type { Informers } from '../../runtime/controller.ts';
import { type ClusterFeed, createClusterFeed } from './cluster-state.ts';
import { PlanMemory, planPolicies } from './plan.ts';

/** Changes that come within this time are written together. */
const gatherMs = 5;
const retryMs = 1_000;
/** How often it is looked whether the table still is what was written; if not, it is written whole. */
const repairMs = 5_000;
/** How long the informer of all pods may take to show a pod that this node has started. */
const strangerMs = 60_000;

export interface PolicyEnforcerOptions {
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodeName: string;
  /** Ranges of this node's pods. */
  readonly ownRanges: readonly string[];
  readonly clusterCidrs: readonly string[];
  /** The cluster DNS's addresses, when this node answers for them. */
  readonly dns: readonly string[];
  /** Name of the nftables table, which nobody else may use. */
  readonly table: string;
  /** Told when the kernel refuses the rules (with what it said), and when it takes them again. */
  readonly onStatus?: (problem: string | null) => void;
}

/** A pod that has its addresses, before the API tells of them or even of it. */
interface Admission {
  readonly pod: Pod;
  readonly addresses: readonly string[];
  /** Monotonic. */
  readonly atMs: number;
  isInForce: boolean;
  /** The informer has shown the pod. */
  isKnown: boolean;
}

/**
 * Keeps the kernel's rules what the policies say. The first write replaces the table whole, later ones write what changed,
 * and every write makes connections be judged anew. A refused write leaves the former rules in force and is tried again.
 */
export class PolicyEnforcer implements AsyncDisposable {
  readonly feed: ClusterFeed;
  readonly #options: PolicyEnforcerOptions;
  readonly #abort = new AbortController();
  /** What this node's pods have got, by uid. */
  readonly #admitted = new Map<string, Admission>();
  readonly #memory = new PlanMemory();
  #subscription: Disposable | undefined;
  #inForce: PolicyRules | null = null;
  #generation = 0;
  #wake: () => void = () => {};
  #isDirty = true;
  #pass = Promise.withResolvers<void>();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: PolicyEnforcerOptions) {
    this.#options = options;
    this.feed = createClusterFeed(options.informers);
    // Nobody may wait for a pass when it fails.
    this.#pass.promise.catch(() => {});
  }

  /** Resolves once the policies known now are in force, or rejects with what the kernel said. */
  async start(): Promise<void> {
    const { table } = this.#options;
    await this.feed.synced;
    this.#subscription = this.feed.subscribe(() => this.#changed());
    // Connections that an earlier process allowed are judged anew.
    this.#generation = (await readGeneration(table)) ?? Math.floor(Math.random() * generationMax);
    await this.#write();
    this.#loop = this.#run(this.#abort.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    this.#subscription?.[Symbol.dispose]();
    this.#wake();
    this.#pass.reject(new WherryError('POLICY_STOPPED', 'the node stops enforcing policies'));
    await this.#loop;
  }

  /**
   * Lets a pod of this node take part in the network, under its policies: resolves when they are in force for the addresses
   * that it has got. Rejects when the kernel refuses them.
   */
  async admit(pod: Pod, addresses: readonly string[]): Promise<void> {
    if (pod.spec?.hostNetwork || addresses.length === 0) return;
    await this.feed.synced;
    const uid = pod.metadata.uid ?? '';
    const former = this.#admitted.get(uid);
    if (former?.isInForce && former.addresses.join() === addresses.join()) return;
    const admission = { pod, addresses, isKnown: false, isInForce: false, atMs: this.#options.clock.monotonic() };
    this.#admitted.set(uid, admission);
    await this.settled();
    admission.isInForce = true;
  }

  /** Resolves when what is known now is in force; rejects when the kernel refuses it. */
  async settled(): Promise<void> {
    const pass = this.#pass.promise;
    this.#changed();
    await pass;
  }

  #changed(): void {
    this.#isDirty = true;
    this.#wake();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log, onStatus } = this.#options;
    let isBroken = false;
    while (!signal.aborted) {
      if (!this.#isDirty) await this.#untilChange(isBroken ? retryMs : repairMs);
      if (signal.aborted) return;
      if (this.#isDirty) await clock.sleep(gatherMs);
      else if (!isBroken && (await this.#stands())) continue;
      else this.#inForce = null;
      this.#isDirty = false;
      const pass = this.#pass;
      this.#pass = Promise.withResolvers<void>();
      this.#pass.promise.catch(() => {});
      try {
        await this.#write();
        pass.resolve();
        if (isBroken) onStatus?.(null);
        isBroken = false;
      } catch (error) {
        // Whatever stands in the kernel now is not what we think; the next attempt replaces it whole.
        this.#inForce = null;
        const problem = describeError(error);
        pass.reject(
          new WherryError('POLICY_RULES', `the kernel refuses the rules of policies: ${problem}`, { cause: error }),
        );
        if (!isBroken) log.error('the kernel refused the rules of policies', { error });
        onStatus?.(problem);
        isBroken = true;
      }
    }
  }

  /** Whether the table in the kernel is the one that was written last. */
  async #stands(): Promise<boolean> {
    const { table, log } = this.#options;
    const found = await readGeneration(table).catch((error: unknown) => {
      log.warn('the rules of policies can not be read', { error: describeError(error) });
      return this.#generation;
    });
    if (found === this.#generation) return true;
    log.warn('somebody has changed the rules of policies; they are written anew', { table });
    return false;
  }

  async #untilChange(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(ms, resolve);
      this.#wake = () => {
        timer[Symbol.dispose]();
        resolve();
      };
    });
  }

  async #write(): Promise<void> {
    const { table, nodeName, ownRanges, clusterCidrs, dns } = this.#options;
    const state = this.feed.state();
    const strangers = this.#updateAdmitted(state.pods);
    const admitted = new Map([...this.#admitted].map(([uid, { addresses }]) => [uid, addresses]));
    const pods = [...state.pods, ...strangers];
    const input = { ...state, pods, nodeName, ownRanges, clusterCidrs, dns, admitted };
    const rules = planPolicies(input, this.#memory);
    const isWhole = this.#inForce === null || !isSameFrame(this.#inForce, rules);
    // After the last one they begin anew: a connection would have to be idle for a million changes to be mistaken then.
    const next = (this.#generation % generationMax) + 1;
    const script =
      this.#inForce === null || isWhole
        ? compilePolicies(table, rules, next)
        : compilePolicyChange(table, this.#inForce, rules, next);
    if (script !== '') {
      await applyRules(script);
      this.#generation = next;
    }
    this.#inForce = rules;
  }

  /** What a pod has got counts while it lives. Returns pods that the informer of all pods does not show yet. */
  #updateAdmitted(pods: readonly Pod[]): readonly Pod[] {
    if (this.#admitted.size === 0) return [];
    const known = new Map(pods.map((pod) => [pod.metadata.uid ?? '', pod]));
    const strangers: Pod[] = [];
    for (const [uid, admission] of this.#admitted) {
      const pod = known.get(uid);
      const isLate = this.#options.clock.monotonic() - admission.atMs > strangerMs;
      if (pod !== undefined) admission.isKnown = true;
      if (pod === undefined ? admission.isKnown || isLate : isPodFinished(pod)) this.#admitted.delete(uid);
      else if (pod === undefined) strangers.push(admission.pod);
    }
    return strangers;
  }
}

/** Takes the rules out of the kernel. */
export async function removePolicyRules(table: string): Promise<void> {
  await deleteTable('inet', table);
}
