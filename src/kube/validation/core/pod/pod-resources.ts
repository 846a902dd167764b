import { forbidden, invalid, notSupported } from '../../../field-error.ts';
import { isSidecar } from '../../../pod-containers.ts';
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  quantityOf,
} from '../../../quantity.ts';
import type { Container, PodSpec } from '../../../types.gen.ts';
import { type Errors, entriesOf } from '../../common.ts';
import { type ResourceList, validateResourceName, validateResourceRequirements } from '../../resources.ts';
import type { PodRules } from './rules.ts';

/** Resources of the pod as a whole: what its containers request fits into them. */
export function* validatePodResources(
  spec: PodSpec,
  claimNames: ReadonlySet<string>,
  field: string,
  rules: PodRules,
): Errors {
  const { resources } = spec;
  if (resources === undefined) return;
  if (resources.claims !== undefined) {
    yield forbidden(`${field}.claims`, 'claims cannot be set for Resources at pod-level');
  }
  yield* validateResourceRequirements(resources, field, {
    validateName: validatePodResourceName,
    podClaimNames: claimNames,
    allowIndivisibleHugePages: rules.allowIndivisibleHugePages,
  });
  yield* containersFit(spec, resources, field);
}

function* validatePodResourceName(name: string, field: string): Errors {
  const errors = [...validateResourceName(name, field)];
  yield* errors;
  if (errors.length === 0 && name !== 'cpu' && name !== 'memory' && !name.startsWith('hugepages-')) {
    yield notSupported(field, name, ['cpu', 'memory']);
  }
}

const zero = quantityOf(0);

function* containersFit(
  spec: PodSpec,
  ofPod: { requests?: ResourceList; limits?: ResourceList },
  field: string,
): Errors {
  for (const [name, total] of aggregateRequests(spec)) {
    const podRequest = ofPod.requests?.[name] === undefined ? zero : parseQuantity(ofPod.requests[name]);
    if (compareQuantities(total, podRequest) <= 0) continue;
    const detail = `must be greater than or equal to aggregate container requests of ${formatQuantity(total)}`;
    yield invalid(`${field}.requests[${name}]`, formatQuantity(podRequest), detail);
  }
  for (const [index, container] of (spec.containers ?? []).entries()) {
    for (const [name, text] of entriesOf(container.resources?.limits)) {
      const podLimit = ofPod.limits?.[name];
      if (podLimit === undefined || compareQuantities(parseQuantity(text), parseQuantity(podLimit)) <= 0) continue;
      const detail = `must be less than or equal to pod limits of ${formatQuantity(parseQuantity(podLimit))}`;
      yield invalid(`${field}.containers[${index}][${name}].limits`, formatQuantity(parseQuantity(text)), detail);
    }
  }
}

/** The most that the containers ask for at one time: the regular ones and sidecars together, or an init container. */
function aggregateRequests(spec: PodSpec): readonly (readonly [string, Quantity])[] {
  const running = new Map<string, Quantity>();
  const peak = new Map<string, Quantity>();
  const sidecars = new Map<string, Quantity>();
  for (const container of spec.containers ?? []) addAll(running, container);
  for (const container of spec.initContainers ?? []) {
    if (isSidecar(container)) {
      addAll(running, container);
      addAll(sidecars, container);
      for (const [name, amount] of sidecars) raise(peak, name, amount);
      continue;
    }
    const during = new Map(sidecars);
    addAll(during, container);
    for (const [name, amount] of during) raise(peak, name, amount);
  }
  for (const [name, amount] of peak) raise(running, name, amount);
  return [...running].sort(([a], [b]) => (a < b ? -1 : 1));
}

function addAll(totals: Map<string, Quantity>, container: Container): void {
  for (const [name, text] of entriesOf(container.resources?.requests)) {
    totals.set(name, addQuantities(totals.get(name) ?? zero, parseQuantity(text)));
  }
}

function raise(totals: Map<string, Quantity>, name: string, amount: Quantity): void {
  const total = totals.get(name);
  if (total === undefined || compareQuantities(amount, total) > 0) totals.set(name, amount);
}
