import type { Job, Pod, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule } from '../kube/types.gen.ts';

/** What the pod failure policy says of a failed pod: the default is to count it. */
export interface FailureVerdict {
  readonly action: 'Count' | 'Ignore' | 'FailJob' | 'FailIndex';
  /** For FailJob: the message of the condition. */
  readonly message?: string;
}

/** The first rule that matches decides (KEP-3329, KEP-3850). Pure. */
export function judgeFailure(job: Job, pod: Pod): FailureVerdict {
  for (const [index, rule] of (job.spec?.podFailurePolicy?.rules ?? []).entries()) {
    const match = matchRule(rule, pod);
    if (match === undefined) continue;
    const { action } = rule;
    if (action !== 'FailJob') return { action: action === 'Ignore' || action === 'FailIndex' ? action : 'Count' };
    return { action, message: `${match} matching FailJob rule at index ${index}` };
  }
  return { action: 'Count' };
}

function matchRule(rule: PodFailurePolicyRule, pod: Pod): string | undefined {
  const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
  if (rule.onExitCodes) {
    const container = matchExitCode(rule.onExitCodes, pod);
    return container && `Container ${container.name} for pod ${name} failed with exit code ${container.exitCode}`;
  }
  for (const pattern of rule.onPodConditions ?? []) {
    const isMatch = pod.status?.conditions?.some(
      ({ type, status }) => type === pattern.type && status === (pattern.status ?? 'True'),
    );
    if (isMatch) return `Pod ${name} has condition ${pattern.type}`;
  }
  return undefined;
}

function matchExitCode({ containerName, operator, values }: PodFailurePolicyOnExitCodesRequirement, pod: Pod) {
  for (const status of [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]) {
    if (containerName !== undefined && status.name !== containerName) continue;
    const exitCode = status.state?.terminated?.exitCode;
    // A container that succeeded is no reason for a failure, whatever the operator.
    if (exitCode === undefined || exitCode === 0) continue;
    if (values.includes(exitCode) === (operator === 'In')) return { name: status.name, exitCode };
  }
  return undefined;
}
