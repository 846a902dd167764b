import { formatTime } from '../../kube/time.ts';
import type { ContainerStatus, Pod, PodStatus } from '../../kube/types.gen.ts';
import { sameJson } from '../same-json.ts';
import { podConditions } from './conditions.ts';
import { type ContainerFacts, containerStatus } from './container-status.ts';
import { ephemeralContainers, initContainers, ordinaryContainers, type SpecContainer } from './identity.ts';
import { type PodPhase, podPhase } from './phase.ts';
import { qosClass } from './resources.ts';
import { currentSandbox, type RuntimePod } from './runtime-pod.ts';

export interface StatusFacts extends ContainerFacts {
  readonly now: number;
  readonly hostIPs: readonly string[];
  /** Why the agent itself ended the pod: evicted, deadline exceeded, not admitted. */
  readonly failure: PodFailure | null;
}

export interface PodFailure {
  readonly reason: string;
  readonly message: string;
  /** The pod was not admitted: it never had containers here. */
  readonly isRefusal?: boolean;
}

/** A pod's whole status, from what the runtime shows. Fields that others own are kept. Pure. */
export function podStatus(pod: Pod, runtime: RuntimePod, facts: StatusFacts): PodStatus {
  const former = pod.status ?? {};
  if (facts.failure?.isRefusal === true || isRefused(former, runtime)) return refusedStatus(pod, facts.failure);
  const statuses = (specs: readonly SpecContainer[], old: readonly ContainerStatus[] | undefined) =>
    specs.map((spec) => {
      const last = old?.find(({ name }) => name === spec.container.name);
      return containerStatus(pod, spec, runtime, last, facts);
    });
  const init = statuses(initContainers(pod), former.initContainerStatuses);
  const ordinary = statuses(ordinaryContainers(pod), former.containerStatuses);
  const ephemeral = statuses(ephemeralContainers(pod), former.ephemeralContainerStatuses);
  const byName = new Map([...init, ...ordinary, ...ephemeral].map((status) => [status.name, status]));
  const phase =
    finalPhase(former) ?? (facts.failure ? failedPhase(byName) : podPhase(pod, runtime, byName, facts.isEnding));
  const sandbox = currentSandbox(runtime);
  const podIPs = pod.spec?.hostNetwork
    ? sandbox || former.podIP
      ? facts.hostIPs
      : []
    : sandbox?.isReady
      ? sandbox.ips
      : // An ended pod keeps the addresses that it had.
        (former.podIPs ?? []).map(({ ip }) => ip);
  const hasNetwork = sandbox?.isReady === true && (pod.spec?.hostNetwork === true || sandbox.ips.length > 0);
  const failure = facts.failure ?? (former.reason ? { reason: former.reason, message: former.message ?? '' } : null);
  const [hostIP] = facts.hostIPs;
  const [podIP] = podIPs;
  return {
    ...withoutRecomputed(former),
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    conditions: podConditions(pod, { phase, statuses: byName, hasNetwork, now: facts.now }),
    ...(failure === null ? {} : { reason: failure.reason, message: failure.message }),
    ...(hostIP === undefined ? {} : { hostIP, hostIPs: facts.hostIPs.map((ip) => ({ ip })) }),
    ...(podIP === undefined ? {} : { podIP, podIPs: podIPs.map((ip) => ({ ip })) }),
    startTime: former.startTime ?? formatTime(facts.now),
    ...(init.length > 0 ? { initContainerStatuses: init } : {}),
    containerStatuses: ordinary,
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
    qosClass: former.qosClass ?? qosClass(pod),
  };
}

/** A pod that this node refused, seen again. */
function isRefused({ phase, containerStatuses }: PodStatus, { containers }: RuntimePod): boolean {
  return phase === 'Failed' && containerStatuses === undefined && containers.length === 0;
}

function refusedStatus({ metadata, status = {}, ...pod }: Pod, failure: PodFailure | null): PodStatus {
  if (failure === null) return status;
  const { reason, message } = failure;
  return {
    ...status,
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    phase: 'Failed',
    reason,
    message,
    qosClass: status.qosClass ?? qosClass({ metadata, ...pod }),
  };
}

/** A pod that has ended has ended. */
function finalPhase(former: PodStatus): PodPhase | undefined {
  return former.phase === 'Succeeded' || former.phase === 'Failed' ? former.phase : undefined;
}

/** A pod that is being failed is Failed when nothing of it runs any more. */
function failedPhase(statuses: ReadonlyMap<string, ContainerStatus>): PodPhase {
  return [...statuses.values()].some(({ state }) => state?.running !== undefined) ? 'Running' : 'Failed';
}

function withoutRecomputed(former: PodStatus): PodStatus {
  const {
    podIP: _podIP,
    podIPs: _podIPs,
    reason: _reason,
    message: _message,
    initContainerStatuses: _init,
    ephemeralContainerStatuses: _ephemeral,
    ...kept
  } = former;
  return kept;
}

/** Whether writing `b` would change anything; the order of conditions does not count. */
export function sameStatus(a: PodStatus | undefined, b: PodStatus): boolean {
  return sameJson(withSortedConditions(a), withSortedConditions(b));
}

function withSortedConditions(status: PodStatus | undefined): PodStatus | undefined {
  if (status === undefined) return undefined;
  return { ...status, conditions: (status.conditions ?? []).toSorted((a, b) => (a.type < b.type ? -1 : 1)) };
}
