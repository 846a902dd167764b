import type { Pod } from '../../kube/types.gen.ts';
import type { ProbeResult } from '../probe-runner.ts';
import {
  annotations,
  containerHash,
  ephemeralContainers,
  initContainers,
  ordinaryContainers,
  type SpecContainer,
} from './identity.ts';
import { podRestartPolicy, restartsAfterExit } from './restart-policy.ts';
import {
  type ContainerInstance,
  currentSandbox,
  newestInstance,
  type RuntimePod,
  runningInstances,
} from './runtime-pod.ts';

/** What a plan depends on beside the pod and the runtime. */
export interface PlanFacts {
  /** What the probes say of a running instance. */
  probe(instance: ContainerInstance): ProbeResult;
}

export interface KillAction {
  readonly spec: SpecContainer;
  readonly instance: ContainerInstance;
  /** Of the Killing Event. */
  readonly message: string;
  /** A probe killed it: the probe's own grace period counts. */
  readonly failedProbe: 'liveness' | 'startup' | null;
}

/** What to do so that the runtime comes to have what the pod's spec asks for. */
export interface PodPlan {
  /** End all containers and the sandbox first. */
  readonly killPod: boolean;
  /** Then make a sandbox, the pod's `attempt`-th. */
  readonly createSandbox: { readonly attempt: number } | null;
  readonly kill: readonly KillAction[];
  /** To start in this order, each unless it is in back-off. */
  readonly start: readonly SpecContainer[];
}

const nothing: PodPlan = { killPod: false, createSandbox: null, kill: [], start: [] };

/** A live pod's next steps. Pure. A pod that terminates or has ended is not planned: everything of it is killed. */
export function planPod(pod: Pod, runtime: RuntimePod, facts: PlanFacts): PodPlan {
  const sandbox = currentSandbox(runtime);
  return sandbox === undefined || needsNewSandbox(pod, runtime)
    ? planNewSandbox(pod, runtime)
    : planInSandbox(pod, runtime, sandbox.id, facts);
}

function needsNewSandbox(pod: Pod, runtime: RuntimePod): boolean {
  const sandbox = currentSandbox(runtime);
  if (sandbox === undefined || !sandbox.isReady) return true;
  if (runtime.sandboxes.filter((other) => other.isReady).length > 1) return true;
  const wantsHostNetwork = pod.spec?.hostNetwork === true;
  return sandbox.usesHostNetwork !== wantsHostNetwork || (!wantsHostNetwork && sandbox.ips.length === 0);
}

function planNewSandbox(pod: Pod, runtime: RuntimePod): PodPlan {
  const former = currentSandbox(runtime);
  const killPod = former !== undefined;
  const attempt = former === undefined ? 0 : former.attempt + 1;
  // A pod that never restarts and whose containers were made already has had its life.
  if (podRestartPolicy(pod) === 'Never' && former !== undefined && runtime.containers.length > 0)
    return { ...nothing, killPod };
  const runnable = ordinaryContainers(pod).filter((spec) => {
    const last = newestInstance(runtime, spec.container.name);
    return last === undefined || last.state !== 'exited' || restartsAfterExit(pod, spec, last);
  });
  const isInitialized = initContainers(pod).every(
    ({ kind, container }) => kind === 'sidecar' || newestInstance(runtime, container.name)?.exitCode === 0,
  );
  if (runnable.length === 0 && isInitialized) return { ...nothing, killPod };
  const first = initContainers(pod)[0];
  return { killPod, createSandbox: { attempt }, kill: [], start: first === undefined ? runnable : [first] };
}

function planInSandbox(pod: Pod, runtime: RuntimePod, sandboxId: string, facts: PlanFacts): PodPlan {
  const start: SpecContainer[] = [];
  const kill: KillAction[] = [];
  for (const spec of ephemeralContainers(pod))
    if (newestInstance(runtime, spec.container.name) === undefined) start.push(spec);

  const init = planInit(pod, runtime, sandboxId, facts);
  if (init.hasFailed) return { ...nothing, killPod: true };
  start.push(...init.start);
  kill.push(...init.kill);
  if (!init.isDone) return { ...nothing, start, kill };

  let kept = 0;
  for (const spec of ordinaryContainers(pod)) {
    // A container of a former sandbox that has had its life is not run again in the new one.
    const instance =
      newestInstance(runtime, spec.container.name, sandboxId) ?? newestInstance(runtime, spec.container.name);
    if (instance?.state === 'running') {
      const action = restartReason(spec, instance, facts);
      kept += 1;
      if (action !== null) kill.push(action);
    } else if (instance === undefined || instance.state !== 'exited' || restartsAfterExit(pod, spec, instance)) {
      start.push(spec);
    }
  }
  const wantsOrdinary = kept > 0 || start.some(({ kind }) => kind === 'ordinary');
  // Nothing is left to run: the sidecars and the sandbox go too.
  if (!wantsOrdinary) return { ...nothing, killPod: runningInstances(runtime).length > 0 || start.length === 0 };
  return { ...nothing, start, kill };
}

interface InitPlan {
  readonly isDone: boolean;
  readonly hasFailed: boolean;
  readonly start: readonly SpecContainer[];
  readonly kill: readonly KillAction[];
}

/**
 * Init containers run one after the other to success; a sidecar among them lets the next one start when its startup
 * probe has passed, and is kept running from then on (KEP-753).
 */
function planInit(pod: Pod, runtime: RuntimePod, sandboxId: string, facts: PlanFacts): InitPlan {
  const specs = initContainers(pod);
  const start: SpecContainer[] = [];
  const kill: KillAction[] = [];
  const instanceOf = (spec: SpecContainer) => newestInstance(runtime, spec.container.name, sandboxId);
  const isPastInit = ordinaryContainers(pod).some((spec) => instanceOf(spec) !== undefined);
  /** True when a container behind `index` was made: what is before has let it pass already. */
  const hasPassed = (index: number) =>
    isPastInit || specs.slice(index + 1).some((later) => instanceOf(later) !== undefined);

  for (const [index, spec] of specs.entries()) {
    const instance = instanceOf(spec);
    if (spec.kind === 'sidecar') {
      const action = instance?.state === 'running' ? restartReason(spec, instance, facts) : null;
      if (action !== null) kill.push(action);
      if (instance === undefined || instance.state === 'exited' || instance.state === 'created') start.push(spec);
      const isUp = instance?.state === 'running' && action === null && facts.probe(instance).started;
      if (!isUp && !hasPassed(index)) return { isDone: false, hasFailed: false, start, kill };
      continue;
    }
    if (isPastInit || (instance?.state === 'exited' && instance.exitCode === 0)) continue;
    if (instance?.state === 'running') return { isDone: false, hasFailed: false, start, kill };
    if (instance?.state === 'exited' && !restartsAfterExit(pod, spec, instance))
      return { isDone: false, hasFailed: true, start: [], kill: [] };
    return { isDone: false, hasFailed: false, start: [...start, spec], kill };
  }
  return { isDone: true, hasFailed: false, start, kill };
}

/** Why a running container is ended so that it starts anew; null when it is as it should be. */
function restartReason(spec: SpecContainer, instance: ContainerInstance, facts: PlanFacts): KillAction | null {
  const { name } = spec.container;
  const made = instance.annotations[annotations.containerHash];
  // Without a hash another agent made it: nothing is known against it.
  if (made !== undefined && made !== containerHash(spec.container))
    return { spec, instance, failedProbe: null, message: `Container ${name} definition changed, will be restarted` };
  const { failed } = facts.probe(instance);
  if (failed === null) return null;
  return {
    spec,
    instance,
    failedProbe: failed,
    message: `Container ${name} failed ${failed} probe, will be restarted`,
  };
}
