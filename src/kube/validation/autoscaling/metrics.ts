import { forbidden, invalid, notSupported, required } from '../../field-error.ts';
import { parseQuantity, quantitySign } from '../../quantity.ts';
import type {
  ContainerResourceMetricSource,
  ExternalMetricSource,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
  ObjectMetricSource,
  PodsMetricSource,
  ResourceMetricSource,
} from '../../types.gen.ts';
import { dnsLabel, type Errors, requiredString } from '../common.ts';
import { pathSegment } from '../path-segment.ts';
import { validateContainerResourceName } from '../resources.ts';
import { type ReferenceRules, validateReference } from './reference.ts';

const metricTypes = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];
const sourceOfType: Readonly<Record<string, string>> = {
  Object: 'object',
  External: 'external',
  Pods: 'pods',
  Resource: 'resource',
  ContainerResource: 'containerResource',
};

/** The metrics by which an autoscaler scales. Scaling to zero needs one that exists without pods. */
export function* validateMetrics(
  metrics: readonly MetricSpec[],
  field: string,
  minReplicas: number | undefined,
  rules: ReferenceRules,
): Errors {
  for (const [index, metric] of metrics.entries()) yield* validateMetric(metric, `${field}[${index}]`, rules);
  const existsWithoutPods = metrics.some(({ type }) => type === 'Object' || type === 'External');
  if (minReplicas === 0 && !existsWithoutPods) {
    const detail = 'must specify at least one Object or External metric to support scaling to zero replicas';
    yield forbidden(field, detail);
  }
}

function* validateMetric(metric: MetricSpec, field: string, rules: ReferenceRules): Errors {
  const { type = '' } = metric;
  if (type === '') yield required(`${field}.type`, 'must specify a metric source type');
  if (!metricTypes.includes(type)) yield notSupported(`${field}.type`, type, metricTypes);
  const present = Object.entries(sourcesOf(metric, field, rules)).filter(([, errors]) => errors !== undefined);
  yield* present[0]?.[1] ?? [];
  const expected = sourceOfType[type];
  const names = present.map(([name]) => name);
  // Upstream says so twice.
  if (expected === undefined) yield notSupported(`${field}.type`, type, metricTypes);
  if (expected !== undefined && !names.includes(expected)) {
    yield required(`${field}.${expected}`, 'must populate information for the given metric source');
  }
  if (names.length === 1) return;
  for (const name of names) {
    if (name !== expected) yield forbidden(`${field}.${name}`, 'must populate the given metric source only');
  }
}

function sourcesOf(metric: MetricSpec, field: string, rules: ReferenceRules): Record<string, Errors | undefined> {
  const { object, external, pods, resource, containerResource } = metric;
  return {
    object: object && validateObjectSource(object, `${field}.object`, rules),
    external: external && validateExternalSource(external, `${field}.external`),
    pods: pods && validatePodsSource(pods, `${field}.pods`),
    resource: resource && validateResourceSource(resource, `${field}.resource`),
    containerResource: containerResource && validateContainerSource(containerResource, `${field}.containerResource`),
  };
}

function* validateObjectSource(source: ObjectMetricSource, field: string, rules: ReferenceRules): Errors {
  const { target } = source;
  yield* validateReference(source.describedObject, `${field}.describedObject`, rules);
  yield* validateIdentifier(source.metric, `${field}.metric`);
  yield* validateTarget(target, `${field}.target`);
  if (target?.value === undefined && target?.averageValue === undefined) {
    yield required(`${field}.target.averageValue`, 'must set either a target value or averageValue');
  }
}

function* validateExternalSource({ metric, target }: ExternalMetricSource, field: string): Errors {
  yield* validateIdentifier(metric, `${field}.metric`);
  yield* validateTarget(target, `${field}.target`);
  const hasValue = target?.value !== undefined;
  const hasAverage = target?.averageValue !== undefined;
  if (!hasValue && !hasAverage) {
    const detail = 'must set either a target value for metric or a per-pod target';
    yield required(`${field}.target.averageValue`, detail);
  }
  if (hasValue && hasAverage) {
    const detail = 'may not set both a target value for metric and a per-pod target';
    yield forbidden(`${field}.target.value`, detail);
  }
}

function* validatePodsSource({ metric, target }: PodsMetricSource, field: string): Errors {
  yield* validateIdentifier(metric, `${field}.metric`);
  yield* validateTarget(target, `${field}.target`);
  if (target?.averageValue === undefined || !isPositive(target.averageValue)) {
    yield required(`${field}.target.averageValue`, 'must specify a positive target averageValue');
  }
}

function* validateResourceSource({ name, target }: ResourceMetricSource, field: string): Errors {
  yield* requiredString(name, `${field}.name`, 'must specify a resource name');
  yield* validateTarget(target, `${field}.target`);
  yield* rawOrUtilization(target, `${field}.target`);
}

function* validateContainerSource(source: ContainerResourceMetricSource, field: string): Errors {
  const { name = '', container = '', target } = source;
  if (name === '') yield required(`${field}.name`, 'must specify a resource name');
  else yield* validateContainerResourceName(name, `${field}.name`);
  if (container === '') yield required(`${field}.container`, 'must specify a container');
  else yield* dnsLabel(container, `${field}.container`);
  yield* validateTarget(target, `${field}.target`);
  yield* rawOrUtilization(target, `${field}.target`);
}

function* rawOrUtilization(target: MetricTarget | undefined, field: string): Errors {
  const hasUtilization = target?.averageUtilization !== undefined;
  const hasValue = target?.averageValue !== undefined;
  if (!hasUtilization && !hasValue) {
    const detail = 'must set either a target raw value or a target utilization';
    yield required(`${field}.averageUtilization`, detail);
  }
  if (hasUtilization && hasValue) {
    const detail = 'may not set both a target raw value and a target utilization';
    yield forbidden(`${field}.averageValue`, detail);
  }
}

function* validateIdentifier(metric: MetricIdentifier | undefined, field: string): Errors {
  const { name = '' } = metric ?? {};
  if (name === '') yield required(`${field}.name`, 'must specify a metric name');
  else yield* pathSegment(name, `${field}.name`);
}

function* validateTarget(target: Partial<MetricTarget> | undefined, field: string): Errors {
  const { type = '', value, averageValue, averageUtilization } = target ?? {};
  if (type === '') yield required(`${field}.type`, 'must specify a metric target type');
  if (type !== 'Utilization' && type !== 'Value' && type !== 'AverageValue') {
    yield invalid(`${field}.type`, type, 'must be either Utilization, Value, or AverageValue');
  }
  if (value !== undefined && !isPositive(value)) yield invalid(`${field}.value`, value, 'must be positive');
  if (averageValue !== undefined && !isPositive(averageValue)) {
    yield invalid(`${field}.averageValue`, averageValue, 'must be positive');
  }
  if (averageUtilization !== undefined && averageUtilization < 1) {
    yield invalid(`${field}.averageUtilization`, averageUtilization, 'must be greater than 0');
  }
}

function isPositive(quantity: string): boolean {
  return quantitySign(parseQuantity(quantity)) > 0;
}
