import type { Container, LifecycleHandler, Pod } from '../kube/types.gen.ts';

export interface HookTarget {
  readonly pod: Pod;
  readonly container: Container;
  readonly containerId: string;
  readonly podIP: string | undefined;
}

/**
 * Runs one lifecycle handler (exec, httpGet, sleep, tcpSocket refused) to its end. Throws WherryError whose message is Kubernetes'
 * for the FailedPostStartHook and FailedPreStopHook Events; the agent records those and decides what follows.
 * A preStop hook is bounded by the grace period through `signal`.
 */
export interface HookRunner {
  run(target: HookTarget, handler: LifecycleHandler, signal: AbortSignal): Promise<void>;
}
