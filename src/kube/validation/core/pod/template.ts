import { forbidden } from '../../../field-error.ts';
import type { PodTemplateSpec } from '../../../types.gen.ts';
import type { Errors } from '../../common.ts';
import { validateLabels } from '../../label-selector.ts';
import { validateAnnotations } from '../../meta.ts';
import { validatePodAnnotations, validateProfilesMatch } from './annotations.ts';
import type { PodRules } from './rules.ts';
import { validatePodSpec } from './spec.ts';

/** The template of a workload's pods. */
export function* validatePodTemplateSpec(template: PodTemplateSpec, field: string, rules: PodRules): Errors {
  const { metadata: meta, spec = { containers: [] } } = template;
  yield* validateLabels(meta?.labels, `${field}.labels`);
  yield* validateAnnotations(meta?.annotations, `${field}.annotations`);
  yield* validatePodAnnotations(meta?.annotations, spec, `${field}.annotations`, rules);
  yield* validatePodSpec(spec, undefined, `${field}.spec`, rules);
  yield* validateProfilesMatch(meta, spec, `${field}.spec`);
  if ((spec.ephemeralContainers ?? []).length > 0) {
    yield forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template');
  }
}
