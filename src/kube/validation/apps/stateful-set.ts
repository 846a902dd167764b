import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import { isEmptySelector } from '../../label-selector.ts';
import type {
  PersistentVolumeClaim,
  PodTemplateSpec,
  RollingUpdateStatefulSetStrategy,
  StatefulSet,
  StatefulSetPersistentVolumeClaimRetentionPolicy,
  StatefulSetSpec,
  StatefulSetUpdateStrategy,
  Volume,
} from '../../types.gen.ts';
import { dnsLabel, type Errors, nonNegative } from '../common.ts';
import { strictClaimRules, validateClaimSpec } from '../core/claim-spec.ts';
import { type PodRules, templateRules } from '../core/pod/rules.ts';
import { validatePodTemplateSpec } from '../core/pod/template.ts';
import { equalInternally, internalForm } from '../internal-form.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';
import { partsOfReplicas } from '../replica-counts.ts';
import { collisionCountErrors } from './collision-count.ts';
import { notMoreThanAll, numberOf, validateIntOrPercent } from './int-or-percent.ts';
import { alwaysRunning, isUnusableSelector, selectorForm, selectorMatchesTemplate } from './replica-template.ts';

export function validateStatefulSet({ spec }: StatefulSet): readonly FieldError[] {
  const { serviceName = '' } = spec ?? {};
  return [
    ...specErrors(spec, templateRules()),
    ...(serviceName === '' ? [] : dnsLabel(serviceName, 'spec.serviceName')),
  ];
}

function* specErrors(spec: StatefulSetSpec | undefined, rules: PodRules): Errors {
  const { podManagementPolicy: policy = '', selector, template = {}, ordinals } = spec ?? {};
  if (policy === '') yield required('spec.podManagementPolicy');
  else if (policy !== 'OrderedReady' && policy !== 'Parallel') {
    yield invalid('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'");
  }
  yield* strategyErrors(spec?.updateStrategy ?? {}, 'spec.updateStrategy');
  yield* retentionErrors(spec?.persistentVolumeClaimRetentionPolicy, 'spec.persistentVolumeClaimRetentionPolicy');
  yield* nonNegative(spec?.replicas, 'spec.replicas');
  yield* nonNegative(spec?.minReadySeconds, 'spec.minReadySeconds');
  yield* nonNegative(ordinals?.start, 'spec.ordinals.start');
  if (selector === undefined) yield required('spec.selector');
  else {
    yield* validateLabelSelector(selector, 'spec.selector');
    if (isEmptySelector(selector)) {
      yield invalid('spec.selector', selectorForm(selector), 'empty selector is invalid for statefulset');
    }
  }
  const claims = spec?.volumeClaimTemplates ?? [];
  for (const [index, claim] of claims.entries()) {
    yield* validateClaimSpec(claim?.spec, `spec.volumeClaimTemplates[${index}].spec`, strictClaimRules);
  }
  if (isUnusableSelector(selector)) yield invalid('spec.selector', selectorForm(selector), '');
  else {
    yield* selectorMatchesTemplate(selector, template, 'spec.template');
    yield* validatePodTemplateSpec(withClaims(template, claims), 'spec.template', rules);
  }
  yield* alwaysRunning(template, 'spec.template', 'StatefulSet');
}

/** The template as its pods will have it: each claim is a volume, in place of one of the same name. */
function withClaims(template: PodTemplateSpec, claims: readonly PersistentVolumeClaim[]): PodTemplateSpec {
  if (claims.length === 0) return template;
  const names = new Set(claims.map((claim) => claim?.metadata?.name ?? ''));
  const own = (template.spec?.volumes ?? []).filter((volume) => !names.has(volume.name));
  const claimed = [...names].map((name): Volume => ({ name, persistentVolumeClaim: { claimName: name } }));
  return { ...template, spec: { containers: [], ...template.spec, volumes: [...own, ...claimed] } };
}

function* strategyErrors(strategy: StatefulSetUpdateStrategy, field: string): Errors {
  const { type = '', rollingUpdate } = strategy;
  if (type === '') yield required(field);
  else if (type === 'OnDelete') {
    if (rollingUpdate === undefined) return;
    const form = internalForm('RollingUpdateStatefulSetStrategy', rollingUpdate);
    yield invalid(`${field}.rollingUpdate`, form, "only allowed for updateStrategy 'RollingUpdate'");
  } else if (type === 'RollingUpdate') {
    if (rollingUpdate !== undefined) yield* rollingUpdateErrors(rollingUpdate, `${field}.rollingUpdate`);
  } else {
    yield invalid(field, internalForm('StatefulSetUpdateStrategy', strategy), "must be 'RollingUpdate' or 'OnDelete'");
  }
}

function* rollingUpdateErrors({ partition, maxUnavailable }: RollingUpdateStatefulSetStrategy, field: string): Errors {
  yield* nonNegative(partition, `${field}.partition`);
  if (maxUnavailable === undefined) return;
  yield* validateIntOrPercent(maxUnavailable, `${field}.maxUnavailable`);
  if (numberOf(maxUnavailable) === 0) yield invalid(`${field}.maxUnavailable`, maxUnavailable, 'cannot be 0');
  yield* notMoreThanAll(maxUnavailable, `${field}.maxUnavailable`);
}

function* retentionErrors(policy: StatefulSetPersistentVolumeClaimRetentionPolicy | undefined, field: string): Errors {
  if (policy === undefined) return;
  for (const name of ['whenDeleted', 'whenScaled'] as const) {
    const value = policy[name] ?? '';
    if (value !== 'Retain' && value !== 'Delete') yield notSupported(`${field}.${name}`, value, ['Retain', 'Delete']);
  }
}

export function validateStatefulSetUpdate(statefulSet: StatefulSet, old: StatefulSet): readonly FieldError[] {
  const { metadata, spec } = statefulSet;
  const errors = [
    ...validateMetaUpdateOfKind(metadata, old.metadata),
    ...specErrors(spec, templateRules(old.spec?.template)),
  ];
  if (equalInternally('StatefulSetFixedSpec', spec ?? {}, old.spec ?? {})) return errors;
  const mutable =
    "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds'";
  return [...errors, forbidden('spec', `updates to statefulset spec for fields other than ${mutable} are forbidden`)];
}

export function validateStatefulSetStatusUpdate(statefulSet: StatefulSet, old: StatefulSet): readonly FieldError[] {
  return [...statusErrors(statefulSet, old), ...validateMetaUpdateOfKind(statefulSet.metadata, old.metadata)];
}

function* statusErrors({ status }: StatefulSet, old: StatefulSet): Errors {
  const {
    replicas = 0,
    readyReplicas = 0,
    currentReplicas = 0,
    updatedReplicas = 0,
    availableReplicas = 0,
  } = status ?? {};
  yield* nonNegative(replicas, 'status.replicas');
  yield* nonNegative(readyReplicas, 'status.readyReplicas');
  yield* nonNegative(currentReplicas, 'status.currentReplicas');
  yield* nonNegative(updatedReplicas, 'status.updatedReplicas');
  yield* nonNegative(availableReplicas, 'status.availableReplicas');
  yield* nonNegative(status?.observedGeneration, 'status.observedGeneration');
  yield* nonNegative(status?.collisionCount, 'status.collisionCount');
  yield* partsOfReplicas({ readyReplicas, currentReplicas, updatedReplicas, availableReplicas }, replicas);
  if (availableReplicas > readyReplicas) {
    yield invalid('status.availableReplicas', availableReplicas, 'cannot be greater than status.readyReplicas');
  }
  yield* collisionCountErrors(status?.collisionCount, old.status?.collisionCount);
}
