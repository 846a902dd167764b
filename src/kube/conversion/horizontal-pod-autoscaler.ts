import { isObject } from '../../core/json.ts';
import { setAutoscalerDefaults } from '../defaults/autoscaling.ts';
import { type Draft, draft } from '../draft.ts';
import type { KubeObject } from '../object.ts';
import { apiVersionOf } from '../resource.ts';
import { autoscalingV1Horizontalpodautoscalers, horizontalpodautoscalers } from '../resources.gen.ts';
import type {
  AutoscalingV1HorizontalPodAutoscaler,
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerBehavior,
  HorizontalPodAutoscalerCondition,
  MetricSpec,
  MetricStatus,
} from '../types.gen.ts';

// What version 1 has no field for travels in these annotations, as JSON.
const metricsAnnotation = 'autoscaling.alpha.kubernetes.io/metrics';
const currentMetricsAnnotation = 'autoscaling.alpha.kubernetes.io/current-metrics';
const behaviorAnnotation = 'autoscaling.alpha.kubernetes.io/behavior';
const conditionsAnnotation = 'autoscaling.alpha.kubernetes.io/conditions';
const annotations = [metricsAnnotation, currentMetricsAnnotation, behaviorAnnotation, conditionsAnnotation];

type V1 = AutoscalingV1HorizontalPodAutoscaler;

/** autoscaling/v1, as a client sent it, in version 2, in which autoscalers are stored. */
export function autoscalerFromV1(object: KubeObject): KubeObject {
  const v1 = draft(object) as Draft<V1>;
  const cpu = v1.spec?.targetCPUUtilizationPercentage;
  const metrics = fromAnnotation<Draft<MetricSpec>[]>(v1, metricsAnnotation) ?? [];
  if (cpu !== undefined) metrics.unshift(cpuMetric(cpu));
  const behavior = fromAnnotation<Draft<HorizontalPodAutoscalerBehavior>>(v1, behaviorAnnotation);
  const currentMetrics = fromAnnotation<Draft<MetricStatus>[]>(v1, currentMetricsAnnotation) ?? [];
  const currentCpu = v1.status?.currentCPUUtilizationPercentage;
  if (currentCpu !== undefined) currentMetrics.unshift(cpuStatus(currentCpu));
  const conditions = fromAnnotation<Draft<HorizontalPodAutoscalerCondition>[]>(v1, conditionsAnnotation);

  const { targetCPUUtilizationPercentage: _, ...spec } = v1.spec ?? { maxReplicas: 0, scaleTargetRef: noTarget() };
  const { currentCPUUtilizationPercentage: __, ...status } = v1.status ?? { currentReplicas: 0, desiredReplicas: 0 };
  dropAnnotations(v1);
  const v2: Draft<HorizontalPodAutoscaler> = {
    apiVersion: apiVersionOf(horizontalpodautoscalers),
    kind: v1.kind,
    metadata: v1.metadata,
    spec: {
      ...spec,
      ...(metrics.length > 0 && { metrics }),
      ...(behavior !== undefined && { behavior }),
    },
    status: { ...status, ...(conditions !== undefined && { conditions }) },
  };
  Object.assign(v2.status ?? {}, { currentMetrics: currentMetrics.length > 0 ? currentMetrics : null });
  if (v2.status?.currentReplicas === 0) delete v2.status.currentReplicas;
  setAutoscalerDefaults(v2);
  return v2;
}

/** A stored autoscaler as autoscaling/v1 has it. */
export function autoscalerToV1(object: KubeObject): KubeObject {
  const v2 = draft(object) as Draft<HorizontalPodAutoscaler>;
  const { metrics = [], behavior, ...spec } = v2.spec ?? { maxReplicas: 0, scaleTargetRef: noTarget() };
  const { currentMetrics, conditions, ...status } = v2.status ?? { desiredReplicas: 0 };
  const cpu = metrics.find(isCpuMetric)?.resource?.target.averageUtilization;
  const others = metrics.filter((metric) => !isCpuMetric(metric));
  const current = currentMetrics ?? [];
  const currentCpu = current.find(isCpuStatus)?.resource?.current.averageUtilization;
  const v1: Draft<V1> = {
    apiVersion: apiVersionOf(autoscalingV1Horizontalpodautoscalers),
    kind: v2.kind,
    metadata: v2.metadata,
    spec: { ...spec, ...(cpu !== undefined && { targetCPUUtilizationPercentage: cpu }) },
    status: {
      ...status,
      currentReplicas: v2.status?.currentReplicas ?? 0,
      ...(currentCpu !== undefined && { currentCPUUtilizationPercentage: currentCpu }),
    },
  };
  annotate(v1, metricsAnnotation, others);
  annotate(
    v1,
    currentMetricsAnnotation,
    current.filter((metric) => !isCpuStatus(metric)),
  );
  annotate(v1, behaviorAnnotation, behavior);
  annotate(v1, conditionsAnnotation, conditions);
  return v1;
}

function noTarget(): { kind: string; name: string } {
  return { kind: '', name: '' };
}

function cpuMetric(averageUtilization: number): Draft<MetricSpec> {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } };
}

function cpuStatus(averageUtilization: number): Draft<MetricStatus> {
  return { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization } } };
}

function isCpuMetric(metric: Draft<MetricSpec>): boolean {
  const { resource } = metric;
  return metric.type === 'Resource' && resource?.name === 'cpu' && resource.target.averageUtilization !== undefined;
}

function isCpuStatus(metric: Draft<MetricStatus>): boolean {
  return metric.type === 'Resource' && metric.resource?.name === 'cpu';
}

// An annotation that is not what a server wrote is ignored, as upstream ignores it.
function fromAnnotation<T extends object>(v1: Draft<V1>, name: string): T | undefined {
  const text = v1.metadata.annotations?.[name];
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) || Array.isArray(value) ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}

function dropAnnotations({ metadata }: Draft<V1>): void {
  if (metadata.annotations === undefined) return;
  for (const name of annotations) delete metadata.annotations[name];
  if (Object.keys(metadata.annotations).length === 0) delete metadata.annotations;
}

function annotate({ metadata }: Draft<V1>, name: string, value: object | undefined): void {
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return;
  metadata.annotations ??= {};
  metadata.annotations[name] = JSON.stringify(value);
}
