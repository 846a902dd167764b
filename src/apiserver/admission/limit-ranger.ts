import type { Draft } from '../../kube/draft.ts';
import { type Amounts, podLimits, podRequests } from '../../kube/pod-resources.ts';
import { compareQuantities, parseQuantity, quantityMilliValue } from '../../kube/quantity.ts';
import { limitranges, persistentvolumeclaims, pods } from '../../kube/resources.gen.ts';
import type { Container, LimitRange, LimitRangeItem, Pod } from '../../kube/types.gen.ts';
import type { ClusterReader } from '../reader.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { aggregate, isAbout, newState, refuse } from './target.ts';

const annotation = 'kubernetes.io/limit-ranger';
type Quantities = Readonly<Record<string, string>>;

/** Gives containers the requests and limits that the namespace's LimitRanges say, and refuses what lies outside of them. */
export class LimitRanger implements AdmissionPlugin {
  readonly name = 'LimitRanger';
  private readonly reader: ClusterReader;

  constructor(reader: ClusterReader) {
    this.reader = reader;
  }

  handles(request: AdmissionRequest): boolean {
    const { operation } = request;
    if (isAbout(request, pods)) return operation === 'CREATE';
    return isAbout(request, persistentvolumeclaims) && (operation === 'CREATE' || operation === 'UPDATE');
  }

  async admit(request: AdmissionRequest): Promise<void> {
    if (!isAbout(request, pods)) return;
    const pod = newState(request, pods);
    if (pod === null) return;
    for (const range of this.ranges(request)) fillIn(pod, range);
  }

  async validate(request: AdmissionRequest): Promise<void> {
    const object = isAbout(request, pods) ? newState(request, pods) : newState(request, persistentvolumeclaims);
    if (object === null || object.metadata.deletionTimestamp !== undefined) return;
    for (const range of this.ranges(request)) {
      const errors = (range.spec?.limits ?? []).flatMap((item) =>
        isAbout(request, pods)
          ? checkPod(item, object as Pod)
          : checkClaim(item, newState(request, persistentvolumeclaims)?.spec?.resources?.requests),
      );
      if (errors.length > 0) throw refuse(request, aggregate(errors));
    }
  }

  private ranges(request: AdmissionRequest): readonly LimitRange[] {
    const all = [...this.reader.list(limitranges, request.info.namespace)];
    return all.sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
  }
}

function fillIn(pod: Draft<Pod>, range: LimitRange): void {
  const containerItems = (range.spec?.limits ?? []).filter((item) => item.type === 'Container');
  const limits = Object.assign({}, ...containerItems.map((item) => item.default ?? {})) as Quantities;
  const requests = Object.assign({}, ...containerItems.map((item) => item.defaultRequest ?? {})) as Quantities;
  const notes = [
    ...(pod.spec?.containers ?? []).flatMap((container) => fillContainer(container, 'container', requests, limits)),
    ...(pod.spec?.initContainers ?? []).flatMap((container) =>
      fillContainer(container, 'init container', requests, limits),
    ),
  ];
  if (notes.length === 0) return;
  pod.metadata.annotations = {
    ...pod.metadata.annotations,
    [annotation]: `LimitRanger plugin set: ${notes.join('; ')}`,
  };
}

/** Fills in what a container doesn't say, and tells what that was. */
function fillContainer(container: Draft<Container>, kind: string, requests: Quantities, limits: Quantities): string[] {
  const resources = container.resources ?? {};
  const notes: string[] = [];
  const fill = (member: 'requests' | 'limits', word: string, defaults: Quantities) => {
    const own = resources[member] ?? {};
    const missing = Object.keys(defaults)
      .filter((key) => own[key] === undefined)
      .sort();
    if (missing.length === 0) return;
    resources[member] = { ...own, ...Object.fromEntries(missing.map((key) => [key, defaults[key] ?? '0'])) };
    notes.push(`${missing.join(', ')} ${word} for ${kind} ${container.name}`);
  };
  fill('requests', 'request', requests);
  fill('limits', 'limit', limits);
  container.resources = resources;
  return notes;
}

function checkPod(item: LimitRangeItem, pod: Pod): readonly string[] {
  if (item.type === 'Container') {
    const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
    return containers.flatMap(({ resources }) => checkItem(item, resources?.requests ?? {}, resources?.limits ?? {}));
  }
  if (item.type !== 'Pod') return [];
  return checkItem(item, podRequests(pod), podLimits(pod));
}

function checkItem(item: LimitRangeItem, requests: Amounts, limits: Amounts): readonly string[] {
  return [
    ...each(item.min, (name, bound) => minimum(item.type, name, bound, requests[name], limits[name])),
    ...each(item.max, (name, bound) => maximum(item.type, name, bound, requests[name], limits[name])),
    ...each(item.maxLimitRequestRatio, (name, bound) => ratio(item.type, name, bound, requests[name], limits[name])),
  ];
}

function checkClaim(item: LimitRangeItem, requests: Quantities | undefined): readonly string[] {
  if (item.type !== 'PersistentVolumeClaim') return [];
  return [
    ...each(item.min, (name, bound) => minimum(item.type, name, bound, requests?.[name], undefined)),
    ...each(item.max, (name, bound) => {
      const text = `maximum ${name} usage per ${item.type} is ${bound}`;
      const request = requests?.[name];
      if (request === undefined) return `${text}.  No request is specified`;
      return compare(request, bound) > 0 ? `${text}, but request is ${request}` : undefined;
    }),
  ];
}

function each(
  bounds: Quantities | undefined,
  check: (name: string, bound: string) => string | undefined,
): readonly string[] {
  const names = Object.keys(bounds ?? {}).sort();
  return names.flatMap((name) => check(name, bounds?.[name] ?? '0') ?? []);
}

function compare(a: string, b: string): number {
  return compareQuantities(parseQuantity(a), parseQuantity(b));
}

type Check = (
  type: string,
  name: string,
  bound: string,
  request: string | undefined,
  limit: string | undefined,
) => string | undefined;

const minimum: Check = (type, name, bound, request, limit) => {
  const text = `minimum ${name} usage per ${type} is ${bound}`;
  if (request === undefined) return `${text}.  No request is specified`;
  if (compare(request, bound) < 0) return `${text}, but request is ${request}`;
  return limit !== undefined && compare(limit, bound) < 0 ? `${text}, but limit is ${limit}` : undefined;
};

const maximum: Check = (type, name, bound, request, limit) => {
  const text = `maximum ${name} usage per ${type} is ${bound}`;
  if (limit === undefined) return `${text}.  No limit is specified`;
  if (compare(limit, bound) > 0) return `${text}, but limit is ${limit}`;
  return request !== undefined && compare(request, bound) > 0 ? `${text}, but request is ${request}` : undefined;
};

const ratio: Check = (type, name, bound, request, limit) => {
  const text = `${name} max limit to request ratio per ${type} is ${bound}`;
  const milli = (quantity: string | undefined) =>
    quantity === undefined ? 0 : quantityMilliValue(parseQuantity(quantity));
  if (milli(request) === 0) return `${text}, but no request is specified or request is 0`;
  if (milli(limit) === 0) return `${text}, but no limit is specified or limit is 0`;
  const observed = milli(limit) / milli(request);
  return observed > milli(bound) / 1000 ? `${text}, but provided ratio is ${observed.toFixed(6)}` : undefined;
};
