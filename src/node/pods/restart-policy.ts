import type { Pod } from '../../kube/types.gen.ts';
import type { SpecContainer } from './identity.ts';
import type { ContainerInstance } from './runtime-pod.ts';

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

export function podRestartPolicy(pod: Pod): RestartPolicy {
  const policy = pod.spec?.restartPolicy;
  return policy === 'OnFailure' || policy === 'Never' ? policy : 'Always';
}

/** The policy of one container: a sidecar's, an ephemeral container's, its own (KEP-5307), or the pod's. */
export function containerRestartPolicy(pod: Pod, { kind, container }: SpecContainer): RestartPolicy {
  if (kind === 'sidecar') return 'Always';
  if (kind === 'ephemeral') return 'Never';
  const own = container.restartPolicy;
  if (own === 'Always' || own === 'OnFailure' || own === 'Never') return own;
  const policy = podRestartPolicy(pod);
  // An init container that succeeded is done, whatever the pod's policy.
  return kind === 'init' && policy === 'Always' ? 'OnFailure' : policy;
}

/** Whether a container that has ended runs again: the first rule for its exit code decides, else its policy. */
export function restartsAfterExit(pod: Pod, spec: SpecContainer, instance: ContainerInstance): boolean {
  for (const rule of spec.container.restartPolicyRules ?? []) {
    const codes = rule.exitCodes;
    if (codes === undefined) continue;
    const isListed = (codes.values ?? []).includes(instance.exitCode);
    if (isListed === (codes.operator === 'In'))
      return rule.action === 'Restart' || rule.action === 'RestartAllContainers';
  }
  const policy = containerRestartPolicy(pod, spec);
  if (policy === 'Always') return true;
  return policy === 'OnFailure' && instance.exitCode !== 0;
}
