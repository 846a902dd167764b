import type { Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { type DeniedFlow, readDeniedFlows, readDeniedPackets } from '../../engines/nftables/policy-state.ts';
import { formatTime } from '../../kube/time.ts';
import type { Pod } from '../../kube/types.gen.ts';
import type { EventRecorder } from '../../runtime/controller.ts';
import { type ClusterFeed, decisionView } from './cluster-state.ts';
import { decide } from './decide.ts';
import { protocols } from './policy.ts';

/** How often the kernel is asked whether something was denied. */
const pollMs = 2_000;
/** Denials that are kept for who asks; older ones are forgotten. */
const recordsMax = 1_000;
/** Denials of one pod that are taken of one look; what is more is only counted. */
const perPodMax = 50;

/** A denied flow as users read it. */
export interface DeniedRecord {
  /** Counts up on its node. */
  readonly sequence: number;
  /** RFC 3339. */
  readonly time: string;
  readonly node: string;
  readonly direction: 'ingress' | 'egress';
  /** The pod whose policies denied it. */
  readonly namespace: string;
  readonly pod: string;
  readonly client: DeniedEnd;
  readonly server: DeniedEnd;
  /** `TCP`, or the name or number of another protocol. */
  readonly protocol: string;
  readonly port: number | null;
  /** Since the record of the same flow before. */
  readonly packets: number;
  readonly reason: string;
}

export interface DeniedEnd {
  readonly address: string;
  /** `namespace/name` where it is a pod's. */
  readonly pod: string | null;
}

export interface DeniedLogOptions {
  readonly feed: ClusterFeed;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodeName: string;
  readonly table: string;
  readonly families: readonly (4 | 6)[];
}

/**
 * The denials of this node: the kernel remembers each denied flow with a counter, in sets of a bounded size and rate; what
 * has grown since the last look becomes a record here and an Event on the pod.
 */
export class DeniedLog implements AsyncDisposable {
  readonly #options: DeniedLogOptions;
  readonly #abort = new AbortController();
  readonly #seen = new Map<string, number>();
  #records: readonly DeniedRecord[] = [];
  #sequence = 0;
  #packets = 0;
  #looking: Promise<void> | null = null;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: DeniedLogOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run(this.#abort.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#loop;
  }

  /** What was denied after the record `since`, by what the kernel says now; the oldest first. */
  async read(since: number): Promise<readonly DeniedRecord[]> {
    await this.#look();
    return this.#records.filter(({ sequence }) => sequence > since);
  }

  /** The number of the newest record; 0 when there is none. */
  get last(): number {
    return this.#sequence;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    let isBroken = false;
    while (!signal.aborted) {
      try {
        await this.#look();
        isBroken = false;
      } catch (error) {
        if (!isBroken) log.warn('denied flows can not be read', { error: describeError(error) });
        isBroken = true;
      }
      await clock.sleep(pollMs, signal).catch(() => {});
    }
  }

  /** One look at a time serves all who ask meanwhile. */
  #look(): Promise<void> {
    this.#looking ??= this.#observe().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #observe(): Promise<void> {
    const { table, families } = this.#options;
    const packets = await readDeniedPackets(table);
    if (packets === this.#packets) return;
    this.#packets = packets;
    const flows = await readDeniedFlows(table, families);
    const grown: { readonly flow: DeniedFlow; readonly packets: number }[] = [];
    const seen = new Map<string, number>();
    for (const flow of flows) {
      const key = [flow.direction, flow.client, flow.server, flow.protocol, flow.port].join(' ');
      const before = this.#seen.get(key) ?? 0;
      seen.set(key, flow.packets);
      // A flow that was forgotten and came again begins anew.
      const more = flow.packets < before ? flow.packets : flow.packets - before;
      if (more > 0) grown.push({ flow, packets: more });
    }
    this.#seen.clear();
    for (const [key, count] of seen) this.#seen.set(key, count);
    if (grown.length > 0) this.#record(grown);
  }

  #record(grown: readonly { readonly flow: DeniedFlow; readonly packets: number }[]): void {
    const { feed, events, clock, nodeName } = this.#options;
    const state = feed.state();
    const view = decisionView(state);
    const objects = new Map(state.pods.map((pod) => [`${pod.metadata.namespace}/${pod.metadata.name}`, pod]));
    const taken = new Map<string, number>();
    const time = formatTime(clock.now());
    for (const { flow, packets } of grown) {
      const { direction, client, server, port } = flow;
      const subject = view.podAt(direction === 'ingress' ? server : client);
      // Gone meanwhile: nobody is left to be told.
      if (subject === undefined) continue;
      const count = (taken.get(subject.key) ?? 0) + 1;
      taken.set(subject.key, count);
      if (count > perPodMax) continue;
      const protocol = protocols.find((one) => one === flow.protocol.toUpperCase()) ?? 'other';
      const decision = decide(view, { client, server, protocol, port: port ?? 0 }, direction);
      const [namespace = '', pod = ''] = subject.key.split('/');
      const end = (address: string): DeniedEnd => ({ address, pod: view.podAt(address)?.key ?? null });
      const record: DeniedRecord = {
        sequence: ++this.#sequence,
        time,
        node: nodeName,
        direction,
        namespace,
        pod,
        client: end(client),
        server: end(server),
        protocol: protocol === 'other' ? flow.protocol : protocol,
        port,
        packets,
        reason: decision === null || decision.allowed ? 'policies have changed since' : decision.reason,
      };
      this.#records = [...this.#records.slice(1 - recordsMax), record];
      const object: Pod | undefined = objects.get(subject.key);
      if (object !== undefined) events.event(object, 'Warning', 'NetworkPolicyDenied', describeDenied(record));
    }
  }
}

/** `denied ingress from 10.42.1.5 (default/client) to port 80/TCP: NetworkPolicy default/deny-all has no ...` */
export function describeDenied({ direction, client, server, protocol, port, reason }: DeniedRecord): string {
  const other = direction === 'ingress' ? client : server;
  const name = other.pod === null ? other.address : `${other.address} (${other.pod})`;
  const what = port === null ? protocol : `${port}/${protocol}`;
  const way = direction === 'ingress' ? `from ${name} to` : `to ${name},`;
  return `denied ${direction} ${way} ${port === null ? 'protocol' : 'port'} ${what}: ${reason}`;
}
