import { type FieldError, forbidden, invalid, required } from '../../../field-error.ts';
import { goQuote } from '../../../go-json.ts';
import { inclusiveRangeError } from '../../../names.ts';
import { keepEmptyMembers, shownMember } from '../../../schema/empty-members.ts';
import type { Affinity, Container, NodeAffinity, NodeSelectorTerm, Pod, PodSpec } from '../../../types.gen.ts';
import type { Errors } from '../../common.ts';
import {
  equalInternally,
  equalListsInternally,
  internalForm,
  internalForms,
  semanticallyEqual,
} from '../../internal-form.ts';
import { validateMetaUpdateOfKind } from '../../meta.ts';
import { diffOfForms } from '../../unified-diff.ts';
import { mirrorAnnotation, validateAnnotationsKept, validatePodAnnotations } from './annotations.ts';
import { metadataAndSpecErrors, specOf } from './pod.ts';
import { type PodRules, podRules } from './rules.ts';
import { validateOnlyAddedTolerations, validateOnlyDeletedGates } from './scheduling.ts';

const int32Max = 2 ** 31 - 1;

/** The rules for a pod that replaces `old`. */
export function rulesForUpdate(old: Pod): PodRules {
  return podRules(true, old.spec, old.metadata);
}

/** An update of a pod through its main endpoint: little of a spec may change. */
export function validatePodUpdate(pod: Pod, old: Pod): readonly FieldError[] {
  return [...updateErrors(pod, old)];
}

function* updateErrors(pod: Pod, old: Pod): Errors {
  const rules = rulesForUpdate(old);
  const spec = specOf(pod);
  const oldSpec = specOf(old);
  yield* validateMetaUpdateOfKind(pod.metadata, old.metadata);
  yield* metadataAndSpecErrors(pod, rules);
  yield* annotationUpdateErrors(pod, old, rules);
  for (const list of ['containers', 'initContainers'] as const) {
    const errors = [...imagesErrors(spec[list] ?? [], oldSpec[list] ?? [], `spec.${list}`)];
    yield* errors;
    if ((spec[list] ?? []).length !== (oldSpec[list] ?? []).length) return;
  }
  const deadline = [...deadlineErrors(spec, oldSpec)];
  yield* deadline;
  if (deadline.length > 0 && spec.activeDeadlineSeconds !== undefined) return;
  yield* validateOnlyAddedTolerations(spec.tolerations ?? [], oldSpec.tolerations ?? [], 'spec.tolerations');
  yield* validateOnlyDeletedGates(spec.schedulingGates ?? [], oldSpec.schedulingGates ?? [], 'spec.schedulingGates');
  yield* fixedFieldsErrors(spec, oldSpec);
}

/** Annotations of pods, when they are changed in whatever way. */
export function* annotationUpdateErrors(pod: Pod, old: Pod, rules: PodRules): Errors {
  yield* validateAnnotationsKept(pod.metadata, old.metadata, 'metadata.annotations');
  yield* validatePodAnnotations(pod.metadata.annotations, specOf(pod), 'metadata.annotations', rules);
}

function* imagesErrors(containers: readonly Container[], old: readonly Container[], field: string): Errors {
  if (containers.length !== old.length) {
    yield forbidden(field, 'pod updates may not add or remove containers');
    return;
  }
  for (const [index, { image = '' }] of containers.entries()) {
    if (image === '') yield required(`${field}[${index}].image`);
    if (image.trim() !== image) {
      yield invalid(`${field}[${index}].image`, image, 'must not have leading or trailing whitespace');
    }
  }
}

function* deadlineErrors(spec: PodSpec, old: PodSpec): Errors {
  const { activeDeadlineSeconds: seconds } = spec;
  const before = old.activeDeadlineSeconds;
  const field = 'spec.activeDeadlineSeconds';
  if (seconds === undefined) {
    if (before !== undefined) yield invalid(field, null, 'must not update from a positive integer to nil value');
  } else if (seconds < 0 || seconds > int32Max) yield invalid(field, seconds, inclusiveRangeError(0, int32Max));
  else if (before !== undefined && before < seconds) {
    yield invalid(field, seconds, 'must be less than or equal to previous value');
  }
}

const updatable = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',');

function* fixedFieldsErrors(spec: PodSpec, old: PodSpec): Errors {
  if (equalInternally('PodSpec', spec, old)) return;
  let munged = withOldMutableFields(spec, old);
  if ((old.schedulingGates ?? []).length > 0) {
    yield* nodeSelectorErrors(munged, old);
    yield* nodeAffinityErrors(munged.affinity?.nodeAffinity, old.affinity?.nodeAffinity);
    munged = withOldNodeDirectives(munged, old);
  }
  const form = internalForm('PodSpec', munged);
  const oldForm = internalForm('PodSpec', old);
  if (semanticallyEqual(form, oldForm)) return;
  const diff = diffOfForms(oldForm, form);
  yield forbidden('spec', `pod updates may not change fields other than ${updatable}\n${diff}`);
}

/** The new spec with the old values of all that may change. */
function withOldMutableFields(spec: PodSpec, old: PodSpec): PodSpec {
  const munged: Record<string, unknown> = {
    ...spec,
    activeDeadlineSeconds: old.activeDeadlineSeconds,
    schedulingGates: old.schedulingGates,
    tolerations: old.tolerations,
    // Upstream builds these lists anew, so an empty one becomes an absent one.
    containers: withOldImages(spec.containers, old.containers),
    initContainers: withOldImages(spec.initContainers, old.initContainers),
  };
  if ((old.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1) {
    munged['terminationGracePeriodSeconds'] = old.terminationGracePeriodSeconds;
  }
  return keepEmptyMembers({ containers: [], ...munged }, spec);
}

function withOldImages(containers: readonly Container[] = [], old: readonly Container[] = []) {
  if (containers.length === 0) return undefined;
  return containers.map((container, index) =>
    keepEmptyMembers({ ...container, image: old[index]?.image ?? '' }, container),
  );
}

function* nodeSelectorErrors(spec: PodSpec, old: PodSpec): Errors {
  const selector = spec.nodeSelector ?? {};
  const kept = Object.entries(old.nodeSelector ?? {}).every(([key, value]) => selector[key] === value);
  if (kept) return;
  const detail = 'only additions to spec.nodeSelector are allowed (no mutations or deletions)';
  yield invalid('spec.nodeSelector', shownMember(spec, 'nodeSelector'), detail);
}

function* nodeAffinityErrors(affinity: NodeAffinity | undefined, old: NodeAffinity | undefined): Errors {
  const name = 'requiredDuringSchedulingIgnoredDuringExecution';
  const oldTerms = old?.[name]?.nodeSelectorTerms ?? [];
  if (oldTerms.length === 0) return;
  const terms = affinity?.[name]?.nodeSelectorTerms ?? [];
  const field = `spec.affinity.nodeAffinity.${name}.nodeSelectorTerms`;
  if (oldTerms.length !== terms.length) {
    const detail = 'no additions/deletions to non-empty NodeSelectorTerms list are allowed';
    yield invalid(field, affinity?.[name] === undefined ? null : internalForms('NodeSelectorTerm', terms), detail);
    return;
  }
  for (const [index, term] of terms.entries()) {
    if (hasOnlyAdditions(term, oldTerms[index] ?? {})) continue;
    const form = internalForm('NodeSelectorTerm', term);
    yield invalid(`${field}[${index}]`, form, 'only additions are allowed (no mutations or deletions)');
  }
}

function hasOnlyAdditions(term: NodeSelectorTerm, old: NodeSelectorTerm): boolean {
  const lists = ['matchExpressions', 'matchFields'] as const;
  const added = lists.some((name) => (term[name] ?? []).length > 0);
  if (added && lists.every((name) => (old[name] ?? []).length === 0)) return false;
  return lists.every((name) => {
    const before = old[name] ?? [];
    return equalListsInternally('NodeSelectorRequirement', (term[name] ?? []).slice(0, before.length), before);
  });
}

/** For pods that are still gated, what directs them to nodes was checked on its own. */
function withOldNodeDirectives(spec: PodSpec, old: PodSpec): PodSpec {
  const { nodeSelector: _, affinity, ...rest } = spec;
  const merged = withOldNodeAffinity(affinity, old.affinity);
  return {
    ...rest,
    ...(old.nodeSelector !== undefined && { nodeSelector: old.nodeSelector }),
    ...(merged !== undefined && { affinity: merged }),
  };
}

function withOldNodeAffinity(affinity: Affinity | undefined, old: Affinity | undefined): Affinity | undefined {
  const before = old?.nodeAffinity;
  if (equalInternally('NodeAffinity', affinity?.nodeAffinity, before)) return affinity;
  const { nodeAffinity: _, ...others } = affinity ?? {};
  if (before !== undefined) return { ...others, nodeAffinity: before };
  return old === undefined && Object.keys(others).length === 0 ? undefined : others;
}

/** The ephemeralcontainers endpoint: containers may be added, those that stand stay as they are. */
export function validateEphemeralContainersUpdate(pod: Pod, old: Pod): readonly FieldError[] {
  if (old.metadata.annotations?.[mirrorAnnotation] !== undefined) {
    return [forbidden('[]', 'static pods do not support ephemeral containers')];
  }
  return [...ephemeralErrors(pod, old)];
}

function* ephemeralErrors(pod: Pod, old: Pod): Errors {
  const rules = rulesForUpdate(old);
  yield* validateMetaUpdateOfKind(pod.metadata, old.metadata);
  yield* metadataAndSpecErrors(pod, rules);
  yield* annotationUpdateErrors(pod, old, rules);
  const containers = new Map((specOf(pod).ephemeralContainers ?? []).map((container) => [container.name, container]));
  for (const before of specOf(old).ephemeralContainers ?? []) {
    const after = containers.get(before.name);
    const start = `existing ephemeral containers ${goQuote(before.name)} may not be`;
    if (after === undefined) yield forbidden('spec.ephemeralContainers', `${start} removed\n`);
    else if (!equalInternally('EphemeralContainer', before, after)) {
      const diff = diffOfForms(internalForm('EphemeralContainer', before), internalForm('EphemeralContainer', after));
      yield forbidden('spec.ephemeralContainers', `${start} changed\n${diff}`);
    }
  }
}
