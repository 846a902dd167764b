import type { Client } from '../../client/client.ts';
import { backoffDelayMs } from '../../core/backoff.ts';
import type { Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { findCondition } from '../../kube/conditions.ts';
import { nodes } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { Node, NodeCondition, Taint } from '../../kube/types.gen.ts';
import type { EventRecorder } from '../../runtime/controller.ts';
import { sameJson } from '../same-json.ts';
import { leaseRenewMs, renewLease } from './lease.ts';
import { type NodeFacts, newNode, nodeLabels, nodeStatus, sameNodeStatus } from './node-status.ts';

/** Milliseconds between looks at the node: often until it is Ready, then seldom; and between writes without a change. */
const lookMs = { untilReady: 100, ready: 2000 };
const reportMs = 300_000;
/**
 * So long after its start an agent does not call a node unready that was Ready before: its containers run on and answer,
 * and only the agent has not seen yet that they do. Clients would lose the endpoints meanwhile.
 */
const startGraceMs = 20_000;

export interface RegistrationOptions {
  readonly client: Client;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  /** From the user; the agent's own are added. */
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** Looks at the machine and the runtime. */
  facts(): Promise<NodeFacts>;
  /** Called with each new state of the Node object. */
  onNode(node: Node): void;
}

/** Keeps this node's Node object and its Lease. */
export interface Registration extends AsyncDisposable {
  /** The Node object as it stands; undefined until it was registered. */
  readonly node: Node | undefined;
  /** Looks at once. */
  poke(): void;
  /** The API server has a new state of the Node object. */
  observe(node: Node): void;
  /** The Node object was removed while the node runs: it is registered anew at once. */
  removed(node: Node): void;
}

export function startRegistration(options: RegistrationOptions): Registration {
  const { client, events, clock, log } = options;
  const abort = new AbortController();
  const { signal } = abort;
  let node: Node | undefined;
  let writtenAt = Number.NEGATIVE_INFINITY;
  const startedAt = clock.monotonic();
  let poked: () => void = () => {};

  async function register(facts: NodeFacts): Promise<Node> {
    const { name } = facts;
    const wanted = { ...nodeLabels(facts), ...options.labels };
    try {
      const standing = await client.get(nodes, { name }, { signal });
      const { labels = {} } = standing.metadata;
      if (Object.entries(wanted).every(([key, value]) => labels[key] === value)) return standing;
      return await client.patch(nodes, { name }, { type: 'merge', body: { metadata: { labels: wanted } } }, { signal });
    } catch (thrown) {
      if (!isReason(thrown, 'NotFound')) throw thrown;
      return await client.create(nodes, newNode(facts, options.labels, options.taints), { signal });
    }
  }

  async function look(): Promise<void> {
    const facts = await options.facts();
    if (node === undefined) {
      node = await register(facts);
      options.onNode(node);
      events.event(node, 'Normal', 'Starting', 'Starting kubelet.');
    }
    await report(node, facts);
  }

  async function report(current: Node, facts: NodeFacts): Promise<void> {
    const status = nodeStatus(current, facts);
    const isStarting = clock.monotonic() - startedAt < startGraceMs;
    if (isStarting && isReady(current) && findCondition(status.conditions, 'Ready')?.status !== 'True') return;
    const isDue = clock.monotonic() - writtenAt >= reportMs;
    if (!isDue && sameNodeStatus(current.status, status)) return;
    try {
      const written = await client.update(nodes, { ...current, status }, { subresource: 'status', signal });
      announce(current, written);
      node = written;
      writtenAt = clock.monotonic();
      options.onNode(written);
    } catch (thrown) {
      // Somebody else changed the object, or removed it: read or registered anew at the next look. Taints of before are
      // refused (NodeRestriction) ahead of the version of before.
      if (!isReason(thrown, 'Conflict', 'NotFound', 'Forbidden')) throw thrown;
      node = await client.get(nodes, { name: facts.name }, { signal }).catch((gone: unknown) => {
        if (isReason(gone, 'NotFound')) return undefined;
        throw gone;
      });
      // What is refused for another reason is tried again with backoff.
      if (isReason(thrown, 'Forbidden')) throw thrown;
      poked();
    }
  }

  function announce(before: Node, after: Node): void {
    const { name } = after.metadata;
    for (const condition of after.status?.conditions ?? []) {
      const former = findCondition(before.status?.conditions, condition.type);
      const reason = eventReason(condition);
      if (reason === null || former?.status === condition.status) continue;
      events.event(after, 'Normal', reason, `Node ${name} status is now: ${reason}`);
    }
  }

  async function lookLoop(): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const poke = new Promise<void>((resolve) => {
        poked = resolve;
      });
      let waitMs = isReady(node) ? lookMs.ready : lookMs.untilReady;
      try {
        await look();
        failures = 0;
        if (isReady(node)) waitMs = lookMs.ready;
      } catch (thrown) {
        if (signal.aborted) return;
        waitMs = backoffDelayMs({ baseMs: 100, capMs: 7000 }, failures);
        failures += 1;
        // The first tries fall into the server's own start.
        log[failures > 5 ? 'warn' : 'debug']('the node could not be reported', { error: describeError(thrown) });
      }
      using _timer = clock.after(waitMs, () => poked());
      await poke;
    }
  }

  async function leaseLoop(): Promise<void> {
    while (!signal.aborted) {
      let waitMs = leaseRenewMs;
      try {
        if (node === undefined) waitMs = lookMs.untilReady;
        else await renewLease(client, node, clock, signal);
      } catch (thrown) {
        if (signal.aborted) return;
        waitMs = 1000;
        log.debug('the node lease was not renewed', { error: describeError(thrown) });
      }
      await clock.sleep(waitMs, signal).catch(() => {});
    }
  }

  const loops = Promise.all([lookLoop(), leaseLoop()]);
  return {
    get node() {
      return node;
    },
    poke: () => poked(),
    observe(current) {
      if (node === undefined || !isNewer(current, node)) return;
      const isOtherSpec = !sameJson(current.spec, node.spec);
      node = current;
      options.onNode(current);
      if (isOtherSpec) poked();
    },
    removed(former) {
      // Late news of an object that has been followed by another is none.
      if (node === undefined || former.metadata.uid !== node.metadata.uid) return;
      log.warn('the Node object was removed: it is made anew', { node: former.metadata.name });
      node = undefined;
      poked();
    },
    async [Symbol.asyncDispose]() {
      abort.abort();
      poked();
      await loops;
    },
  };
}

/** Its own writes come back, and older ones late; resource versions are comparable numbers (KEP-5504). */
function isNewer(a: Node, b: Node): boolean {
  const [left, right] = [a.metadata.resourceVersion ?? '', b.metadata.resourceVersion ?? ''];
  if (!/^\d+$/.test(left) || !/^\d+$/.test(right)) return left !== right;
  return BigInt(left) > BigInt(right);
}

function isReady(node: Node | undefined): boolean {
  return node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

/** The reason of the Event about a condition's change, in kubelet's words. */
function eventReason({ type, status }: NodeCondition): string | null {
  const isTrue = status === 'True';
  switch (type) {
    case 'Ready':
      return isTrue ? 'NodeReady' : 'NodeNotReady';
    case 'MemoryPressure':
      return isTrue ? 'NodeHasInsufficientMemory' : 'NodeHasSufficientMemory';
    case 'DiskPressure':
      return isTrue ? 'NodeHasDiskPressure' : 'NodeHasNoDiskPressure';
    case 'PIDPressure':
      return isTrue ? 'NodeHasInsufficientPID' : 'NodeHasSufficientPID';
    default:
      return null;
  }
}
