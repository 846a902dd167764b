import { formatTime } from '../../kube/time.ts';
import type { Pod, PodCondition } from '../../kube/types.gen.ts';
import { initContainers, ordinaryContainers, type SpecContainer } from './identity.ts';
import type { PodPhase, Statuses } from './phase.ts';

/** A condition before it is compared with the one that stands. */
interface Verdict {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason?: string;
  readonly message?: string;
}

export interface ConditionFacts {
  readonly phase: PodPhase;
  readonly statuses: Statuses;
  readonly hasNetwork: boolean;
  readonly now: number;
}

/** The pod's conditions, with those of others kept, and transition times kept where the status is the same. Pure. */
export function podConditions(pod: Pod, facts: ConditionFacts): readonly PodCondition[] {
  const containersReady = containersReadyVerdict(pod, facts);
  const verdicts: readonly Verdict[] = [
    { type: 'PodReadyToStartContainers', status: facts.hasNetwork ? 'True' : 'False' },
    initializedVerdict(pod, facts),
    readyVerdict(pod, containersReady),
    containersReady,
    { type: 'PodScheduled', status: 'True' },
  ];
  const standing = new Map((pod.status?.conditions ?? []).map((condition) => [condition.type, condition]));
  const now = formatTime(facts.now);
  const own = verdicts.map((verdict): PodCondition => {
    const former = standing.get(verdict.type);
    const since = former?.status === verdict.status ? former.lastTransitionTime : undefined;
    return {
      ...verdict,
      ...(former?.lastProbeTime ? { lastProbeTime: former.lastProbeTime } : {}),
      lastTransitionTime: since ?? now,
      ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    };
  });
  const computed = new Set(own.map(({ type }) => type));
  return [...own, ...[...standing.values()].filter(({ type }) => !computed.has(type))];
}

function initializedVerdict(pod: Pod, { phase, statuses }: ConditionFacts): Verdict {
  const type = 'Initialized';
  if (phase === 'Succeeded') return { type, status: 'True', reason: 'PodCompleted' };
  const specs = initContainers(pod);
  const hasStarted = ordinaryContainers(pod).some(({ container }) => {
    const status = statuses.get(container.name);
    return (
      status?.state?.running !== undefined ||
      status?.state?.terminated !== undefined ||
      status?.lastState?.terminated !== undefined
    );
  });
  const incomplete = specs.filter(({ kind, container }) => {
    const status = statuses.get(container.name);
    return kind === 'sidecar' ? status?.started !== true : status?.ready !== true;
  });
  if (hasStarted || incomplete.length === 0) return { type, status: 'True' };
  return {
    type,
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: ${names(incomplete)}`,
  };
}

function containersReadyVerdict(pod: Pod, { phase, statuses }: ConditionFacts): Verdict {
  const type = 'ContainersReady';
  if (phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' };
  const specs = [...initContainers(pod).filter(({ kind }) => kind === 'sidecar'), ...ordinaryContainers(pod)];
  const unready = specs.filter(({ container }) => statuses.get(container.name)?.ready !== true);
  if (unready.length === 0) return { type, status: 'True' };
  return {
    type,
    status: 'False',
    reason: 'ContainersNotReady',
    message: `containers with unready status: ${names(unready)}`,
  };
}

function readyVerdict(pod: Pod, containersReady: Verdict): Verdict {
  if (containersReady.status === 'False') return { ...containersReady, type: 'Ready' };
  const standing = new Map((pod.status?.conditions ?? []).map((condition) => [condition.type, condition.status]));
  const problems: string[] = [];
  for (const { conditionType } of pod.spec?.readinessGates ?? []) {
    const status = standing.get(conditionType);
    if (status === undefined)
      problems.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`);
    else if (status !== 'True')
      problems.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${status}`);
  }
  if (problems.length === 0) return { type: 'Ready', status: 'True' };
  return { type: 'Ready', status: 'False', reason: 'ReadinessGatesNotReady', message: problems.join(', ') };
}

function names(specs: readonly SpecContainer[]): string {
  return `[${specs.map(({ container }) => container.name).join(' ')}]`;
}
