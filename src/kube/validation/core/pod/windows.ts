import { type FieldError, forbidden, invalid } from '../../../field-error.ts';
import { isDns1123Subdomain } from '../../../names.ts';
import type { PodSpec, SecurityContext, WindowsSecurityContextOptions } from '../../../types.gen.ts';
import { type Errors, each } from '../../common.ts';
import { placedContainers } from './visit.ts';

const credentialSpecKiBMax = 64;
const domainBytesMax = 256;
const userBytesMax = 104;
const netBios = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/;
const dnsLabelPattern = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?';
const dnsDomain = new RegExp(`^${dnsLabelPattern}(?:\\.${dnsLabelPattern})*$`);

export function* validateWindowsOptions(options: WindowsSecurityContextOptions | undefined, field: string): Errors {
  if (options === undefined) return;
  const { gmsaCredentialSpecName: specName, gmsaCredentialSpec: spec, runAsUserName: userName } = options;
  if (specName !== undefined) {
    yield* each(isDns1123Subdomain(specName), `${field}.gmsaCredentialSpecName`, specName);
  }
  if (spec === '') {
    yield invalid(`${field}.gmsaCredentialSpec`, spec, 'gmsaCredentialSpec cannot be an empty string');
  } else if (spec !== undefined && Buffer.byteLength(spec) > credentialSpecKiBMax * 1024) {
    const detail = `gmsaCredentialSpec size must be under ${credentialSpecKiBMax} KiB`;
    yield invalid(`${field}.gmsaCredentialSpec`, spec, detail);
  }
  if (userName === undefined) return;
  for (const problem of userNameProblems(userName)) yield invalid(`${field}.runAsUserName`, userName, problem);
}

/** `DOMAIN\user`, the domain optional: Microsoft's naming rules. */
function userNameProblems(userName: string): readonly string[] {
  if (userName === '') return ['runAsUserName cannot be an empty string'];
  if (/\p{Cc}/u.test(userName)) return ['runAsUserName cannot contain control characters'];
  const parts = userName.split('\\');
  if (parts.length > 2) return ['runAsUserName cannot contain more than one backslash'];
  const user = parts[parts.length - 1] ?? '';
  const domain = parts.length === 2 ? (parts[0] ?? '') : undefined;
  const problems: string[] = [];
  if (domain !== undefined && Buffer.byteLength(domain) >= domainBytesMax) {
    problems.push(`runAsUserName's Domain length must be under ${domainBytesMax} characters`);
  }
  if (domain !== undefined && !netBios.test(domain) && !dnsDomain.test(domain)) {
    problems.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
  }
  if (user === '') problems.push("runAsUserName's User cannot be empty");
  else if (Buffer.byteLength(user) > userBytesMax) {
    problems.push(`runAsUserName's User length must not be longer than ${userBytesMax} characters`);
  }
  if (/^[. ]+$/.test(user)) problems.push("runAsUserName's User cannot contain only periods or spaces");
  if (/["/\\:;|=,+*?<>@[\]]/.test(user)) {
    problems.push('runAsUserName\'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]');
  }
  return problems;
}

/** Containers that run as processes of a Windows host: all or none of a pod, and in the host's network. */
export function* validateHostProcess(spec: PodSpec, field: string): Errors {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess;
  const containers = placedContainers(spec, field);
  let hostProcesses = 0;
  for (const { container, field: path } of containers) {
    const own = container.securityContext?.windowsOptions?.hostProcess;
    if (ofPod !== undefined && own !== undefined && ofPod !== own) {
      const detail = `pod hostProcess value must be identical if both are specified, was ${ofPod}`;
      yield invalid(`${path}.securityContext.windowsOptions.hostProcess`, own, detail);
    }
    if (own ?? ofPod ?? false) hostProcesses++;
  }
  if (hostProcesses === 0) return;
  if (hostProcesses !== containers.length) {
    const detail = 'If pod contains any hostProcess containers then all containers must be HostProcess containers';
    yield invalid(field, '', detail);
  }
  if (spec.hostNetwork !== true) {
    yield invalid(`${field}.hostNetwork`, false, 'hostNetwork must be true if pod contains any hostProcess containers');
  }
}

/** What a pod that says it is for Linux may not have. */
export function* validateLinuxPod(spec: PodSpec, field: string): Errors {
  const contexts = [
    { context: spec.securityContext, path: field },
    ...placedContainers(spec, field).map(({ container, field: path }) => ({
      context: container.securityContext,
      path,
    })),
  ];
  for (const { context, path } of contexts) {
    if (context?.windowsOptions !== undefined) {
      yield forbidden(`${path}.securityContext.windowsOptions`, 'windows options cannot be set for a linux pod');
    }
  }
}

/** What a pod that says it is for Windows may not have. */
export function* validateWindowsPod(spec: PodSpec, field: string): Errors {
  const context = spec.securityContext;
  const inContext = `${field}.securityContext`;
  const refused: readonly (readonly [unknown, string])[] = [
    [context?.appArmorProfile, `${inContext}.appArmorProfile`],
    [context?.seLinuxOptions, `${inContext}.seLinuxOptions`],
    [spec.hostUsers, `${field}.hostUsers`],
    [spec.hostPID === true || undefined, `${field}.hostPID`],
    [spec.hostIPC === true || undefined, `${field}.hostIPC`],
    [context?.seccompProfile, `${inContext}.seccompProfile`],
    [context?.fsGroup, `${inContext}.fsGroup`],
    [context?.fsGroupChangePolicy, `${inContext}.fsGroupChangePolicy`],
    [(context?.sysctls ?? []).length > 0 || undefined, `${inContext}.sysctls`],
    [spec.shareProcessNamespace, `${field}.shareProcessNamespace`],
    [context?.runAsUser, `${inContext}.runAsUser`],
    [context?.runAsGroup, `${inContext}.runAsGroup`],
    [context?.supplementalGroups, `${inContext}.supplementalGroups`],
    [context?.supplementalGroupsPolicy, `${inContext}.supplementalGroupsPolicy`],
    [context?.seLinuxChangePolicy, `${inContext}.seLinuxChangePolicy`],
  ];
  for (const [value, path] of refused) if (value !== undefined) yield notForWindows(path);
  for (const { container, field: path } of placedContainers(spec, field)) {
    yield* validateWindowsContainer(container.securityContext, `${path}.securityContext`);
  }
}

const linuxOnly: readonly (keyof SecurityContext)[] = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
];

function* validateWindowsContainer(context: SecurityContext | undefined, field: string): Errors {
  for (const name of linuxOnly) if (context?.[name] !== undefined) yield notForWindows(`${field}.${name}`);
}

function notForWindows(field: string): FieldError {
  return forbidden(field, 'cannot be set for a windows pod');
}
