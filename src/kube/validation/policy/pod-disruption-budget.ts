import { type FieldError, invalid } from '../../field-error.ts';
import type { PodDisruptionBudget } from '../../types.gen.ts';
import { notMoreThanAll, validateIntOrPercent } from '../apps/int-or-percent.ts';
import { type Errors, nonNegative, supportedValue } from '../common.ts';
import { validateConditions } from '../conditions.ts';
import { internalForm } from '../internal-form.ts';
import { hasInvalidSelector, validateLabelSelector } from '../label-selector.ts';

export function validatePodDisruptionBudget(budget: PodDisruptionBudget): readonly FieldError[] {
  return [...specErrors(budget, false)];
}

export function validatePodDisruptionBudgetUpdate(
  budget: PodDisruptionBudget,
  old: PodDisruptionBudget,
): readonly FieldError[] {
  return [...specErrors(budget, hasInvalidSelector(old.spec?.selector))];
}

export function validatePodDisruptionBudgetStatusUpdate(budget: PodDisruptionBudget): readonly FieldError[] {
  return [...statusErrors(budget)];
}

function* specErrors({ spec = {} }: PodDisruptionBudget, allowInvalidValues: boolean): Errors {
  const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy: policy } = spec;
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    const form = internalForm('PodDisruptionBudgetSpec', spec);
    yield invalid('spec', form, 'minAvailable and maxUnavailable cannot be both set');
  }
  yield* amountErrors(minAvailable, 'spec.minAvailable');
  yield* amountErrors(maxUnavailable, 'spec.maxUnavailable');
  yield* validateLabelSelector(selector, 'spec.selector', allowInvalidValues);
  yield* supportedValue(policy, ['AlwaysAllow', 'IfHealthyBudget'], 'spec.unhealthyPodEvictionPolicy');
}

function* amountErrors(amount: number | string | undefined, field: string): Errors {
  if (amount === undefined) return;
  yield* validateIntOrPercent(amount, field);
  yield* notMoreThanAll(amount, field);
}

const counts = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const;

function* statusErrors({ status = {} }: PodDisruptionBudget): Errors {
  yield* validateConditions(status.conditions ?? [], 'status.conditions');
  for (const name of counts) yield* nonNegative(status[name], `status.${name}`);
}
