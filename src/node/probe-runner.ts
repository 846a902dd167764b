import type { Container, Pod } from '../kube/types.gen.ts';

/** A container that runs now and may have probes. */
export interface ProbedContainer {
  readonly container: Container;
  readonly containerId: string;
  /** When it started, milliseconds since the epoch. */
  readonly startedAt: number;
}

/** What the probes of one running container say. Without a probe of that kind the answer is true. */
export interface ProbeResult {
  /** The startup probe has succeeded (or there is none). */
  readonly started: boolean;
  readonly ready: boolean;
  /** False when the liveness or the startup probe has failed often enough: the container is killed. */
  readonly failed: 'liveness' | 'startup' | null;
}

/**
 * Runs the probes of this node's containers, one worker each. The pod workers tell which containers run and ask
 * for results; a change of a result calls the subscribers, which sync the pod. Unhealthy Events are the runner's.
 * After a start of the agent the first readiness result of a container that was ready before counts as ready
 * until its probe says otherwise (`pod.status` tells), so that adoption does not flap.
 */
export interface ProbeRunner extends AsyncDisposable {
  /** The complete set for this pod: workers of others of its containers end, workers of a former containerId start anew. */
  set(pod: Pod, podIP: string | undefined, running: readonly ProbedContainer[]): void;
  result(podUid: string, containerName: string, containerId: string): ProbeResult;
  /** While a pod terminates only readiness probes go on: liveness and startup end (KEP-4438 keeps them for sidecars). */
  terminating(podUid: string): void;
  forget(podUid: string): void;
  subscribe(changed: (podUid: string) => void): Disposable;
}
