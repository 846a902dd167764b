import type { Clock } from '../../core/clock.ts';
import type { Cri } from '../../engines/containerd/cri.ts';
import type { Container, ContainerStatus, Pod } from '../../kube/types.gen.ts';
import type { PodEvents } from '../pod-events.ts';
import { allContainers } from '../pods/identity.ts';
import type { ProbedContainer, ProbeResult, ProbeRunner } from '../probe-runner.ts';
import { attemptProbe } from './attempt.ts';
import { type ProbeType, ProbeWorker } from './probe-worker.ts';

export interface ProbeRunnerOptions {
  readonly cri: Pick<Cri, 'execSync'>;
  readonly events: PodEvents;
  readonly clock: Clock;
  /** Yields [0, 1): spreads the probes of a starting agent. */
  readonly random?: () => number;
}

/** A running container with the workers of its probes. */
interface Probed {
  readonly containerId: string;
  readonly workers: Partial<Record<ProbeType, ProbeWorker>>;
  /** A sidecar: its liveness and startup are watched until the pod's end. */
  readonly isSidecar: boolean;
}

interface ProbedPod {
  pod: Pod;
  podIP: string | undefined;
  isTerminating: boolean;
  readonly containers: Map<string, Probed>;
}

const healthy: ProbeResult = { started: true, ready: true, failed: null };

/** Runs the probes of a node's containers; see ProbeRunner. */
export function createProbeRunner(options: ProbeRunnerOptions): ProbeRunner {
  const { cri, events, clock, random = Math.random } = options;
  const pods = new Map<string, ProbedPod>();
  const subscribers = new Set<(podUid: string) => void>();
  const bornAt = clock.monotonic();

  function startWorkers(uid: string, state: ProbedPod, probed: ProbedContainer): Probed {
    const { container, containerId, startedAt } = probed;
    const known = statusOf(state.pod, container.name, containerId);
    const workers: Partial<Record<ProbeType, ProbeWorker>> = {};
    const result: Probed = { containerId, workers, isSidecar: isSidecar(state.pod, container.name) };

    const start = (type: ProbeType, initial: boolean | undefined) => {
      const probe = probeOf(container, type);
      if (probe === undefined || (state.isTerminating && type !== 'Readiness' && !result.isSidecar)) return;
      const periodMs = (probe.periodSeconds || 10) * 1000;
      // An agent that has just started finds many containers at once: their probes are spread over a period.
      const isYoung = clock.monotonic() - bornAt < periodMs;
      workers[type] = new ProbeWorker({
        type,
        probe,
        startedAt,
        initial,
        firstDelayMs: isYoung ? random() * periodMs : 0,
        clock,
        isDue: () => {
          const isStarted = workers.Startup?.result === true;
          if (type === 'Startup') return !isStarted;
          return workers.Startup === undefined || isStarted;
        },
        attempt: async (current) => attemptProbe(cri, { container, containerId, podIP: state.podIP }, current),
        tell: (reason, message) => {
          const spec = allContainers(state.pod).find((one) => one.container.name === container.name);
          if (spec !== undefined) events.container(state.pod, spec, 'Warning', reason, message);
        },
        changed: () => {
          // Those that waited for the start need not wait for the end of their period as well.
          if (type === 'Startup' && workers.Startup?.result === true) {
            workers.Readiness?.poke();
            workers.Liveness?.poke();
          }
          for (const subscriber of [...subscribers]) subscriber(uid);
        },
      });
    };

    // What was known of this very container before the agent started holds until a probe says otherwise.
    start('Startup', known?.started === true ? true : undefined);
    start('Readiness', known?.ready === true);
    start('Liveness', true);
    return result;
  }

  function end(probed: Probed): void {
    for (const worker of Object.values(probed.workers)) worker[Symbol.dispose]();
  }

  function endPod(uid: string): void {
    const state = pods.get(uid);
    if (state === undefined) return;
    for (const probed of state.containers.values()) end(probed);
    pods.delete(uid);
  }

  return {
    set(pod, podIP, running) {
      const uid = pod.metadata.uid ?? '';
      const state = pods.get(uid) ?? { pod, podIP, isTerminating: false, containers: new Map() };
      state.pod = pod;
      state.podIP = podIP;
      const wanted = new Map(running.map((one) => [one.container.name, one]));
      for (const [name, probed] of [...state.containers]) {
        if (wanted.get(name)?.containerId === probed.containerId) continue;
        end(probed);
        state.containers.delete(name);
      }
      for (const [name, one] of wanted) {
        if (state.containers.has(name) || !hasProbes(one.container)) continue;
        state.containers.set(name, startWorkers(uid, state, one));
      }
      pods.set(uid, state);
    },

    result(podUid, containerName, containerId) {
      const probed = pods.get(podUid)?.containers.get(containerName);
      if (probed === undefined || probed.containerId !== containerId) return healthy;
      const { Startup, Readiness, Liveness } = probed.workers;
      const started = Startup === undefined || Startup.result === true;
      const failed = Startup?.result === false ? 'startup' : Liveness?.result === false ? 'liveness' : null;
      return { started, ready: started && (Readiness === undefined || Readiness.result === true), failed };
    },

    terminating(podUid) {
      const state = pods.get(podUid);
      if (state === undefined) return;
      state.isTerminating = true;
      for (const probed of state.containers.values()) {
        if (probed.isSidecar) continue;
        for (const type of ['Liveness', 'Startup'] as const) {
          probed.workers[type]?.[Symbol.dispose]();
          delete probed.workers[type];
        }
      }
    },
    forget: endPod,
    subscribe(changed) {
      subscribers.add(changed);
      return { [Symbol.dispose]: () => void subscribers.delete(changed) };
    },
    async [Symbol.asyncDispose]() {
      for (const uid of [...pods.keys()]) endPod(uid);
    },
  };
}

function hasProbes({ readinessProbe, livenessProbe, startupProbe }: Container): boolean {
  return readinessProbe !== undefined || livenessProbe !== undefined || startupProbe !== undefined;
}

function probeOf(container: Container, type: ProbeType) {
  switch (type) {
    case 'Readiness':
      return container.readinessProbe;
    case 'Liveness':
      return container.livenessProbe;
    default:
      return container.startupProbe;
  }
}

function isSidecar(pod: Pod, name: string): boolean {
  return allContainers(pod).some(({ kind, container }) => kind === 'sidecar' && container.name === name);
}

/** The status that was last written of this very instance. */
function statusOf(pod: Pod, name: string, containerId: string): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses].find(
    (status) => status.name === name && status.containerID?.endsWith(`//${containerId}`),
  );
}
