import { duplicate, type FieldError, forbidden, invalid, notFound, required } from '../field-error.ts';
import { byBytes } from '../go-json.ts';
import { isQualifiedName } from '../names.ts';
import {
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  quantityMilliValue,
  quantitySign,
  quantityValue,
} from '../quantity.ts';
import type { ResourceClaim, ResourceRequirements } from '../types.gen.ts';
import { dnsLabel, type Errors, entriesOf, mustBePositive, mustNotBeNegative, qualifiedName } from './common.ts';

/** Names of resources and amounts of them, in containers, pods, quotas, limit ranges and nodes. */
export type ResourceList = Readonly<Record<string, string>>;

const standardResources: ReadonlySet<string> = new Set([
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'storage',
  'requests.storage',
  'services.nodeports',
  'services.loadbalancers',
]);

const quotaResources: ReadonlySet<string> = new Set([
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.storage',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'persistentvolumeclaims',
  'configmaps',
  'services.nodeports',
  'services.loadbalancers',
]);

const integerResources: ReadonlySet<string> = new Set([
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]);

const hugePages = 'hugepages-';

function isHugePages(name: string): boolean {
  return name.startsWith(hugePages);
}

/** Without a domain, or with Kubernetes' own. */
export function isNativeResource(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/');
}

export function isStandardQuotaResource(name: string): boolean {
  return quotaResources.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-');
}

function isStandardResource(name: string): boolean {
  return standardResources.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-');
}

function isStandardContainerResource(name: string): boolean {
  return ['cpu', 'memory', 'ephemeral-storage'].includes(name) || isHugePages(name);
}

/** Resources of devices: with a domain that isn't Kubernetes' own, and usable in a quota. */
export function isExtendedResource(name: string): boolean {
  if (isNativeResource(name) || name.startsWith('requests.')) return false;
  return isQualifiedName(`requests.${name}`).length === 0;
}

/** More may be limited than is requested; devices and huge pages have no such middle. */
export function isOvercommitAllowed(name: string): boolean {
  return isNativeResource(name) && !isHugePages(name);
}

function isIntegerResource(name: string): boolean {
  return integerResources.has(name) || isExtendedResource(name);
}

export function* validateResourceName(name: string, field: string): Errors {
  const errors = [...qualifiedName(name, field)];
  yield* errors;
  if (errors.length === 0 && !name.includes('/') && !isStandardResource(name)) {
    yield invalid(field, name, 'must be a standard resource type or fully qualified');
  }
}

export function* validateContainerResourceName(name: string, field: string): Errors {
  yield* validateResourceName(name, field);
  if (!name.includes('/')) {
    if (!isStandardContainerResource(name)) yield invalid(field, name, 'must be a standard resource for containers');
  } else if (!isNativeResource(name) && !isExtendedResource(name)) {
    yield invalid(field, name, "doesn't follow extended resource name standard");
  }
}

export function* validateQuotaResourceName(name: string, field: string): Errors {
  yield* validateResourceName(name, field);
  if (!name.includes('/') && !isStandardQuotaResource(name)) {
    yield invalid(field, name, 'must be a standard resource for quota');
  }
}

export function* nonNegativeQuantity(amount: Quantity, field: string): Errors {
  if (quantitySign(amount) < 0) yield invalid(field, formatQuantity(amount), mustNotBeNegative);
}

export function* positiveQuantity(amount: Quantity, field: string): Errors {
  if (quantitySign(amount) <= 0) yield invalid(field, formatQuantity(amount), mustBePositive);
}

/** An amount that fits its resource: never negative, and whole where half of one makes no sense. */
export function* validateResourceQuantity(name: string, amount: Quantity, field: string): Errors {
  yield* nonNegativeQuantity(amount, field);
  if (isIntegerResource(name) && quantityMilliValue(amount) % 1000 !== 0) {
    yield invalid(field, formatQuantity(amount), 'must be an integer');
  }
}

/** A volume's amount: upstream only refuses what is negative when rounded up. */
export function* validateBasicResource(amount: Quantity, field: string): Errors {
  const value = quantityValue(amount);
  if (value < 0) yield invalid(field, value, 'must be a valid resource quantity');
}

export interface ResourceRules {
  readonly validateName: (name: string, field: string) => Errors;
  readonly podClaimNames: ReadonlySet<string>;
  readonly allowIndivisibleHugePages: boolean;
}

/** requests, limits and claims of a container, a pod or an overhead. */
export function* validateResourceRequirements(
  requirements: ResourceRequirements | undefined,
  field: string,
  rules: ResourceRules,
): Errors {
  const { limits = {}, requests = {}, claims = [] } = requirements ?? {};
  for (const [name, text] of entriesOf(limits)) {
    const path = `${field}.limits[${name}]`;
    yield* rules.validateName(name, path);
    yield* validateResourceQuantity(name, parseQuantity(text), path);
    yield* hugePageMultiple(name, parseQuantity(text), path, rules);
  }
  for (const [name, text] of entriesOf(requests)) {
    const path = `${field}.requests[${name}]`;
    yield* rules.validateName(name, path);
    yield* validateResourceQuantity(name, parseQuantity(text), path);
    yield* requestWithinLimit(name, parseQuantity(text), limits[name], field);
    yield* hugePageMultiple(name, parseQuantity(text), path, rules);
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  if (names.some(isHugePages) && !names.some((name) => name === 'cpu' || name === 'memory')) {
    yield forbidden(field, 'HugePages require cpu or memory');
  }
  yield* validateClaimNames(claims, rules.podClaimNames, `${field}.claims`);
}

function* requestWithinLimit(name: string, request: Quantity, limitText: string | undefined, field: string): Errors {
  const overcommit = isOvercommitAllowed(name);
  if (limitText === undefined) {
    if (!overcommit) yield required(`${field}.limits`, 'Limit must be set for non overcommitable resources');
    return;
  }
  const limit = parseQuantity(limitText);
  const order = compareQuantities(request, limit);
  const path = `${field}.requests`;
  const relation = order !== 0 && !overcommit ? 'must be equal to' : order > 0 ? 'must be less than or equal to' : '';
  if (relation !== '')
    yield invalid(path, formatQuantity(request), `${relation} ${name} limit of ${formatQuantity(limit)}`);
}

function* hugePageMultiple(name: string, amount: Quantity, field: string, rules: ResourceRules): Errors {
  if (!isHugePages(name) || rules.allowIndivisibleHugePages || isDivisibleHugePages(name, amount)) return;
  const text = formatQuantity(amount);
  yield invalid(field, text, `${text} is not positive integer multiple of ${name}`);
}

/** True when the amount is a positive multiple of the page size in the resource's name. */
export function isDivisibleHugePages(name: string, amount: Quantity): boolean {
  const size = pageBytes(name);
  if (size === undefined) return false;
  const bytes = quantityValue(amount);
  return bytes > 0 && bytes % size === 0;
}

function pageBytes(name: string): number | undefined {
  const size = name.slice(hugePages.length);
  if (!/^\d+(Ki|Mi|Gi|Ti|k|M|G|T)?$/.test(size)) return undefined;
  const bytes = quantityValue(parseQuantity(size));
  return bytes > 0 ? bytes : undefined;
}

/** Any amount of huge pages that isn't a whole number of pages, which older objects may carry. */
export function hasIndivisibleHugePages(list: ResourceList | undefined): boolean {
  return entriesOf(list).some(([name, text]) => isHugePages(name) && !isDivisibleHugePages(name, parseQuantity(text)));
}

function* validateClaimNames(claims: readonly ResourceClaim[], podClaims: ReadonlySet<string>, field: string): Errors {
  const names = new Set<string>();
  for (const [index, claim] of claims.entries()) {
    const path = `${field}[${index}]`;
    if ((claim.name ?? '') === '') {
      yield required(path);
      continue;
    }
    yield* claimUsedOnce(claim, names, path);
    if (!podClaims.has(claim.name)) yield unknownClaim(claim.name, podClaims, path);
  }
}

function* claimUsedOnce({ name, request = '' }: ResourceClaim, names: Set<string>, path: string): Errors {
  if (names.has(name)) {
    yield duplicate(path, name);
    return;
  }
  if (request !== '') yield* dnsLabel(request, `${path}.request`);
  const key = request === '' ? name : `${name}/${request}`;
  if (names.has(key)) yield duplicate(path, key);
  else if (request === '') {
    for (const used of names) if (used.startsWith(`${name}/`)) yield duplicate(path, name);
  }
  names.add(key);
}

function unknownClaim(name: string, podClaims: ReadonlySet<string>, path: string): FieldError {
  const known = [...podClaims].sort(byBytes);
  const list = known.length === 0 ? ' which is empty' : `: ${known.join(', ')}`;
  return notFound(path, name, `must be one of the names in pod.spec.resourceClaims${list}`);
}
