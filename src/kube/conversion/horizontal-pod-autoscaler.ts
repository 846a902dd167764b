import { isObject } from '../../core/json.ts';
import { setAutoscalerDefaults } from '../defaults/autoscaling.ts';
import { type Draft, draft } from '../draft.ts';
import type { KubeObject } from '../object.ts';
import { apiVersionOf } from '../resource.ts';
import { autoscalingV1Horizontalpodautoscalers, horizontalpodautoscalers } from '../resources.gen.ts';
import type {
  AutoscalingV1HorizontalPodAutoscaler,
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerCondition,
  MetricSpec,
  MetricStatus,
} from '../types.gen.ts';
import { behaviorFromV1, behaviorToV1 } from './autoscaler-behavior.ts';
import {
  type MetricV1,
  metricSpecFromV1,
  metricSpecToV1,
  metricStatusFromV1,
  metricStatusToV1,
} from './autoscaler-metrics.ts';

// What version 1 has no field for travels in these annotations, as JSON.
const metricsAnnotation = 'autoscaling.alpha.kubernetes.io/metrics';
const currentMetricsAnnotation = 'autoscaling.alpha.kubernetes.io/current-metrics';
const behaviorAnnotation = 'autoscaling.alpha.kubernetes.io/behavior';
const conditionsAnnotation = 'autoscaling.alpha.kubernetes.io/conditions';
/** All of them: answers that show metadata alone leave them out. */
export const autoscalerAnnotations: readonly string[] = [
  metricsAnnotation,
  currentMetricsAnnotation,
  behaviorAnnotation,
  conditionsAnnotation,
];

type V1 = AutoscalingV1HorizontalPodAutoscaler;

/** autoscaling/v1, as a client sent it, in version 2, in which autoscalers are stored. */
export function autoscalerFromV1(object: KubeObject): KubeObject {
  const v2 = undefaultedFromV1(object);
  setAutoscalerDefaults(v2);
  return v2;
}

/** The same without the defaults of version 2, which an object gets when it is read: so it is validated. */
export function undefaultedFromV1(object: KubeObject): Draft<HorizontalPodAutoscaler> {
  const v1 = draft(object) as Draft<V1>;
  const cpu = v1.spec?.targetCPUUtilizationPercentage;
  const metrics = listFrom<MetricV1>(v1, metricsAnnotation).map(metricSpecFromV1);
  if (cpu !== undefined) metrics.push(cpuMetric(cpu));
  const behavior = behaviorFromV1(fromAnnotation(v1, behaviorAnnotation));
  const currentMetrics = listFrom<MetricV1>(v1, currentMetricsAnnotation).map(metricStatusFromV1);
  const currentCpu = v1.status?.currentCPUUtilizationPercentage;
  if (currentCpu !== undefined) currentMetrics.push(cpuStatus(currentCpu));
  const conditions = listFrom<Draft<HorizontalPodAutoscalerCondition>>(v1, conditionsAnnotation);

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
    status: { ...status, ...(conditions.length > 0 && { conditions }) },
  };
  Object.assign(v2.status ?? {}, { currentMetrics: currentMetrics.length > 0 ? currentMetrics : null });
  if (v2.status?.currentReplicas === 0) delete v2.status.currentReplicas;
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
  annotate(v1, metricsAnnotation, others.map(metricSpecToV1));
  annotate(v1, currentMetricsAnnotation, current.filter((metric) => !isCpuStatus(metric)).map(metricStatusToV1));
  annotate(v1, behaviorAnnotation, behavior === undefined ? undefined : behaviorToV1(behavior));
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
function fromAnnotation(v1: Draft<V1>, name: string): unknown {
  const text = v1.metadata.annotations?.[name];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function listFrom<T extends object>(v1: Draft<V1>, name: string): T[] {
  const value = fromAnnotation(v1, name);
  return Array.isArray(value) ? (value.filter(isObject) as T[]) : [];
}

function dropAnnotations({ metadata }: Draft<V1>): void {
  if (metadata.annotations === undefined) return;
  for (const name of autoscalerAnnotations) delete metadata.annotations[name];
  if (Object.keys(metadata.annotations).length === 0) delete metadata.annotations;
}

function annotate({ metadata }: Draft<V1>, name: string, value: object | undefined): void {
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return;
  metadata.annotations ??= {};
  metadata.annotations[name] = JSON.stringify(value);
}
