import { duplicate, forbidden, invalid, notSupported, required, tooLong } from '../../../field-error.ts';
import type { ObjectMeta, PodResourceClaim, PodSpec } from '../../../types.gen.ts';
import { dnsLabel, dnsSubdomain, type Errors, inRange, qualifiedName, requiredValue } from '../../common.ts';
import { internalForm } from '../../internal-form.ts';
import { validateLabels } from '../../label-selector.ts';
import { validateContainerResourceName, validateResourceRequirements } from '../../resources.ts';
import { validateAffinity } from './affinity.ts';
import {
  type PodSurroundings,
  validateContainers,
  validateEphemeralContainers,
  validateInitContainers,
} from './container.ts';
import { validateDnsConfig, validateDnsPolicy, validateHostAliases } from './dns.ts';
import { validatePodResources } from './pod-resources.ts';
import type { PodRules } from './rules.ts';
import { validateSchedulingGates, validateSpreadConstraints, validateTolerations } from './scheduling.ts';
import { validateHostUsers, validatePodSecurityContext } from './security-context.ts';
import { validateVolumes } from './volumes.ts';
import { validateHostProcess, validateLinuxPod, validateWindowsPod } from './windows.ts';

const int32Max = 2 ** 31 - 1;

/** The spec of a pod or of a template. `meta` is the pod's own metadata; templates have none that counts. */
export function* validatePodSpec(spec: PodSpec, meta: ObjectMeta | undefined, field: string, rules: PodRules): Errors {
  if (spec.terminationGracePeriodSeconds === undefined) yield required(`${field}.terminationGracePeriodSeconds`);
  const volumes = yield* validateVolumes(spec.volumes ?? [], meta, `${field}.volumes`, rules);
  const claims = spec.resourceClaims ?? [];
  const claimNames = new Set(claims.map(({ name }) => name ?? '').filter((name) => name !== ''));
  yield* validateResourceClaims(claims, `${field}.resourceClaims`);
  const pod: PodSurroundings = { spec, volumes, claimNames, rules };
  yield* validateContainers(pod, `${field}.containers`);
  yield* validateInitContainers(pod, `${field}.initContainers`);
  yield* validateEphemeralContainers(pod, `${field}.ephemeralContainers`);
  yield* validateFileKeyVolumes(spec, field);
  yield* validatePodResources(spec, claimNames, `${field}.resources`, rules);
  yield* validateHostPorts(spec, field, rules);
  yield* requiredValue(spec.restartPolicy, ['Always', 'OnFailure', 'Never'], `${field}.restartPolicy`);
  yield* validateDnsPolicy(spec, `${field}.dnsPolicy`);
  yield* validateLabels(spec.nodeSelector, `${field}.nodeSelector`);
  yield* validatePodSecurityContext(spec, `${field}.securityContext`, rules);
  yield* validateAffinity(spec.affinity, `${field}.affinity`, rules);
  yield* validateDnsConfig(spec, `${field}.dnsConfig`);
  for (const [index, { conditionType = '' }] of (spec.readinessGates ?? []).entries()) {
    yield* qualifiedName(conditionType, `${field}.readinessGates[${index}].conditionType`);
  }
  yield* validateSchedulingGates(spec.schedulingGates ?? [], `${field}.schedulingGates`);
  yield* validateSpreadConstraints(spec.topologySpreadConstraints ?? [], `${field}.topologySpreadConstraints`, rules);
  yield* validateHostProcess(spec, field);
  yield* validateHostUsers(spec, field, rules);
  yield* validateNames(spec, field);
  yield* validateTolerations(spec.tolerations ?? [], `${field}.tolerations`);
  yield* validateHostAliases(spec.hostAliases ?? [], `${field}.hostAliases`);
  yield* validateClasses(spec, field);
  if (spec.overhead !== undefined) {
    yield* validateResourceRequirements({ limits: spec.overhead }, `${field}.overhead`, {
      validateName: validateContainerResourceName,
      podClaimNames: new Set(),
      allowIndivisibleHugePages: rules.allowIndivisibleHugePages,
    });
  }
  yield* validateOs(spec, field);
}

function* validateNames(spec: PodSpec, field: string): Errors {
  const { serviceAccountName = '', nodeName = '', hostname = '', subdomain = '', activeDeadlineSeconds } = spec;
  if (serviceAccountName !== '') yield* dnsSubdomain(serviceAccountName, `${field}.serviceAccountName`);
  if (nodeName !== '') yield* dnsSubdomain(nodeName, `${field}.nodeName`);
  if (activeDeadlineSeconds !== undefined) {
    yield* inRange(activeDeadlineSeconds, 1, int32Max, `${field}.activeDeadlineSeconds`);
  }
  if (hostname !== '') yield* dnsLabel(hostname, `${field}.hostname`);
  if (subdomain !== '') yield* dnsLabel(subdomain, `${field}.subdomain`);
  yield* validateHostnameOverride(spec, field);
}

const hostnameBytesMax = 64;

function* validateHostnameOverride(spec: PodSpec, field: string): Errors {
  const { hostnameOverride: name, hostNetwork, setHostnameAsFQDN } = spec;
  if (name === undefined) return;
  const path = `${field}.hostnameOverride`;
  if (setHostnameAsFQDN === true)
    yield forbidden(`${field}.setHostnameAsFQDN`, 'may not be true when hostnameOverride is set');
  if (hostNetwork === true) yield forbidden(path, 'may not be specified when hostNetwork is true');
  if (Buffer.byteLength(name) > hostnameBytesMax) yield tooLong(path, hostnameBytesMax);
  yield* dnsSubdomain(name, path);
}

function* validateClasses(spec: PodSpec, field: string): Errors {
  const { priorityClassName = '', runtimeClassName, preemptionPolicy } = spec;
  if (priorityClassName !== '') yield* dnsSubdomain(priorityClassName, `${field}.priorityClassName`);
  if (runtimeClassName !== undefined) yield* dnsSubdomain(runtimeClassName, `${field}.runtimeClassName`);
  if (preemptionPolicy !== undefined) {
    yield* requiredValue(preemptionPolicy, ['PreemptLowerPriority', 'Never'], `${field}.preemptionPolicy`);
  }
}

function* validateResourceClaims(claims: readonly PodResourceClaim[], field: string): Errors {
  const names = new Set<string>();
  for (const [index, claim] of claims.entries()) {
    const path = `${field}[${index}]`;
    const { name = '', resourceClaimName, resourceClaimTemplateName: template } = claim;
    if (name === '') yield required(`${path}.name`);
    else if (names.has(name)) yield duplicate(`${path}.name`, name);
    else {
      yield* dnsLabel(name, `${path}.name`);
      names.add(name);
    }
    const form = internalForm('PodResourceClaim', claim);
    if (resourceClaimName !== undefined && template !== undefined) {
      const detail = 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified';
      yield invalid(path, form, detail);
    }
    if (resourceClaimName === undefined && template === undefined) {
      yield invalid(path, form, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`');
    }
    if (resourceClaimName !== undefined) yield* dnsSubdomain(resourceClaimName, `${path}.resourceClaimName`);
    if (template !== undefined) yield* dnsSubdomain(template, `${path}.resourceClaimTemplateName`);
  }
}

/** Environment variables come from files in emptyDir volumes only. */
function* validateFileKeyVolumes(spec: PodSpec, field: string): Errors {
  const volumes = new Map((spec.volumes ?? []).map((volume) => [volume.name, volume]));
  const lists = { containers: spec.containers, initContainers: spec.initContainers };
  for (const [list, containers = []] of Object.entries(lists)) {
    for (const [index, { env = [] }] of containers.entries()) {
      for (const [position, { valueFrom }] of env.entries()) {
        const name = valueFrom?.fileKeyRef?.volumeName;
        const volume = name === undefined ? undefined : volumes.get(name);
        const path = `${field}.${list}[${index}].env[${position}].valueFrom.fileKeyRef.volumeName`;
        if (volume !== undefined && volume.emptyDir === undefined) {
          yield invalid(path, name, 'referenced volume must be of type emptyDir');
        }
      }
    }
  }
}

/** In the host's network a port is the host's: pods must say so, templates may leave it to their pods' defaults. */
function* validateHostPorts(spec: PodSpec, field: string, rules: PodRules): Errors {
  if (spec.hostNetwork !== true) return;
  for (const [index, { ports = [] }] of (spec.containers ?? []).entries()) {
    for (const [position, { hostPort = 0, containerPort = 0 }] of ports.entries()) {
      if (hostPort === containerPort || (hostPort === 0 && !rules.isPod)) continue;
      const path = `${field}.containers[${index}].ports[${position}].hostPort`;
      yield invalid(path, hostPort, 'must match `containerPort` when `hostNetwork` is true');
    }
  }
}

function* validateOs(spec: PodSpec, field: string): Errors {
  if (spec.os === undefined) return;
  const { name = '' } = spec.os;
  if (name === '') yield required(`${field}.os.name`, 'cannot be empty');
  else if (name === 'linux') yield* validateLinuxPod(spec, field);
  else if (name === 'windows') yield* validateWindowsPod(spec, field);
  else yield notSupported(`${field}.os`, name, ['linux', 'windows']);
}
