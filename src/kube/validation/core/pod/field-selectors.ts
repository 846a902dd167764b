import { invalid, notSupported, required } from '../../../field-error.ts';
import { formatQuantity, isZeroQuantity, parseQuantity } from '../../../quantity.ts';
import type { ObjectFieldSelector, ResourceFieldSelector } from '../../../types.gen.ts';
import { type Errors, qualifiedName, requiredString } from '../../common.ts';

/** The fields of a pod that the downward API can name at all; which of them fit depends on the place. */
const podFields: ReadonlySet<string> = new Set([
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.restartPolicy',
  'spec.serviceAccountName',
  'spec.schedulerName',
  'status.phase',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]);

/** A field of the pod, as an environment variable or a file shows it: `metadata.labels['key']`. */
export function* validateFieldSelector(
  { apiVersion = '', fieldPath = '' }: ObjectFieldSelector,
  supported: readonly string[],
  field: string,
): Errors {
  if (apiVersion === '') {
    yield required(`${field}.apiVersion`);
    return;
  }
  if (fieldPath === '') {
    yield required(`${field}.fieldPath`);
    return;
  }
  const problem = conversionProblem(apiVersion, fieldPath);
  if (problem !== undefined) {
    yield invalid(`${field}.fieldPath`, fieldPath, `error converting fieldPath: ${problem}`);
    return;
  }
  // spec.host is how the first versions called the node's name.
  const internal = fieldPath === 'spec.host' ? 'spec.nodeName' : fieldPath;
  const subscripted = splitSubscript(internal);
  if (subscripted === undefined) {
    if (!supported.includes(internal)) yield notSupported(`${field}.fieldPath`, internal, supported);
    return;
  }
  const { path, key } = subscripted;
  if (path === 'metadata.annotations') yield* qualifiedName(key.toLowerCase(), field);
  else if (path === 'metadata.labels') yield* qualifiedName(key, field);
  else yield invalid(field, path, 'does not support subscript');
}

function conversionProblem(apiVersion: string, fieldPath: string): string | undefined {
  if (apiVersion !== 'v1') return `unsupported pod version: ${apiVersion}`;
  const subscripted = splitSubscript(fieldPath);
  if (subscripted !== undefined) {
    const known = ['metadata.annotations', 'metadata.labels'].includes(subscripted.path);
    return known ? undefined : `field label does not support subscript: ${fieldPath}`;
  }
  return podFields.has(fieldPath) || fieldPath === 'spec.host' ? undefined : `field label not supported: ${fieldPath}`;
}

function splitSubscript(fieldPath: string): { readonly path: string; readonly key: string } | undefined {
  const match = /^(.+?)\['(.*)'\]$/s.exec(fieldPath);
  return match === null ? undefined : { path: match[1] ?? '', key: match[2] ?? '' };
}

const resourceFields: readonly string[] = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];

const byteDivisors: readonly string[] = [
  '1',
  ...['1k', '1M', '1G', '1T', '1P', '1E'],
  ...['1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'],
];

/** A request or limit of a container; files must say of which one. */
export function* validateResourceSelector(
  { containerName = '', resource = '', divisor }: ResourceFieldSelector,
  field: string,
  inFile: boolean,
): Errors {
  if (inFile && containerName === '') yield required(`${field}.containerName`);
  else if (resource === '') yield* requiredString(resource, `${field}.resource`);
  else if (!resourceFields.includes(resource) && !isHugePagesField(resource)) {
    yield notSupported(`${field}.resource`, resource, resourceFields);
  }
  if (divisor !== undefined) yield* validateDivisor(resource, divisor, field);
}

function isHugePagesField(resource: string): boolean {
  return resource.startsWith('requests.hugepages-') || resource.startsWith('limits.hugepages-');
}

function* validateDivisor(resource: string, text: string, field: string): Errors {
  const amount = parseQuantity(text);
  if (isZeroQuantity(amount)) return;
  const divisor = formatQuantity(amount);
  const path = `${field}.divisor`;
  const bytes = `only divisor's values ${byteDivisors.join(', ')} are supported with the`;
  const name = resource.replace(/^(limits|requests)\./, '');
  if (name === 'cpu' && resource !== name) {
    if (divisor !== '1m' && divisor !== '1') {
      yield invalid(path, resource, "only divisor's values 1m and 1 are supported with the cpu resource");
    }
    return;
  }
  if (resource === name || byteDivisors.includes(divisor)) return;
  if (name === 'memory') yield invalid(path, resource, `${bytes} memory resource`);
  else if (name === 'ephemeral-storage') yield invalid(path, resource, `${bytes} local ephemeral storage resource`);
  else if (name.startsWith('hugepages-')) yield invalid(path, resource, `${bytes} hugepages resource`);
}
