import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import type { Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment } from '../../types.gen.ts';
import { type Errors, immutable, nonNegative } from '../common.ts';
import { type PodRules, templateRules } from '../core/pod/rules.ts';
import { internalForm } from '../internal-form.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';
import { partsOfReplicas } from '../replica-counts.ts';
import { collisionCountErrors } from './collision-count.ts';
import { notMoreThanAll, numberOf, validateIntOrPercent } from './int-or-percent.ts';
import { selectorForm, validateSelectorAndTemplate } from './replica-template.ts';

export function validateDeployment({ spec }: Deployment): readonly FieldError[] {
  return [...specErrors(spec, templateRules())];
}

function* specErrors(spec: DeploymentSpec | undefined, rules: PodRules): Errors {
  const { selector, template = {}, strategy = {}, minReadySeconds = 0, progressDeadlineSeconds } = spec ?? {};
  yield* nonNegative(spec?.replicas, 'spec.replicas');
  yield* validateSelectorAndTemplate(selector, template, rules);
  yield* strategyErrors(strategy, 'spec.strategy');
  yield* nonNegative(minReadySeconds, 'spec.minReadySeconds');
  yield* nonNegative(spec?.revisionHistoryLimit, 'spec.revisionHistoryLimit');
  if (progressDeadlineSeconds === undefined) return;
  yield* nonNegative(progressDeadlineSeconds, 'spec.progressDeadlineSeconds');
  if (progressDeadlineSeconds <= minReadySeconds) {
    yield invalid('spec.progressDeadlineSeconds', progressDeadlineSeconds, 'must be greater than minReadySeconds');
  }
}

function* strategyErrors(strategy: DeploymentStrategy, field: string): Errors {
  const { type = '', rollingUpdate } = strategy;
  if (type === 'Recreate') {
    if (rollingUpdate !== undefined) {
      yield forbidden(`${field}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'");
    }
  } else if (type === 'RollingUpdate') {
    if (rollingUpdate === undefined) {
      yield required(`${field}.rollingUpdate`, 'this should be defaulted and never be nil');
    } else yield* rollingUpdateErrors(rollingUpdate, `${field}.rollingUpdate`);
  } else yield notSupported(field, internalForm('DeploymentStrategy', strategy), ['Recreate', 'RollingUpdate']);
}

function* rollingUpdateErrors({ maxUnavailable = 0, maxSurge = 0 }: RollingUpdateDeployment, field: string): Errors {
  yield* validateIntOrPercent(maxUnavailable, `${field}.maxUnavailable`);
  yield* validateIntOrPercent(maxSurge, `${field}.maxSurge`);
  if (numberOf(maxUnavailable) === 0 && numberOf(maxSurge) === 0) {
    yield invalid(`${field}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0');
  }
  yield* notMoreThanAll(maxUnavailable, `${field}.maxUnavailable`);
}

export function validateDeploymentUpdate(deployment: Deployment, old: Deployment): readonly FieldError[] {
  const { spec, metadata } = deployment;
  const selector = selectorForm(spec?.selector);
  return [
    ...validateMetaUpdateOfKind(metadata, old.metadata),
    ...specErrors(spec, templateRules(old.spec?.template)),
    ...immutable(selector, selectorForm(old.spec?.selector), 'spec.selector'),
  ];
}

export function validateDeploymentStatusUpdate(deployment: Deployment, old: Deployment): readonly FieldError[] {
  return [...validateMetaUpdateOfKind(deployment.metadata, old.metadata), ...statusErrors(deployment, old)];
}

function* statusErrors({ status = {} }: Deployment, old: Deployment): Errors {
  const { replicas = 0, updatedReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = status;
  yield* nonNegative(status.observedGeneration, 'status.observedGeneration');
  yield* nonNegative(replicas, 'status.replicas');
  yield* nonNegative(updatedReplicas, 'status.updatedReplicas');
  yield* nonNegative(readyReplicas, 'status.readyReplicas');
  yield* nonNegative(availableReplicas, 'status.availableReplicas');
  yield* nonNegative(status.unavailableReplicas, 'status.unavailableReplicas');
  yield* nonNegative(status.terminatingReplicas, 'status.terminatingReplicas');
  yield* nonNegative(status.collisionCount, 'status.collisionCount');
  yield* partsOfReplicas({ updatedReplicas, readyReplicas, availableReplicas }, replicas);
  if (availableReplicas > readyReplicas) {
    yield invalid('status.availableReplicas', availableReplicas, 'cannot be greater than readyReplicas');
  }
  yield* collisionCountErrors(status.collisionCount, old.status?.collisionCount);
}
