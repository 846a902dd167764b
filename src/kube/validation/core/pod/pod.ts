import { type FieldError, forbidden, notSupported, required } from '../../../field-error.ts';
import type { Binding, Pod } from '../../../types.gen.ts';
import type { Errors } from '../../common.ts';
import { validateObjectMeta } from '../../meta.ts';
import { validatePodAnnotations, validateProfilesMatch } from './annotations.ts';
import { validateImageOfPod } from './container.ts';
import { type PodRules, podRules } from './rules.ts';
import { validatePodSpec } from './spec.ts';

/** A pod to be created; its metadata is the registry's to check. */
export function validatePod(pod: Pod): readonly FieldError[] {
  return [...createErrors(pod)];
}

function* createErrors(pod: Pod): Errors {
  const spec = specOf(pod);
  yield* podErrors(pod, podRules(true));
  if ((spec.ephemeralContainers ?? []).length > 0)
    yield forbidden('spec.ephemeralContainers', 'cannot be set on create');
  if ((spec.nodeName ?? '') !== '' && (spec.schedulingGates ?? []).length > 0) {
    yield forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared');
  }
  yield* validateProfilesMatch(pod.metadata, spec, 'spec');
}

/** The spec of a pod, empty when the client gave none. */
export function specOf(pod: Pod) {
  return pod.spec ?? { containers: [] };
}

/** Metadata and spec, as each way of changing a pod checks them again. */
export function* metadataAndSpecErrors(pod: Pod, rules: PodRules): Errors {
  yield* validateObjectMeta(pod.metadata, { namespaced: true });
  yield* podErrors(pod, rules);
}

function* podErrors(pod: Pod, rules: PodRules): Errors {
  const spec = specOf(pod);
  yield* validatePodAnnotations(pod.metadata.annotations, spec, 'metadata.annotations', rules);
  yield* validatePodSpec(spec, pod.metadata, 'spec', rules);
  if ((spec.serviceAccountName ?? '') === '') yield* noTokens(pod);
  for (const list of ['containers', 'initContainers'] as const) {
    for (const [index, container] of (spec[list] ?? []).entries()) {
      yield* validateImageOfPod(container, `spec.${list}[${index}]`);
    }
  }
}

function* noTokens(pod: Pod): Errors {
  for (const [index, { projected }] of (specOf(pod).volumes ?? []).entries()) {
    for (const [position, source] of (projected?.sources ?? []).entries()) {
      if (source.serviceAccountToken === undefined) continue;
      const path = `spec.volumes[${index}].projected.sources[${position}].serviceAccountToken`;
      yield forbidden(path, 'must not be specified when serviceAccountName is not set');
    }
  }
}

/** What the scheduler posts to bind a pod to a node. */
export function validateBinding({ target }: Binding): readonly FieldError[] {
  const errors: FieldError[] = [];
  const { kind = '', name = '' } = target ?? {};
  if (kind !== '' && kind !== 'Node') errors.push(notSupported('target.kind', kind, ['Node', '<empty>']));
  if (name === '') errors.push(required('target.name'));
  return errors;
}
