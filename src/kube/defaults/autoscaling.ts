import type { Draft } from '../draft.ts';
import { shownMember } from '../schema/empty-members.ts';
import type {
  AutoscalingV1HorizontalPodAutoscaler,
  HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricSpec,
} from '../types.gen.ts';

/** The share of the requested CPU, in percent, that an autoscaler aims at when it is told nothing. */
const cpuUtilization = 80;

export function setAutoscalerDefaults({ spec }: Draft<HorizontalPodAutoscaler>): void {
  if (spec === undefined) return;
  spec.minReplicas ??= 1;
  if ((spec.metrics ?? []).length === 0) spec.metrics = [cpuMetric()];
  if (spec.behavior === undefined) return;
  spec.behavior.scaleUp = withDefaults(spec.behavior.scaleUp, {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [
      { type: 'Pods', value: 4, periodSeconds: 15 },
      { type: 'Percent', value: 100, periodSeconds: 15 },
    ],
  });
  spec.behavior.scaleDown = withDefaults(spec.behavior.scaleDown, {
    selectPolicy: 'Max',
    policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
  });
}

function cpuMetric(): Draft<MetricSpec> {
  const target = { type: 'Utilization', averageUtilization: cpuUtilization };
  return { type: 'Resource', resource: { name: 'cpu', target } };
}

function withDefaults(
  rules: Draft<HPAScalingRules> | undefined,
  defaults: Draft<HPAScalingRules>,
): Draft<HPAScalingRules> {
  const { policies, ...others } = defaults;
  // An empty list is a choice, which validation refuses.
  return { ...others, ...(shownMember(rules, 'policies') === null && { policies }), ...rules };
}

/** autoscaling/v1: the defaults that version 2, in which it is stored, would give it. */
export function setAutoscalerV1Defaults(autoscaler: Draft<AutoscalingV1HorizontalPodAutoscaler>): void {
  const { spec } = autoscaler;
  if (spec === undefined) return;
  spec.minReplicas ??= 1;
  const others = autoscaler.metadata.annotations?.['autoscaling.alpha.kubernetes.io/metrics'];
  if (others === undefined) spec.targetCPUUtilizationPercentage ??= cpuUtilization;
}
