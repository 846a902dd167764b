import { duplicate, forbidden, invalid, notSupported, required, tooLong } from '../../../field-error.ts';
import type { AppArmorProfile, PodSpec, SeccompProfile, SecurityContext, Sysctl } from '../../../types.gen.ts';
import { type Errors, localDescendingPath, supportedValue, unixId } from '../../common.ts';
import { internalForm } from '../../internal-form.ts';
import { hostNamespaceOfSysctl, type PodRules } from './rules.ts';
import { placedContainers } from './visit.ts';
import { validateWindowsOptions } from './windows.ts';

/** The security context of a container. */
export function* validateSecurityContext(
  context: SecurityContext | undefined,
  field: string,
  inHostUserNamespace: boolean,
): Errors {
  if (context === undefined) return;
  const { procMount, privileged, allowPrivilegeEscalation, capabilities } = context;
  yield* unixId(context.runAsUser, `${field}.runAsUser`);
  yield* unixId(context.runAsGroup, `${field}.runAsGroup`);
  yield* supportedValue(procMount, ['Default', 'Unmasked'], `${field}.procMount`);
  if (procMount === 'Unmasked' && inHostUserNamespace) {
    yield invalid(`${field}.procMount`, procMount, '`hostUsers` must be false to use `Unmasked`');
  }
  yield* validateSeccomp(context.seccompProfile, `${field}.seccompProfile`);
  if (allowPrivilegeEscalation === false) {
    const refusal = 'cannot set `allowPrivilegeEscalation` to false and';
    const form = internalForm('SecurityContext', context);
    if (privileged === true) yield invalid(field, form, `${refusal} \`privileged\` to true`);
    for (const capability of capabilities?.add ?? []) {
      if (capability === 'CAP_SYS_ADMIN') yield invalid(field, form, `${refusal} \`capabilities.Add\` CAP_SYS_ADMIN`);
    }
  }
  yield* validateWindowsOptions(context.windowsOptions, `${field}.windowsOptions`);
  yield* validateAppArmor(context.appArmorProfile, `${field}.appArmorProfile`);
}

/** The security context of a pod. */
export function* validatePodSecurityContext(spec: PodSpec, field: string, rules: PodRules): Errors {
  const { securityContext: context = {}, shareProcessNamespace, hostPID } = spec;
  yield* unixId(context.fsGroup, `${field}.fsGroup`);
  yield* unixId(context.runAsUser, `${field}.runAsUser`);
  yield* unixId(context.runAsGroup, `${field}.runAsGroup`);
  for (const [index, group] of (context.supplementalGroups ?? []).entries()) {
    yield* unixId(group, `${field}.supplementalGroups[${index}]`);
  }
  if (shareProcessNamespace === true && hostPID === true) {
    const detail = 'ShareProcessNamespace and HostPID cannot both be enabled';
    yield invalid(`${field}.shareProcessNamespace`, true, detail);
  }
  yield* validateSysctls(context.sysctls ?? [], spec, `${field}.sysctls`, rules);
  yield* supportedValue(context.fsGroupChangePolicy, ['Always', 'OnRootMismatch'], `${field}.fsGroupChangePolicy`);
  yield* validateSeccomp(context.seccompProfile, `${field}.seccompProfile`);
  yield* validateWindowsOptions(context.windowsOptions, `${field}.windowsOptions`);
  yield* validateAppArmor(context.appArmorProfile, `${field}.appArmorProfile`);
  yield* supportedValue(context.supplementalGroupsPolicy, ['Merge', 'Strict'], `${field}.supplementalGroupsPolicy`);
  const policies = rules.allowMountOptionSelinuxPolicy ? ['MountOption', 'Recursive'] : ['Recursive'];
  yield* supportedValue(context.seLinuxChangePolicy, policies, `${field}.seLinuxChangePolicy`);
}

const sysctlBytesMax = 253;
const sysctlSegment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const sysctlFormat = `^(${sysctlSegment}[\\./])*${sysctlSegment}$`;
const sysctlName = new RegExp(sysctlFormat);

function* validateSysctls(sysctls: readonly Sysctl[], spec: PodSpec, field: string, rules: PodRules): Errors {
  const names = new Set<string>();
  for (const [index, { name = '' }] of sysctls.entries()) {
    const path = `${field}[${index}].name`;
    if (name === '') yield required(path);
    else if (Buffer.byteLength(name) > sysctlBytesMax || !sysctlName.test(name)) {
      yield invalid(path, name, `must have at most ${sysctlBytesMax} characters and match regex ${sysctlFormat}`);
    } else if (names.has(name)) yield duplicate(path, name);
    const namespace = rules.allowSysctlsOfHostNamespaces ? undefined : hostNamespaceOfSysctl(name, spec);
    if (namespace !== undefined) yield invalid(path, name, `may not be specified when '${namespace}' is true`);
    names.add(name);
  }
}

const profileTypes: readonly string[] = ['Localhost', 'RuntimeDefault', 'Unconfined'];

function* validateSeccomp(profile: SeccompProfile | undefined, field: string): Errors {
  if (profile === undefined) return;
  const { type = '', localhostProfile } = profile;
  if (type === '') yield required(`${field}.type`, 'type is required when seccompProfile is set');
  else if (!profileTypes.includes(type)) yield notSupported(`${field}.type`, type, profileTypes);
  const path = `${field}.localhostProfile`;
  if (type === 'Localhost') {
    if (localhostProfile === undefined) yield required(path, 'must be set when seccomp type is Localhost');
    else yield* localDescendingPath(localhostProfile, path);
  } else if (localhostProfile !== undefined) {
    yield invalid(path, internalForm('SeccompProfile', profile), 'can only be set when seccomp type is Localhost');
  }
}

const pathBytesMax = 4095;

function* validateAppArmor(profile: AppArmorProfile | undefined, field: string): Errors {
  if (profile === undefined) return;
  const { type = '', localhostProfile: name } = profile;
  const path = `${field}.localhostProfile`;
  if (type === '') yield required(`${field}.type`, 'type is required when appArmorProfile is set');
  else if (!profileTypes.includes(type)) yield notSupported(`${field}.type`, type, profileTypes);
  else if (type !== 'Localhost') {
    if (name !== undefined) yield invalid(path, name, 'can only be set when AppArmor type is Localhost');
  } else if (name === undefined) yield required(path, 'must be set when AppArmor type is Localhost');
  else {
    if (name.trim() !== name) yield invalid(path, name, 'must not be padded with whitespace');
    else if (name === '') yield required(path, 'must be set when AppArmor type is Localhost');
    if (Buffer.byteLength(name) > pathBytesMax) yield tooLong(path, pathBytesMax);
  }
}

/** A pod in a user namespace of its own shares no other namespace with the host. */
export function* validateHostUsers(spec: PodSpec, field: string, rules: PodRules): Errors {
  if (spec.hostUsers !== false) return;
  const detail = 'when `hostUsers` is false';
  if (spec.hostNetwork === true) yield forbidden(`${field}.hostNetwork`, detail);
  if (spec.hostPID === true) yield forbidden(`${field}.hostPID`, detail);
  if (spec.hostIPC === true) yield forbidden(`${field}.hostIPC`, detail);
  if (rules.allowDevicesInUserNamespaces) return;
  for (const { container, field: path } of placedContainers(spec, field)) {
    if ((container.volumeDevices ?? []).length > 0) {
      yield forbidden(`${path}.volumeDevices`, 'volume devices are not supported when `hostUsers` is false');
    }
  }
}
