import { duplicate, forbidden, invalid, notFound, notSupported, required, tooLong } from '../../../field-error.ts';
import { isPortName } from '../../../names.ts';
import { isSidecar } from '../../../pod-containers.ts';
import type {
  Container,
  ContainerPort,
  ContainerResizePolicy,
  ContainerRestartRule,
  EphemeralContainer,
  PodSpec,
} from '../../../types.gen.ts';
import { dnsLabel, type Errors, each, portNumber, requiredValue, supportedValue } from '../../common.ts';
import { validateContainerResourceName, validateResourceRequirements } from '../../resources.ts';
import { validateEnv, validateEnvFrom } from './env.ts';
import { validateDevices, validateMounts } from './mounts.ts';
import { validateLifecycle, validateLivenessProbe, validateReadinessProbe, validateStartupProbe } from './probes.ts';
import type { PodRules } from './rules.ts';
import { validateSecurityContext } from './security-context.ts';
import type { VolumesByName } from './volumes.ts';

/** What the containers of a pod are checked against. */
export interface PodSurroundings {
  readonly spec: PodSpec;
  readonly volumes: VolumesByName;
  readonly claimNames: ReadonlySet<string>;
  readonly rules: PodRules;
}

type AnyContainer = Container | EphemeralContainer;

const portProtocols: readonly string[] = ['SCTP', 'TCP', 'UDP'];

/** The regular containers, of which there is one at least. */
export function* validateContainers(pod: PodSurroundings, field: string): Errors {
  const containers = pod.spec.containers ?? [];
  if (containers.length === 0) {
    yield required(field);
    return;
  }
  const names = new Set<string>();
  for (const [index, container] of containers.entries()) {
    const path = `${field}[${index}]`;
    const { name = '' } = container;
    yield* validateAnyContainer(container, pod, path);
    if (names.has(name)) yield duplicate(`${path}.name`, name);
    names.add(name);
    yield* validateRunningContainer(container, pod, path);
    yield* validateRestartPolicy(container, path);
  }
  yield* hostPortsUsedOnce(containers, field);
}

export function* validateInitContainers(pod: PodSurroundings, field: string): Errors {
  const names = new Set((pod.spec.containers ?? []).map(({ name }) => name ?? ''));
  for (const [index, container] of (pod.spec.initContainers ?? []).entries()) {
    const path = `${field}[${index}]`;
    const { name = '' } = container;
    yield* validateAnyContainer(container, pod, path);
    yield* validateRestartPolicy(container, path);
    if (names.has(name)) yield duplicate(`${path}.name`, name);
    else if (name !== '') names.add(name);
    yield* hostPortsUsedOnce([container], field);
    if (isSidecar(container)) yield* validateRunningContainer(container, pod, path);
    else yield* onlyForSidecars(container, path);
  }
}

function* onlyForSidecars(container: Container, field: string): Errors {
  const { lifecycle, livenessProbe, readinessProbe, startupProbe } = container;
  for (const [name, value] of Object.entries({ lifecycle, livenessProbe, readinessProbe, startupProbe })) {
    if (value === undefined) continue;
    yield forbidden(`${field}.${name}`, 'may not be set for init containers without restartPolicy=Always');
  }
}

/** Hooks and probes: of containers that run while the pod does. */
function* validateRunningContainer(container: Container, { spec }: PodSurroundings, field: string): Errors {
  yield* validateLifecycle(
    container.lifecycle,
    spec.terminationGracePeriodSeconds,
    spec.os?.name,
    `${field}.lifecycle`,
  );
  yield* validateLivenessProbe(container.livenessProbe, `${field}.livenessProbe`);
  yield* validateReadinessProbe(container.readinessProbe, `${field}.readinessProbe`);
  yield* validateStartupProbe(container.startupProbe, `${field}.startupProbe`);
}

const ephemeralFields: ReadonlySet<string> = new Set([
  ...['name', 'image', 'command', 'args', 'workingDir', 'envFrom', 'env', 'volumeMounts', 'volumeDevices'],
  ...['terminationMessagePath', 'terminationMessagePolicy', 'imagePullPolicy', 'securityContext'],
  ...['stdin', 'stdinOnce', 'tty', 'targetContainerName'],
]);

// In the order of Container's declaration, in which upstream finds what is set.
const otherFields: readonly string[] = [
  ...['ports', 'resources', 'resizePolicy', 'restartPolicy', 'restartPolicyRules'],
  ...['livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle'],
];

export function* validateEphemeralContainers(pod: PodSurroundings, field: string): Errors {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec;
  const targets = new Set([...containers, ...initContainers].map(({ name }) => name ?? ''));
  const names = new Set(targets);
  for (const [index, container] of ephemeralContainers.entries()) {
    const path = `${field}[${index}]`;
    const { name = '', targetContainerName: target = '' } = container;
    yield* validateAnyContainer(container, pod, path);
    yield* validateImageOfPod(container, path);
    if (names.has(name)) yield duplicate(`${path}.name`, name);
    else names.add(name);
    if (target !== '' && !targets.has(target)) yield notFound(`${path}.targetContainerName`, target);
    yield* onlyEphemeralFields(container, path);
  }
}

function* onlyEphemeralFields(container: EphemeralContainer, field: string): Errors {
  const detail = 'cannot be set for an Ephemeral Container';
  for (const name of otherFields) {
    if (!ephemeralFields.has(name) && isSet(Reflect.get(container, name), name))
      yield forbidden(`${field}.${name}`, detail);
  }
  for (const [index, { subPath = '', subPathExpr = '' }] of (container.volumeMounts ?? []).entries()) {
    if (subPath !== '') yield forbidden(`${field}.volumeMounts[${index}].subPath`, detail);
    if (subPathExpr !== '') yield forbidden(`${field}.volumeMounts[${index}].subPathExpr`, detail);
  }
}

// Resources are a struct, which counts as set only when it has something; the others are pointers and lists.
function isSet(value: unknown, name: string): boolean {
  if (value === undefined || value === null) return false;
  return name !== 'resources' || Object.keys(value).length > 0;
}

/** What all containers have in common. */
function* validateAnyContainer(container: AnyContainer, pod: PodSurroundings, field: string): Errors {
  const { name = '', image = '' } = container;
  if (name === '') yield required(`${field}.name`);
  else yield* dnsLabel(name, `${field}.name`);
  if (image === '') yield required(`${field}.image`);
  yield* requiredValue(
    container.terminationMessagePolicy,
    ['File', 'FallbackToLogsOnError'],
    `${field}.terminationMessagePolicy`,
  );
  yield* validatePorts(container.ports ?? [], `${field}.ports`);
  yield* validateEnv(container.env ?? [], `${field}.env`);
  yield* validateEnvFrom(container.envFrom ?? [], `${field}.envFrom`);
  yield* validateMounts(container, pod.volumes, `${field}.volumeMounts`);
  yield* validateDevices(container, pod.volumes, `${field}.volumeDevices`);
  yield* requiredValue(container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never'], `${field}.imagePullPolicy`);
  yield* validateResourceRequirements(container.resources, `${field}.resources`, {
    validateName: validateContainerResourceName,
    podClaimNames: pod.claimNames,
    allowIndivisibleHugePages: pod.rules.allowIndivisibleHugePages,
  });
  yield* validateResizePolicy(container.resizePolicy ?? [], pod.spec.restartPolicy ?? '', `${field}.resizePolicy`);
  yield* validateSecurityContext(container.securityContext, `${field}.securityContext`, pod.spec.hostUsers ?? true);
}

function* validatePorts(ports: readonly ContainerPort[], field: string): Errors {
  const names = new Set<string>();
  for (const [index, { name = '', containerPort = 0, hostPort = 0, protocol }] of ports.entries()) {
    const path = `${field}[${index}]`;
    if (name !== '') {
      const problems = isPortName(name);
      yield* each(problems, `${path}.name`, name);
      if (problems.length === 0 && names.has(name)) yield duplicate(`${path}.name`, name);
      else if (problems.length === 0) names.add(name);
    }
    if (containerPort === 0) yield required(`${path}.containerPort`);
    else yield* portNumber(containerPort, `${path}.containerPort`);
    if (hostPort !== 0) yield* portNumber(hostPort, `${path}.hostPort`);
    yield* requiredValue(protocol, portProtocols, `${path}.protocol`);
  }
}

function* hostPortsUsedOnce(containers: readonly Container[], field: string): Errors {
  const used = new Set<string>();
  for (const [index, { ports = [] }] of containers.entries()) {
    for (const [position, { hostPort = 0, hostIP = '', protocol = '' }] of ports.entries()) {
      if (hostPort === 0) continue;
      const port = `${protocol}/${hostIP}/${hostPort}`;
      if (used.has(port)) yield duplicate(`${field}[${index}].ports[${position}].hostPort`, port);
      else used.add(port);
    }
  }
}

const resizableResources: readonly string[] = ['cpu', 'memory'];
const resizePolicies: readonly string[] = ['NotRequired', 'RestartContainer'];

function* validateResizePolicy(
  policies: readonly ContainerResizePolicy[],
  podRestartPolicy: string,
  field: string,
): Errors {
  const resources = new Set<string>();
  for (const [index, { resourceName = '', restartPolicy = '' }] of policies.entries()) {
    if (resources.has(resourceName)) yield duplicate(`${field}[${index}]`, resourceName);
    resources.add(resourceName);
    yield* requiredValue(resourceName, resizableResources, field);
    yield* requiredValue(restartPolicy, resizePolicies, field);
    if (podRestartPolicy === 'Never' && restartPolicy !== 'NotRequired') {
      yield invalid(field, restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'");
    }
  }
}

const restartRulesMax = 20;
const exitCodesMax = 255;

/** A container's own restart policy and the rules that refine it by exit codes. */
function* validateRestartPolicy({ restartPolicy, restartPolicyRules: rules = [] }: Container, field: string): Errors {
  if (restartPolicy === undefined && rules.length > 0) {
    yield required(`${field}.restartPolicy`, 'must specify restartPolicy when restart rules are used');
  }
  yield* supportedValue(restartPolicy, ['Always', 'Never', 'OnFailure'], `${field}.restartPolicy`);
  if (rules.length > restartRulesMax) yield tooLong(`${field}.restartPolicyRules`, restartRulesMax);
  for (const [index, rule] of rules.entries())
    yield* validateRestartRule(rule, `${field}.restartPolicyRules[${index}]`);
}

function* validateRestartRule({ action = '', exitCodes }: ContainerRestartRule, field: string): Errors {
  const actions = ['Restart', 'RestartAllContainers'];
  if (!actions.includes(action)) yield notSupported(`${field}.action`, action, actions);
  if (exitCodes === undefined) {
    yield required(`${field}.exitCodes`, 'must be specified');
    return;
  }
  const { operator = '', values = [] } = exitCodes;
  if (operator !== 'In' && operator !== 'NotIn') {
    yield notSupported(`${field}.exitCodes.operator`, operator, ['In', 'NotIn']);
  }
  if (values.length > exitCodesMax) yield tooLong(`${field}.exitCodes.values`, exitCodesMax);
}

/** Pods, unlike templates, take no image name with space around it. */
export function* validateImageOfPod({ image = '' }: AnyContainer, field: string): Errors {
  if (image !== image.trim()) yield invalid(`${field}.image`, image, 'must not have leading or trailing whitespace');
}
