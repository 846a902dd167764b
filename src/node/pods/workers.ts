import type { Informer } from '../../client/informer.ts';
import { describeError } from '../../core/errors.ts';
import type { Pod } from '../../kube/types.gen.ts';
import type { DirectoryContainer, PodDirectory } from '../streaming-server.ts';
import { removeFromRuntime } from './garbage.ts';
import type { PodHost } from './host.ts';
import { podUid } from './identity.ts';
import { killPod } from './kill.ts';
import type { PodSummary } from './observe.ts';
import { qosClass } from './resources.ts';
import type { ContainerInstance, RuntimePod } from './runtime-pod.ts';
import type { PodFailure } from './status.ts';
import { inspect } from './sync.ts';
import { PodWorker } from './worker.ts';

/** Milliseconds between looks at all containers: often without the runtime's events, seldom beside them. */
const relistMs = { withoutEvents: 1000, withEvents: 10_000 };
/**
 * Milliseconds between the looks after an event: the runtime tells of a container's end before its own lists show it.
 */
const afterEventMs = [10, 30, 100, 300, 1000];
/** Milliseconds between searches for what is left of pods that nobody knows. */
const orphanSearchMs = 60_000;

/** The workers of all pods of this node, fed by the API server's pods and by what the runtime runs. */
export interface PodWorkers extends PodDirectory, AsyncDisposable {
  /** Pods that have a worker, with their runtime state. */
  workers(): readonly PodWorker[];
  fail(uid: string, failure: PodFailure): void;
  wake(uid: string): void;
  /** Ends everything that runs, as for a shutdown of the node, and removes it from the runtime. The API objects stay. */
  end(signal: AbortSignal): Promise<void>;
  /** False until the runtime was listed once, and after a failing list. */
  readonly isListing: boolean;
}

/** `informer` holds the pods bound to this node and must be synced: what runs and is not in it is ended. */
export function createPodWorkers(host: PodHost, informer: Informer<Pod>): PodWorkers {
  const workers = new Map<string, PodWorker>();
  const abort = new AbortController();
  const { signal } = abort;
  const { clock, log } = host;
  let fingerprints: ReadonlyMap<string, PodSummary> = new Map();
  let hasEvents = false;
  let isListing = false;
  let arrivals = 0;
  let relistNow: () => void = () => {};
  /** How many of `afterEventMs` the last event has left. */
  let eager = 0;

  function start(pod: Pod, isGone: boolean): void {
    const uid = podUid(pod);
    workers.set(
      uid,
      new PodWorker(host, pod, {
        isGone,
        order: arrivals++,
        onFinished: () => {
          workers.delete(uid);
          // The object may have been made anew, or seen again, since the worker learned of its end.
          const current = informer.list().find((other) => podUid(other) === uid);
          if (current !== undefined && !signal.aborted && current.metadata.deletionTimestamp === undefined)
            start(current, false);
        },
      }),
    );
  }

  endWith(
    informer.subscribe(({ old, current }) => {
      if (old !== undefined && podUid(old) !== (current === undefined ? '' : podUid(current)))
        workers.get(podUid(old))?.gone();
      if (current === undefined) return;
      const worker = workers.get(podUid(current));
      if (worker === undefined) start(current, false);
      else worker.update(current);
    }),
  );

  function endWith(subscription: Disposable): void {
    signal.addEventListener('abort', () => subscription[Symbol.dispose](), { once: true });
  }

  endWith(host.probes.subscribe((uid) => workers.get(uid)?.wake()));

  async function relist(): Promise<void> {
    const next = await host.observer.fingerprints();
    const before = fingerprints;
    fingerprints = next;
    for (const [uid, summary] of next) {
      const worker = workers.get(uid);
      if (worker === undefined) start(orphan(summary), true);
      else if (before.get(uid)?.fingerprint !== summary.fingerprint) worker.wake();
    }
    for (const uid of before.keys()) if (!next.has(uid)) workers.get(uid)?.wake();
    isListing = true;
  }

  async function relistLoop(): Promise<void> {
    while (!signal.aborted) {
      const poked = new Promise<void>((resolve) => {
        relistNow = resolve;
      });
      try {
        await relist();
      } catch (thrown) {
        isListing = false;
        log.warn('the runtime can not be listed', { error: describeError(thrown) });
      }
      using _timer = clock.after(nextRelistMs(), () => relistNow());
      await poked;
    }
  }

  function nextRelistMs(): number {
    if (eager > 0) return afterEventMs[afterEventMs.length - eager--] ?? 0;
    return hasEvents && isListing ? relistMs.withEvents : relistMs.withoutEvents;
  }

  async function eventLoop(): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const _event of host.cri.changes(signal, () => {
          hasEvents = true;
          relistNow();
        })) {
          eager = afterEventMs.length;
          relistNow();
        }
      } catch (thrown) {
        log.debug('the runtime sends no events', { error: describeError(thrown) });
      }
      hasEvents = false;
      await clock.sleep(1000, signal).catch(() => {});
    }
  }

  /** Removes volumes, files and cgroups of pods that neither the API server nor the runtime knows. */
  async function removeOrphans(): Promise<void> {
    const isUnknown = (uid: string) => !workers.has(uid) && !fingerprints.has(uid);
    for (const uid of await host.volumes.podUids()) if (isUnknown(uid)) await host.volumes.cleanup(uid);
    for (const uid of await host.files.podUids()) if (isUnknown(uid)) await host.files.remove(uid);
    for (const cgroup of await host.cgroups.list()) if (isUnknown(cgroup.uid)) await host.cgroups.remove(cgroup);
    await host.logLinks?.sweep();
  }

  async function orphanLoop(): Promise<void> {
    while (!signal.aborted) {
      try {
        if (isListing) await removeOrphans();
      } catch (thrown) {
        log.warn('what is left of former pods can not be removed yet', { error: describeError(thrown) });
      }
      await clock.sleep(isListing ? orphanSearchMs : 1000, signal).catch(() => {});
    }
  }

  const loops = Promise.all([relistLoop(), eventLoop(), orphanLoop()]);

  const instances = (uid: string, name: string) =>
    (workers.get(uid)?.runtime.containers ?? []).filter((instance) => instance.name === name);

  return {
    workers: () => [...workers.values()],
    fail: (uid, failure) => workers.get(uid)?.fail(failure),
    wake: (uid) => workers.get(uid)?.wake(),
    async end(stop) {
      abort.abort();
      relistNow();
      await loops;
      await Promise.all([...workers.values()].map((worker) => worker.stop()));
      const runtimes = await Promise.all([...workers.values()].map(({ pod }) => inspect(host, pod)));
      await Promise.all(
        runtimes.map((runtime, index) => shutDown(host, [...workers.values()][index]?.pod, runtime, stop)),
      );
      // Their files stay for the pods' next start; the machine may want to let go of the file systems.
      for (const uid of await host.volumes.podUids()) await host.volumes.unmount(uid);
    },
    get isListing() {
      return isListing;
    },
    pods: () => [...workers.values()].filter(({ isGone }) => !isGone).map(({ pod }) => pod),
    find(namespace, name, uid) {
      for (const { pod, isGone } of workers.values()) {
        const { metadata } = pod;
        if (
          metadata.namespace === namespace &&
          metadata.name === name &&
          !isGone &&
          (uid === undefined || metadata.uid === uid)
        )
          return pod;
      }
      return undefined;
    },
    container: (uid, name) => directoryEntry(instances(uid, name)[0]),
    previousContainer: (uid, name) => directoryEntry(instances(uid, name)[1]),
    sandboxId: (uid) => workers.get(uid)?.runtime.sandboxes.find(({ isReady }) => isReady)?.id,
    async [Symbol.asyncDispose]() {
      abort.abort();
      relistNow();
      await loops;
      await Promise.all([...workers.values()].map((worker) => worker.stop()));
    },
  };
}

async function shutDown(host: PodHost, pod: Pod | undefined, runtime: RuntimePod, signal: AbortSignal): Promise<void> {
  if (pod === undefined) return;
  await killPod(host, pod, runtime, signal);
  await removeFromRuntime(host, await inspect(host, pod));
  await host.cgroups.remove({ uid: podUid(pod), qos: qosClass(pod) });
}

function directoryEntry(instance: ContainerInstance | undefined): DirectoryContainer | undefined {
  if (instance === undefined) return undefined;
  return { containerId: instance.id, running: instance.state === 'running', logPath: instance.logPath };
}

/** What is known of a pod that runs here and that the API server does not have: enough to end it. */
function orphan({ uid, name, namespace }: PodSummary): Pod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { uid, name, namespace }, spec: { containers: [] } };
}
