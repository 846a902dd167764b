import { describeError } from '../core/errors.ts';
import { findCondition } from '../kube/conditions.ts';
import { isPodFinished } from '../kube/pod-phase.ts';
import type { ObjectKey } from '../kube/resource.ts';
import { pods } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import { formatTime } from '../kube/time.ts';
import type { Pod, PodCondition } from '../kube/types.gen.ts';
import type { ControllerContext } from '../runtime/controller.ts';
import type { NodeInfo, PodInfo, Snapshot } from './plugin.ts';
import { volumePlanFor } from './plugins/volumes.ts';
import { preempt } from './preemption.ts';
import { labelsDiffer, SchedulingQueue } from './queue.ts';
import { podRequests } from './requests.ts';
import { type ScheduleResult, schedule } from './schedule.ts';
import { ClusterState } from './state.ts';
import { bindVolumes } from './volume-binder.ts';

export const defaultSchedulerName = 'default-scheduler';

/** Upstream's names: scheduler_pending_pods by queue, scheduler_schedule_attempts_total by result. */
export interface SchedulerMetrics {
  readonly pending: SchedulingQueue['counts'];
  readonly attempts: Readonly<Record<'scheduled' | 'unschedulable' | 'error', number>>;
}

/**
 * Gives pods their nodes: one decision at a time on a snapshot, bindings side by side. All its state is rebuilt from
 * the API at start.
 */
export class Scheduler implements AsyncDisposable {
  readonly #context: ControllerContext;
  readonly #name: string;
  readonly #state: ClusterState;
  readonly #queue: SchedulingQueue;
  readonly #abort = new AbortController();
  readonly #subscriptions = new DisposableStack();
  readonly #bindings = new Set<Promise<void>>();
  readonly #attempts = { scheduled: 0, unschedulable: 0, error: 0 };
  #loop: Promise<void> = Promise.resolve();

  constructor(context: ControllerContext, name = defaultSchedulerName) {
    this.#context = context;
    this.#name = name;
    this.#state = new ClusterState(context.informers);
    this.#queue = new SchedulingQueue(context.clock);
  }

  /** Resolves when the informers are filled and decisions are being made. */
  async start(): Promise<void> {
    await this.#state.synced();
    this.#subscriptions.use(this.#state.pods.subscribe(({ key, old, current }) => this.#observe(key, old, current)));
    this.#subscriptions.use(this.#state.onOtherChange(() => this.#queue.moveAll()));
    this.#loop = this.#run(this.#abort.signal);
  }

  /** Pods that wait for a node, and how the attempts since the start went: plain counters for a metrics page. */
  metrics(): SchedulerMetrics {
    return { pending: this.#queue.counts, attempts: { ...this.#attempts } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort(new Error('the scheduler stops'));
    this.#subscriptions.dispose();
    await this.#loop;
    await Promise.allSettled(this.#bindings);
  }

  #observe(key: string, old: Pod | undefined, current: Pod | undefined): void {
    if (current !== undefined && this.#isOurs(current)) {
      if (gates(current).length === 0) this.#queue.add(key, current);
      else this.#queue.remove(key);
      return;
    }
    this.#queue.remove(key);
    if (mayLetOthersFit(old, current)) this.#queue.moveAll();
  }

  #isOurs(pod: Pod): boolean {
    return (
      !pod.spec?.nodeName &&
      !isPodFinished(pod) &&
      pod.metadata.deletionTimestamp === undefined &&
      (pod.spec?.schedulerName ?? defaultSchedulerName) === this.#name
    );
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const { key, pod } = await this.#queue.next(signal);
        await this.#scheduleOne(key, pod, signal);
      } catch (error) {
        if (!signal.aborted) this.#context.log.error('scheduling failed', { error });
      }
    }
  }

  async #scheduleOne(key: string, pod: Pod, signal: AbortSignal): Promise<void> {
    const info: PodInfo = { pod, requests: podRequests(pod) };
    const snapshot = this.#state.snapshot(pod);
    try {
      const result = schedule(info, snapshot);
      if ('node' in result) {
        this.#attempts.scheduled++;
        this.#bind(key, pod, result.node, snapshot, signal);
        return;
      }
      this.#attempts.unschedulable++;
      await this.#reject(key, info, result, snapshot);
    } catch (error) {
      this.#attempts.error++;
      this.#queue.park(key, true);
      if (!isReason(error, 'NotFound', 'Conflict')) throw error;
    }
  }

  /** The binding goes on beside the next decisions; until it is seen the pod counts on its node. */
  #bind(key: string, pod: Pod, node: NodeInfo, snapshot: Snapshot, signal: AbortSignal): void {
    const plan = volumePlanFor(pod, node, snapshot);
    if ('reasons' in plan) throw new Error(`the volumes of ${key} changed between filter and binding`);
    this.#state.assume(key, pod, node.name);
    const { client, clock, events } = this.#context;
    const run = async () => {
      try {
        await bindVolumes(pod, node.name, plan, { client, clock, state: this.#state, signal });
        await client.createSubresource(pods, objectKey(pod), 'binding', {
          apiVersion: 'v1',
          kind: 'Binding',
          metadata: { name: pod.metadata.name, namespace: pod.metadata.namespace, uid: pod.metadata.uid },
          target: { kind: 'Node', name: node.name },
        });
        this.#queue.done(key);
        events.event(
          pod,
          'Normal',
          'Scheduled',
          `Successfully assigned ${pod.metadata.namespace}/${pod.metadata.name} to ${node.name}`,
        );
      } catch (error) {
        this.#state.forget(key);
        if (signal.aborted) return;
        if (isReason(error, 'NotFound') && this.#state.pods.get(key) === undefined) {
          this.#queue.done(key);
          return;
        }
        this.#queue.park(key, true);
        events.event(pod, 'Warning', 'FailedScheduling', describeError(error));
      }
    };
    const binding = run();
    this.#bindings.add(binding);
    binding.finally(() => this.#bindings.delete(binding));
  }

  async #reject(
    key: string,
    info: PodInfo,
    failed: Extract<ScheduleResult, { message: string }>,
    snapshot: Snapshot,
  ): Promise<void> {
    const { client, events } = this.#context;
    const { pod } = info;
    let message = failed.message;
    let nominated: string | undefined;
    if (snapshot.nodes.length > 0) {
      const preemption = preempt(info, failed, snapshot);
      if (preemption.node === null) {
        message += ` ${preemption.message}`;
      } else {
        nominated = preemption.node.name;
        for (const victim of preemption.victims) {
          const said = `Preempted by pod ${pod.metadata.uid} on node ${nominated}`;
          await this.#markDisrupted(victim, pod);
          await client.delete(pods, objectKey(victim), { preconditions: { uid: victim.metadata.uid ?? '' } });
          events.event(victim, 'Normal', 'Preempted', said);
        }
      }
    }
    this.#queue.park(key);
    events.event(pod, 'Warning', 'FailedScheduling', message);
    await this.#setCondition(
      pod,
      { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message },
      nominated,
    );
  }

  /** Tells the victim's owner that this was not the pod's own failure (KEP-3329). */
  async #markDisrupted(victim: Pod, by: Pod): Promise<void> {
    if (victim.metadata.deletionTimestamp !== undefined) return;
    const message = `${by.spec?.schedulerName ?? defaultSchedulerName}: preempting to accommodate a higher priority pod`;
    await this.#setCondition(victim, {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'PreemptionByScheduler',
      message,
    });
  }

  async #setCondition(pod: Pod, condition: PodCondition, nominatedNodeName?: string): Promise<void> {
    const before = findCondition(pod.status?.conditions, condition.type);
    const same =
      before?.status === condition.status &&
      before?.reason === condition.reason &&
      before?.message === condition.message;
    if (same && (nominatedNodeName === undefined || pod.status?.nominatedNodeName === nominatedNodeName)) return;
    const now = formatTime(this.#context.clock.now());
    const lastTransitionTime = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now;
    await this.#context.client.patch(
      pods,
      objectKey(pod),
      {
        type: 'strategic',
        body: {
          metadata: { uid: pod.metadata.uid },
          status: {
            conditions: [{ ...condition, lastTransitionTime }],
            ...(nominatedNodeName === undefined ? {} : { nominatedNodeName }),
          },
        },
      },
      { subresource: 'status' },
    );
  }
}

function gates(pod: Pod) {
  return pod.spec?.schedulingGates ?? [];
}

/**
 * A pod came to a node or left it, asks for other amounts, begins to go (spreading counts it no more), or has other labels
 * (affinity). A mere change of its status helps nobody, and comes often.
 */
export function mayLetOthersFit(old: Pod | undefined, current: Pod | undefined): boolean {
  const before = old !== undefined && holdsRoom(old);
  const after = current !== undefined && holdsRoom(current);
  if (before !== after) return true;
  if (!before || !after) return false;
  const was = old.metadata;
  const is = current.metadata;
  return (
    was.generation !== is.generation || was.deletionTimestamp !== is.deletionTimestamp || labelsDiffer(old, current)
  );
}

function holdsRoom(pod: Pod): boolean {
  return Boolean(pod.spec?.nodeName) && !isPodFinished(pod);
}

function objectKey(pod: Pod): ObjectKey {
  return { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name ?? '' };
}
