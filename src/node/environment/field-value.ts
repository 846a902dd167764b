import { WherryError } from '../../core/errors.ts';
import { goQuote } from '../../kube/go-json.ts';
import { parseQuantity, type Quantity, quantityMilliValue, quantityValue } from '../../kube/quantity.ts';
import type { Container, Pod, ResourceFieldSelector } from '../../kube/types.gen.ts';
import type { PodAddresses } from '../environment-resolver.ts';

/** What a container may use where it sets no limit: the node's allocatable resources, as quantities. */
export type Allocatable = Readonly<Record<string, string>>;

const subscript = /^(metadata\.(?:annotations|labels))\['(.*)'\]$/;

/** The text of a downward API field. Throws for a field that pods don't have, with kubelet's words. */
export function fieldValue(pod: Pod, fieldPath: string, addresses?: PodAddresses): string {
  const keyed = subscript.exec(fieldPath);
  if (keyed !== null) {
    const [, path, key = ''] = keyed;
    const { annotations, labels } = pod.metadata;
    return (path === 'metadata.labels' ? labels : annotations)?.[key] ?? '';
  }
  switch (fieldPath) {
    case 'metadata.annotations':
      return formatMap(pod.metadata.annotations);
    case 'metadata.labels':
      return formatMap(pod.metadata.labels);
    case 'metadata.name':
      return pod.metadata.name ?? '';
    case 'metadata.namespace':
      return pod.metadata.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata.uid ?? '';
    case 'spec.nodeName':
      return pod.spec?.nodeName ?? '';
    case 'spec.serviceAccountName':
      return pod.spec?.serviceAccountName ?? '';
    case 'status.hostIP':
      return addresses?.hostIPs[0] ?? '';
    case 'status.hostIPs':
      return (addresses?.hostIPs ?? []).join(',');
    case 'status.podIP':
      return addresses?.podIPs[0] ?? '';
    case 'status.podIPs':
      return (addresses?.podIPs ?? []).join(',');
    default:
      throw new WherryError('FIELD_PATH', `unsupported fieldPath: ${fieldPath}`);
  }
}

/** One line for each entry, sorted by key: `key="value"`, quoted as Go does. */
function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${goQuote(value)}`)
    .join('\n');
}

/**
 * The number that a resourceFieldRef stands for, in units of its divisor, rounded up. A limit that is not set (or is
 * zero) is what the node can give.
 */
export function resourceFieldValue(
  pod: Pod,
  own: Container | undefined,
  selector: ResourceFieldSelector,
  allocatable: Allocatable,
): string {
  const { containerName = '', resource } = selector;
  const container = containerName === '' ? own : findContainer(pod, containerName);
  if (container === undefined) throw new WherryError('FIELD_PATH', `container ${containerName} not found`);
  const dot = resource.indexOf('.');
  const [list, name] = [resource.slice(0, dot), resource.slice(dot + 1)];
  const isKnown = /^(cpu|memory|ephemeral-storage|hugepages-.+)$/.test(name);
  if (!isKnown || (list !== 'limits' && list !== 'requests'))
    throw new WherryError('FIELD_PATH', `unsupported container resource : ${resource}`);
  const amount = list === 'limits' ? limitOf(container, name, allocatable) : container.resources?.requests?.[name];
  return inUnits(parseQuantity(amount ?? '0'), name, selector.divisor);
}

function findContainer(pod: Pod, name: string): Container | undefined {
  return [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].find((one) => one.name === name);
}

function limitOf(container: Container, name: string, allocatable: Allocatable): string | undefined {
  const limit = container.resources?.limits?.[name];
  if (limit !== undefined && quantityMilliValue(parseQuantity(limit)) !== 0) return limit;
  return allocatable[name];
}

function inUnits(amount: Quantity, name: string, divisor: string | undefined): string {
  const given = parseQuantity(divisor ?? '0');
  const unit = given.digits === 0n ? parseQuantity('1') : given;
  // CPU is counted in thousandths, everything else in whole units.
  if (name === 'cpu') return String(Math.ceil(quantityMilliValue(amount) / quantityMilliValue(unit)));
  return String(Math.ceil(quantityValue(amount) / quantityValue(unit)));
}
