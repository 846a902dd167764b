import { duplicate, type FieldError, forbidden, invalid, notSupported } from '../../../field-error.ts';
import { isDualStack, parseIp } from '../../../ip.ts';
import { isSidecar } from '../../../pod-containers.ts';
import type {
  Container,
  ContainerStatus,
  LinuxContainerUser,
  Pod,
  PodCondition,
  PodExtendedResourceClaimStatus,
  PodResourceClaimStatus,
  PodSpec,
  PodStatus,
  ResourceStatus,
} from '../../../types.gen.ts';
import { validateIp } from '../../addresses.ts';
import { dnsSubdomain, type Errors, immutable, qualifiedName, unixId } from '../../common.ts';
import { internalForm, internalForms } from '../../internal-form.ts';
import { validateMetaUpdateOfKind } from '../../meta.ts';
import { specOf } from './pod.ts';
import { annotationUpdateErrors, rulesForUpdate } from './update.ts';

/** An update of a pod's status. */
export function validatePodStatusUpdate(pod: Pod, old: Pod): readonly FieldError[] {
  return [...statusErrors(pod, old)];
}

function* statusErrors(pod: Pod, old: Pod): Errors {
  const status = pod.status ?? {};
  const oldStatus = old.status ?? {};
  const spec = specOf(old);
  yield* validateMetaUpdateOfKind(pod.metadata, old.metadata);
  yield* annotationUpdateErrors(pod, old, rulesForUpdate(old));
  yield* validateConditions(status.conditions ?? [], 'status.conditions');
  const { nominatedNodeName = '', observedGeneration = 0 } = status;
  if ((specOf(pod).nodeName ?? '') !== (spec.nodeName ?? '')) {
    yield forbidden('status.nodeName', 'may not be changed directly');
  }
  if (nominatedNodeName !== '' && nominatedNodeName !== oldStatus.nominatedNodeName) {
    yield* dnsSubdomain(nominatedNodeName, 'status.nominatedNodeName');
  }
  if (observedGeneration < 0) {
    yield invalid('status.observedGeneration', observedGeneration, 'must be a non-negative integer');
  }
  yield* immutable(status.qosClass ?? '', oldStatus.qosClass ?? '', 'status.qosClass');
  yield* validateTransitions(status, oldStatus, spec);
  yield* validateClaimStatuses(status.resourceClaimStatuses ?? [], specOf(pod), 'status.resourceClaimStatuses');
  yield* validateExtendedClaim(status.extendedResourceClaimStatus, specOf(pod), 'status.extendedResourceClaimStatus');
  yield* validatePodIps(status);
  yield* validateHostIps(status);
  yield* validateContainerStatuses(status, specOf(pod));
}

const systemConditions: ReadonlySet<string> = new Set(['PodScheduled', 'Ready', 'Initialized']);

function* validateConditions(conditions: readonly PodCondition[], field: string): Errors {
  for (const [index, { type = '', observedGeneration = 0 }] of conditions.entries()) {
    if (observedGeneration < 0) {
      yield invalid(`${field}[${index}].observedGeneration`, observedGeneration, 'must be a non-negative integer');
    }
    if (!systemConditions.has(type)) yield* qualifiedName(type, `${field}[${index}].Type`);
  }
}

/** A container that ended for good stays ended. */
function* validateTransitions(status: PodStatus, old: PodStatus, spec: PodSpec): Errors {
  const policyOf = (name: string, containers: readonly Container[] = []) =>
    containers.find((container) => container.name === name)?.restartPolicy ?? spec.restartPolicy ?? '';
  yield* endedForGood(status.containerStatuses, old.containerStatuses, 'status.containerStatuses', (name) =>
    policyOf(name, spec.containers),
  );
  const sidecars = new Set((spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  yield* endedForGood(
    status.initContainerStatuses,
    old.initContainerStatuses,
    'status.initContainerStatuses',
    (name) => (sidecars.has(name) ? 'Always' : policyOf(name, spec.initContainers)),
  );
  yield* endedForGood(
    status.ephemeralContainerStatuses,
    old.ephemeralContainerStatuses,
    'status.ephemeralContainerStatuses',
    () => 'Never',
  );
}

function* endedForGood(
  statuses: readonly ContainerStatus[] = [],
  old: readonly ContainerStatus[] = [],
  field: string,
  policyOf: (name: string) => string,
): Errors {
  for (const [index, before] of old.entries()) {
    const ended = before.state?.terminated;
    const policy = policyOf(before.name);
    if (ended === undefined || policy === 'Always' || (ended.exitCode !== 0 && policy === 'OnFailure')) continue;
    for (const after of statuses) {
      if (after.name === before.name && after.state?.terminated === undefined) {
        yield forbidden(`${field}[${index}].state`, 'may not be transitioned to non-terminated state');
      }
    }
  }
}

function* validateClaimStatuses(statuses: readonly PodResourceClaimStatus[], spec: PodSpec, field: string): Errors {
  const names = new Set<string>();
  for (const [index, { name = '', resourceClaimName }] of statuses.entries()) {
    const path = `${field}[${index}].name`;
    if (!(spec.resourceClaims ?? []).some((claim) => claim.name === name)) {
      yield invalid(path, name, 'must match the name of an entry in `spec.resourceClaims`');
    }
    if (names.has(name)) yield duplicate(path, name);
    names.add(name);
    if (resourceClaimName !== undefined) yield* dnsSubdomain(resourceClaimName, path);
  }
}

function* validateExtendedClaim(
  status: PodExtendedResourceClaimStatus | undefined,
  spec: PodSpec,
  field: string,
): Errors {
  if (status === undefined) return;
  yield* dnsSubdomain(status.resourceClaimName ?? '', `${field}.resourceClaimName`);
  const containers = new Set([...(spec.initContainers ?? []), ...(spec.containers ?? [])].map(({ name }) => name));
  for (const [index, { containerName = '' }] of (status.requestMappings ?? []).entries()) {
    if (!containers.has(containerName)) {
      const detail = 'must match the name of an entry in `spec.initContainers` or `spec.containers`';
      yield invalid(`${field}.requestMappings[${index}].containerName`, containerName, detail);
    }
  }
}

const oneOfEachFamily = 'may specify no more than one IP for each IP family';

function* validatePodIps({ podIPs = [] }: PodStatus): Errors {
  const field = 'status.podIPs';
  const addresses = podIPs.map(({ ip = '' }) => ip);
  for (const [index, address] of addresses.entries()) yield* validateIp(address, `${field}[${index}]`);
  if (addresses.length < 2) return;
  if (!isDualStack(addresses.map(parseIp)) || addresses.length > 2) {
    yield invalid(field, internalForms('PodIP', podIPs), oneOfEachFamily);
  }
  yield* addressesOnce(addresses, field);
}

function* validateHostIps({ hostIP = '', hostIPs = [] }: PodStatus): Errors {
  const field = 'status.hostIPs';
  const addresses = hostIPs.map(({ ip = '' }) => ip);
  const [first] = addresses;
  if (first === undefined) return;
  if (first !== hostIP) yield invalid(`${field}[0].ip`, first, 'must be equal to `hostIP`');
  for (const [index, address] of addresses.entries()) yield* validateIp(address, `${field}[${index}]`);
  if (addresses.length < 2) return;
  yield* addressesOnce(addresses, field);
  if (!isDualStack(addresses.map(parseIp)) || addresses.length > 2) {
    yield invalid(field, internalForms('HostIP', hostIPs), oneOfEachFamily);
  }
}

function* addressesOnce(addresses: readonly string[], field: string): Errors {
  for (const [index, address] of addresses.entries()) {
    if (addresses.indexOf(address) < index)
      yield duplicate(`${field}[${index}]`, internalForm('PodIP', { ip: address }));
  }
}

function* validateContainerStatuses(status: PodStatus, spec: PodSpec): Errors {
  const osName = spec.os?.name ?? 'linux';
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = status;
  const lists = { containerStatuses, initContainerStatuses, ephemeralContainerStatuses };
  for (const [name, statuses] of Object.entries(lists)) {
    for (const [index, { user }] of statuses.entries()) {
      yield* validateUser(user?.linux, osName, `status.${name}[${index}].linux`);
    }
  }
  yield* validateAllocated(containerStatuses, spec.containers ?? [], 'status.containerStatuses');
  yield* validateAllocated(initContainerStatuses, spec.initContainers ?? [], 'status.initContainerStatuses');
  for (const [index, { allocatedResourcesStatus = [] }] of ephemeralContainerStatuses.entries()) {
    const path = `status.ephemeralContainerStatuses[${index}].allocatedResourcesStatus`;
    if (allocatedResourcesStatus.length > 0) yield forbidden(path, 'must not be specified in container status');
  }
}

function* validateUser(user: LinuxContainerUser | undefined, osName: string, field: string): Errors {
  if (user === undefined) return;
  if (osName === 'windows') yield forbidden(field, 'cannot be set for a windows pod');
  if (osName !== 'linux') return;
  yield* unixId(user.uid, `${field}.uid`);
  yield* unixId(user.gid, `${field}.gid`);
  for (const [index, group] of (user.supplementalGroups ?? []).entries()) {
    yield* unixId(group, `${field}.supplementalGroups[${index}]`);
  }
}

function* validateAllocated(
  statuses: readonly ContainerStatus[],
  containers: readonly Container[],
  field: string,
): Errors {
  for (const [index, { name, allocatedResourcesStatus = [] }] of statuses.entries()) {
    const container = containers.find((candidate) => candidate.name === name);
    for (const [position, resource] of allocatedResourcesStatus.entries()) {
      yield* validateResourceHealth(resource, container, `${field}[${index}].allocatedResourcesStatus[${position}]`);
    }
  }
}

const healths: readonly string[] = ['Healthy', 'Unhealthy', 'Unknown'];

function* validateResourceHealth(resource: ResourceStatus, container: Container | undefined, field: string): Errors {
  const { name = '', resources = [] } = resource;
  if (container !== undefined && !isAllocatable(name, container)) {
    const detail = name.startsWith('claim:')
      ? "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty"
      : "must match one of the container's resource requests";
    yield invalid(`${field}.name`, name, detail);
  }
  const ids = new Set<string>();
  for (const [index, { resourceID = '', health = '' }] of resources.entries()) {
    if (!healths.includes(health)) yield notSupported(`${field}.resources[${index}].health`, health, healths);
    if (ids.has(resourceID)) yield duplicate(`${field}.resources[${index}].resourceID`, resourceID);
    ids.add(resourceID);
  }
}

function isAllocatable(name: string, { resources }: Container): boolean {
  if (!name.startsWith('claim:')) return resources?.requests?.[name] !== undefined;
  const claims = resources?.claims ?? [];
  return claims.some(
    (claim) => name === `claim:${claim.name}${(claim.request ?? '') === '' ? '' : `/${claim.request}`}`,
  );
}
