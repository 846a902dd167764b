import { type FieldError, invalid, notSupported, required } from '../../field-error.ts';
import { parseQuantity } from '../../quantity.ts';
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerSpec,
  HPAScalingPolicy,
  HPAScalingRules,
} from '../../types.gen.ts';
import { type Errors, nonNegative, supportedValue } from '../common.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';
import { nonNegativeQuantity } from '../resources.ts';
import { validateMetrics } from './metrics.ts';
import { apiVersionProblem, type ReferenceRules, validateReference } from './reference.ts';

const periodSecondsMax = 1800;
const stabilizationWindowSecondsMax = 3600;

interface AutoscalerRules {
  readonly minReplicasLowest: 0 | 1;
  readonly target: ReferenceRules;
  readonly describedObject: ReferenceRules;
}

/** What an autoscaler that stands got wrong by today's rules stays allowed to it. */
function rulesFor({ spec }: HorizontalPodAutoscaler, old?: HorizontalPodAutoscaler): AutoscalerRules {
  const allowEmptyGroup = spec?.scaleTargetRef?.kind === 'ReplicationController';
  const oldTarget = old?.spec?.scaleTargetRef;
  const oldObjects = (old?.spec?.metrics ?? []).flatMap(({ object }) => (object === undefined ? [] : [object]));
  return {
    minReplicasLowest: old?.spec?.minReplicas === 0 ? 0 : 1,
    target: {
      allowEmptyGroup,
      allowInvalidVersion:
        oldTarget !== undefined && apiVersionProblem(oldTarget.apiVersion ?? '', allowEmptyGroup) !== undefined,
    },
    describedObject: {
      allowEmptyGroup: true,
      allowInvalidVersion: oldObjects.some(
        ({ describedObject }) => apiVersionProblem(describedObject?.apiVersion ?? '', true) !== undefined,
      ),
    },
  };
}

export function validateAutoscaler(autoscaler: HorizontalPodAutoscaler): readonly FieldError[] {
  return [...specErrors(autoscaler.spec ?? {}, rulesFor(autoscaler))];
}

export function validateAutoscalerUpdate(
  autoscaler: HorizontalPodAutoscaler,
  old: HorizontalPodAutoscaler,
): readonly FieldError[] {
  return [
    ...validateMetaUpdateOfKind(autoscaler.metadata, old.metadata),
    ...specErrors(autoscaler.spec ?? {}, rulesFor(autoscaler, old)),
  ];
}

export function validateAutoscalerStatusUpdate(
  { metadata, status }: HorizontalPodAutoscaler,
  old: HorizontalPodAutoscaler,
): readonly FieldError[] {
  return [
    ...validateMetaUpdateOfKind(metadata, old.metadata),
    ...nonNegative(status?.currentReplicas, 'status.currentReplicas'),
    ...nonNegative(status?.desiredReplicas, 'status.desiredReplicas'),
  ];
}

function* specErrors(spec: Partial<HorizontalPodAutoscalerSpec>, rules: AutoscalerRules): Errors {
  const { minReplicas, maxReplicas = 0, scaleTargetRef, metrics = [], behavior } = spec;
  const { minReplicasLowest } = rules;
  if (minReplicas !== undefined && minReplicas < minReplicasLowest) {
    yield invalid('spec.minReplicas', minReplicas, `must be greater than or equal to ${minReplicasLowest}`);
  }
  if (maxReplicas === 0) yield required('spec.maxReplicas', 'must be set and greater than 0');
  else if (maxReplicas < 1) yield invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to 1');
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    yield invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`');
  }
  yield* validateReference(scaleTargetRef, 'spec.scaleTargetRef', rules.target);
  yield* validateMetrics(metrics, 'spec.metrics', minReplicas, rules.describedObject);
  yield* scalingRulesErrors(behavior?.scaleUp, 'spec.behavior.scaleUp');
  yield* scalingRulesErrors(behavior?.scaleDown, 'spec.behavior.scaleDown');
}

function* scalingRulesErrors(rules: HPAScalingRules | undefined, field: string): Errors {
  if (rules === undefined) return;
  const { stabilizationWindowSeconds: window, selectPolicy, policies = [], tolerance } = rules;
  if (window !== undefined && window < 0) {
    yield invalid(`${field}.stabilizationWindowSeconds`, window, 'must be greater than or equal to zero');
  }
  if (window !== undefined && window > stabilizationWindowSecondsMax) {
    const detail = `must be less than or equal to ${stabilizationWindowSecondsMax}`;
    yield invalid(`${field}.stabilizationWindowSeconds`, window, detail);
  }
  yield* supportedValue(selectPolicy, ['Disabled', 'Max', 'Min'], `${field}.selectPolicy`);
  if (policies.length === 0) yield required(`${field}.policies`, 'must specify at least one Policy');
  for (const [index, policy] of policies.entries()) yield* policyErrors(policy, `${field}.policies[${index}]`);
  if (tolerance !== undefined) yield* nonNegativeQuantity(parseQuantity(tolerance), `${field}.tolerance`);
}

function* policyErrors({ type = '', value = 0, periodSeconds = 0 }: HPAScalingPolicy, field: string): Errors {
  if (type !== 'Percent' && type !== 'Pods') yield notSupported(`${field}.type`, type, ['Percent', 'Pods']);
  if (value <= 0) yield invalid(`${field}.value`, value, 'must be greater than zero');
  if (periodSeconds <= 0) yield invalid(`${field}.periodSeconds`, periodSeconds, 'must be greater than zero');
  if (periodSeconds > periodSecondsMax) {
    yield invalid(`${field}.periodSeconds`, periodSeconds, `must be less than or equal to ${periodSecondsMax}`);
  }
}
