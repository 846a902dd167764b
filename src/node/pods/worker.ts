import { backoffDelayMs } from '../../core/backoff.ts';
import { describeError } from '../../core/errors.ts';
import { pods } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { Pod } from '../../kube/types.gen.ts';
import { collectInstances, removeFromRuntime } from './garbage.ts';
import type { PodHost } from './host.ts';
import { podUid } from './identity.ts';
import { podGraceSeconds } from './kill.ts';
import { qosClass } from './resources.ts';
import { emptyRuntimePod, type RuntimePod } from './runtime-pod.ts';
import type { PodFailure } from './status.ts';
import { writeStatus } from './status-writer.ts';
import { deadlineIn, type PodMemory, statusOf, syncEnding, syncLive } from './sync.ts';

/** Between failing looks at one pod. */
const retryPolicy = { baseMs: 500, capMs: 10_000 };

/**
 * The life of one pod on this node: looks at it again and again (level-triggered), never twice at the same time, until
 * nothing of it is left. A look that starts or waits for something is given up as soon as the pod is to end.
 */
export class PodWorker {
  readonly #host: PodHost;
  readonly #onFinished: () => void;
  #pod: Pod;
  /** The API object is no more. */
  #isGone: boolean;
  #failure: PodFailure | null = null;
  #runtime: RuntimePod;
  readonly #memory: PodMemory;
  #isDirty = false;
  #isStopped = false;
  #current = new AbortController();
  #wakeUp: () => void = () => {};
  #isAdmitted: boolean;
  readonly #ended: Promise<void>;

  constructor(
    host: PodHost,
    pod: Pod,
    options: { readonly isGone: boolean; readonly order: number; readonly onFinished: () => void },
  ) {
    this.#host = host;
    this.#pod = pod;
    this.#isGone = options.isGone;
    this.#onFinished = options.onFinished;
    this.#memory = { order: options.order, waiting: new Map(), resized: new Map(), cgroup: null };
    const { name = '', namespace = '' } = pod.metadata;
    this.#runtime = emptyRuntimePod({ uid: podUid(pod), name, namespace });
    this.#isAdmitted = pod.status?.startTime !== undefined;
    if (this.#isAdmitted && !this.#isEnding()) host.admission.hold(pod);
    this.#ended = this.#run();
  }

  /** The pod object as last seen or written. */
  get pod(): Pod {
    return this.#pod;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** What the runtime showed at the last look. */
  get runtime(): RuntimePod {
    return this.#runtime;
  }

  /** The API server has a new state of the pod. */
  update(pod: Pod): void {
    // Its own status writes come back; they are no news.
    if (isOlder(pod, this.#pod) || isSame(pod, this.#pod)) return;
    const wasEnding = this.#isEnding();
    const grace = podGraceSeconds(this.#pod);
    this.#pod = pod;
    if (this.#isAdmitted && !this.#isEnding()) this.#host.admission.hold(pod);
    if (this.#isEnding() && (!wasEnding || podGraceSeconds(pod) < grace)) this.#current.abort();
    this.wake();
  }

  /** The pod object was removed: what runs of it ends. */
  gone(): void {
    if (this.#isGone) return;
    if (!this.#isEnding()) this.#current.abort();
    this.#isGone = true;
    this.wake();
  }

  /** Ends the pod with phase Failed. */
  fail(failure: PodFailure): void {
    if (this.#isEnding()) return;
    this.#failure = failure;
    this.#current.abort();
    this.wake();
  }

  wake(): void {
    this.#isDirty = true;
    this.#wakeUp();
  }

  /** Ends the worker and leaves the pod as it is. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#current.abort();
    this.wake();
    await this.#ended;
  }

  #isEnding(): boolean {
    const phase = this.#pod.status?.phase;
    return (
      this.#isGone ||
      this.#failure !== null ||
      this.#pod.metadata.deletionTimestamp !== undefined ||
      phase === 'Succeeded' ||
      phase === 'Failed'
    );
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#isStopped) {
      this.#isDirty = false;
      this.#current = new AbortController();
      const { signal } = this.#current;
      let waitMs: number | undefined;
      try {
        const isFinished = this.#isEnding() ? await this.#end(signal) : false;
        if (isFinished) break;
        if (!this.#isEnding()) waitMs = await this.#live(signal);
        failures = 0;
      } catch (thrown) {
        if (signal.aborted) continue;
        waitMs = backoffDelayMs(retryPolicy, failures);
        failures += 1;
        const { name, namespace } = this.#pod.metadata;
        this.#host.log.warn('a pod could not be brought forward', {
          pod: `${namespace}/${name}`,
          error: describeError(thrown),
        });
      }
      await this.#pause(waitMs);
    }
    if (this.#isStopped) return;
    this.#host.admission.release(podUid(this.#pod));
    this.#onFinished();
  }

  async #pause(waitMs: number | undefined): Promise<void> {
    if (this.#isDirty || this.#isStopped) return;
    const woken = new Promise<void>((resolve) => {
      this.#wakeUp = resolve;
    });
    if (waitMs === undefined) {
      await woken;
      return;
    }
    using _timer = this.#host.clock.after(waitMs, () => this.#wakeUp());
    await woken;
  }

  async #live(signal: AbortSignal): Promise<number | undefined> {
    if (!this.#isAdmitted) {
      const refusal = await this.#host.admission.take(this.#pod, signal);
      if (refusal !== null) {
        const { reason, message } = refusal;
        this.#failure = { reason, message: `Pod was rejected: ${message}`, isRefusal: true };
        this.#host.events.pod(this.#pod, 'Warning', reason, message);
        return 0;
      }
      this.#isAdmitted = true;
    }
    if (deadlineIn(this.#host, this.#pod) === 0) {
      const message = 'Pod was active on the node longer than the specified deadline';
      this.#failure = { reason: 'DeadlineExceeded', message };
      this.#host.events.pod(this.#pod, 'Normal', 'DeadlineExceeded', message);
      return 0;
    }
    const report = async (runtime: RuntimePod) => (await this.#report(runtime, false, signal)) && !this.#isEnding();
    const waitMs = await syncLive(this.#host, this.#pod, this.#memory, report, signal);
    await collectInstances(this.#host, this.#runtime);
    return this.#isEnding() ? 0 : waitMs;
  }

  /** True when nothing of the pod is left. */
  async #end(signal: AbortSignal): Promise<boolean> {
    const host = this.#host;
    const uid = podUid(this.#pod);
    const runtime = await syncEnding(host, this.#pod, signal);
    this.#runtime = runtime;
    host.admission.release(uid);
    if (!this.#isGone) await this.#report(runtime, true, signal);
    await host.volumes.cleanup(uid);
    await host.cgroups.remove({ uid, qos: qosClass(this.#pod) });
    this.#memory.cgroup = null;
    if (!this.#isGone && this.#pod.metadata.deletionTimestamp !== undefined) await this.#deleteObject(signal);
    if (!this.#isGone) return false;
    await removeFromRuntime(host, runtime);
    await host.files.remove(uid);
    await host.files.removeLogs(runtime);
    return true;
  }

  async #report(runtime: RuntimePod, isEnding: boolean, signal: AbortSignal): Promise<boolean> {
    this.#runtime = runtime;
    if (this.#isGone) return false;
    const context = { memory: this.#memory, isEnding, failure: this.#failure };
    const compute = await statusOf(this.#host, runtime, context);
    const computeAndRelease = (pod: Pod) => {
      const status = compute(pod);
      // Whoever learns that the pod has ended may count on its room.
      if (status.phase === 'Succeeded' || status.phase === 'Failed') this.#host.admission.release(podUid(pod));
      return status;
    };
    const written = await writeStatus(this.#host.client, this.#pod, computeAndRelease, signal);
    if (written === null) this.#isGone = true;
    else if (!isOlder(written, this.#pod)) this.#pod = written;
    return written !== null;
  }

  /** Kubelet's part of a graceful deletion: the containers are gone, the object may go (unless finalizers hold it). */
  async #deleteObject(signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '', uid } = this.#pod.metadata;
    try {
      await this.#host.client.delete(
        pods,
        { namespace, name },
        { gracePeriodSeconds: 0, ...(uid === undefined ? {} : { preconditions: { uid } }), signal },
      );
      if ((this.#pod.metadata.finalizers ?? []).length === 0) this.#isGone = true;
    } catch (thrown) {
      // Conflict: another pod of the same name is there by now.
      if (!isReason(thrown, 'NotFound', 'Conflict')) throw thrown;
      this.#isGone = true;
    }
  }
}

function isSame(a: Pod, b: Pod): boolean {
  return a.metadata.resourceVersion !== undefined && a.metadata.resourceVersion === b.metadata.resourceVersion;
}

/** Informers lag behind what this worker wrote itself; resource versions are comparable numbers (KEP-5504). */
function isOlder(a: Pod, b: Pod): boolean {
  const [left, right] = [a.metadata.resourceVersion ?? '', b.metadata.resourceVersion ?? ''];
  if (!/^\d+$/.test(left) || !/^\d+$/.test(right)) return false;
  return BigInt(left) < BigInt(right);
}
