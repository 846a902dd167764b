import type { Draft } from '../draft.ts';
import type { CrossVersionObjectReference, LabelSelector, MetricSpec, MetricStatus } from '../types.gen.ts';

/**
 * A metric as autoscaling/v1 writes it in annotations (k8s.io/api/autoscaling/v1, MetricSpec and MetricStatus): names and
 * targets stand side by side there, which version 2 nests. `target...` members are of a spec, `current...` of a status.
 */
export interface MetricV1 {
  type: string;
  object?: ObjectMetricV1;
  pods?: PodsMetricV1;
  resource?: ResourceMetricV1;
  containerResource?: ResourceMetricV1;
  external?: ExternalMetricV1;
}

interface ObjectMetricV1 {
  target: Draft<CrossVersionObjectReference>;
  metricName: string;
  targetValue?: string;
  currentValue?: string;
  selector?: Draft<LabelSelector>;
  averageValue?: string;
}

interface PodsMetricV1 {
  metricName: string;
  targetAverageValue?: string;
  currentAverageValue?: string;
  selector?: Draft<LabelSelector>;
}

interface ResourceMetricV1 {
  name: string;
  targetAverageUtilization?: number;
  targetAverageValue?: string;
  currentAverageUtilization?: number;
  currentAverageValue?: string;
  container?: string;
}

interface ExternalMetricV1 {
  metricName: string;
  metricSelector?: Draft<LabelSelector>;
  targetValue?: string;
  currentValue?: string;
  targetAverageValue?: string;
  currentAverageValue?: string;
}

interface Amounts {
  readonly value?: string;
  readonly averageValue?: string;
  readonly averageUtilization?: number;
}

/** Members in the order of the Go types, for annotations are compared as text. */
export function metricSpecToV1(spec: Draft<MetricSpec>): MetricV1 {
  const { type, object, pods, resource, containerResource, external } = spec;
  return present<MetricV1>({
    type,
    object: object && {
      ...present<ObjectMetricV1>({
        target: reference(object.describedObject),
        metricName: object.metric.name,
        targetValue: object.target.value ?? '0',
        selector: object.metric.selector,
        averageValue: object.target.averageValue,
      }),
    },
    pods:
      pods &&
      present<PodsMetricV1>({
        metricName: pods.metric.name,
        targetAverageValue: pods.target.averageValue ?? '0',
        selector: pods.metric.selector,
      }),
    resource: resource && resourceTarget(resource.name, resource.target),
    containerResource:
      containerResource &&
      resourceTarget(containerResource.name, containerResource.target, containerResource.container),
    external:
      external &&
      present<ExternalMetricV1>({
        metricName: external.metric.name,
        metricSelector: external.metric.selector,
        targetValue: external.target.value,
        targetAverageValue: external.target.averageValue,
      }),
  });
}

export function metricSpecFromV1(v1: MetricV1): Draft<MetricSpec> {
  const { type, object, pods, resource, containerResource, external } = v1;
  return present<Draft<MetricSpec>>({
    type,
    object: object && {
      describedObject: object.target,
      metric: present({ name: object.metricName, selector: object.selector }),
      target: present({
        type: object.averageValue === undefined ? 'Value' : 'AverageValue',
        value: object.targetValue ?? '0',
        averageValue: object.averageValue,
      }),
    },
    pods: pods && {
      metric: present({ name: pods.metricName, selector: pods.selector }),
      target: { type: 'AverageValue', averageValue: pods.targetAverageValue ?? '0' },
    },
    resource: resource && { name: resource.name, target: targetOf(resource) },
    containerResource: containerResource && {
      name: containerResource.name,
      container: containerResource.container ?? '',
      target: targetOf(containerResource),
    },
    external: external && {
      metric: present({ name: external.metricName, selector: external.metricSelector }),
      target: present({
        type: external.targetValue === undefined ? 'AverageValue' : 'Value',
        value: external.targetValue,
        averageValue: external.targetAverageValue,
      }),
    },
  });
}

export function metricStatusToV1(status: Draft<MetricStatus>): MetricV1 {
  const { type, object, pods, resource, containerResource, external } = status;
  return present<MetricV1>({
    type,
    object:
      object &&
      present<ObjectMetricV1>({
        target: reference(object.describedObject),
        metricName: object.metric.name,
        currentValue: object.current.value ?? '0',
        selector: object.metric.selector,
        averageValue: object.current.averageValue,
      }),
    pods:
      pods &&
      present<PodsMetricV1>({
        metricName: pods.metric.name,
        currentAverageValue: pods.current.averageValue ?? '0',
        selector: pods.metric.selector,
      }),
    resource: resource && resourceCurrent(resource.name, resource.current),
    containerResource:
      containerResource &&
      resourceCurrent(containerResource.name, containerResource.current, containerResource.container),
    external:
      external &&
      present<ExternalMetricV1>({
        metricName: external.metric.name,
        metricSelector: external.metric.selector,
        currentValue: external.current.value ?? '0',
        currentAverageValue: external.current.averageValue,
      }),
  });
}

export function metricStatusFromV1(v1: MetricV1): Draft<MetricStatus> {
  const { type, object, pods, resource, containerResource, external } = v1;
  return present<Draft<MetricStatus>>({
    type,
    object: object && {
      describedObject: object.target,
      metric: present({ name: object.metricName, selector: object.selector }),
      current: present({ value: object.currentValue ?? '0', averageValue: object.averageValue }),
    },
    pods: pods && {
      metric: present({ name: pods.metricName, selector: pods.selector }),
      current: { averageValue: pods.currentAverageValue ?? '0' },
    },
    resource: resource && { name: resource.name, current: currentOf(resource) },
    containerResource: containerResource && {
      name: containerResource.name,
      container: containerResource.container ?? '',
      current: currentOf(containerResource),
    },
    external: external && {
      metric: present({ name: external.metricName, selector: external.metricSelector }),
      current: present({ value: external.currentValue ?? '0', averageValue: external.currentAverageValue }),
    },
  });
}

function reference({ kind, name, apiVersion }: Draft<CrossVersionObjectReference>): Draft<CrossVersionObjectReference> {
  return present<Draft<CrossVersionObjectReference>>({ kind, name, apiVersion });
}

function resourceTarget(name: string, target: Amounts, container?: string): ResourceMetricV1 {
  return present<ResourceMetricV1>({
    name,
    targetAverageUtilization: target.averageUtilization,
    targetAverageValue: target.averageValue,
    container,
  });
}

function resourceCurrent(name: string, current: Amounts, container?: string): ResourceMetricV1 {
  return present<ResourceMetricV1>({
    name,
    currentAverageUtilization: current.averageUtilization,
    currentAverageValue: current.averageValue ?? '0',
    container,
  });
}

function targetOf({ targetAverageUtilization, targetAverageValue }: ResourceMetricV1) {
  return present<{ type: string; averageValue?: string; averageUtilization?: number }>({
    type: targetAverageUtilization === undefined ? 'AverageValue' : 'Utilization',
    averageValue: targetAverageValue,
    averageUtilization: targetAverageUtilization,
  });
}

function currentOf({ currentAverageUtilization, currentAverageValue }: ResourceMetricV1) {
  return present<{ averageValue?: string; averageUtilization?: number }>({
    averageValue: currentAverageValue,
    averageUtilization: currentAverageUtilization,
  });
}

type Undefinable<T> = { [K in keyof T]: T[K] | undefined };

// Members that are undefined are left out, so that the others keep their order.
function present<T extends object>(members: Undefinable<T>): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
}
