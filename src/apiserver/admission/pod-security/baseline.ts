import { goQuote } from '../../../kube/go-json.ts';
import type { LifecycleHandler, PodSpec, Probe, SELinuxOptions } from '../../../kube/types.gen.ts';
import {
  type AnyContainer,
  allContainers,
  type Check,
  containersText,
  exceptUserNamespace,
  namesWhere,
  plural,
  quoted,
  type Rule,
  setters,
  sortedUnique,
} from './check.ts';

const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/';
const isFineProfile = (type: string | undefined) =>
  type === undefined || type === 'RuntimeDefault' || type === 'Localhost';

const appArmor: Rule = ({ metadata, spec }) => {
  const podType = spec.securityContext?.appArmorProfile?.type;
  const typeOf = ({ securityContext }: AnyContainer) => securityContext?.appArmorProfile?.type;
  const containers = namesWhere(spec, (container) => !isFineProfile(typeOf(container)));
  const types = [podType, ...allContainers(spec).map(typeOf)].flatMap((type) =>
    type === undefined || isFineProfile(type) ? [] : [type],
  );
  const annotations = Object.entries(metadata.annotations ?? {})
    .filter(
      ([key, value]) =>
        key.startsWith(appArmorPrefix) &&
        value !== '' &&
        value !== 'runtime/default' &&
        !value.startsWith('localhost/'),
    )
    .map(([key, value]) => `${key}=${goQuote(value)}`)
    .sort();
  const who = [
    ...(isFineProfile(podType) && containers.length === 0 ? [] : [setters(!isFineProfile(podType), containers)]),
    ...(annotations.length > 0 ? [plural('annotation', 'annotations', annotations.length)] : []),
  ];
  if (who.length === 0) return undefined;
  const values = [...sortedUnique(types), ...annotations];
  return {
    reason: plural('forbidden AppArmor profile', 'forbidden AppArmor profiles', values.length),
    detail: `${who.join(' and ')} must not set AppArmor profile type to ${quoted(values)}`,
  };
};

const defaultCapabilities = new Set(
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(
    ' ',
  ),
);

const capabilities: Rule = ({ spec }) => {
  const extra = ({ securityContext }: AnyContainer) =>
    (securityContext?.capabilities?.add ?? []).filter((capability) => !defaultCapabilities.has(capability));
  const names = namesWhere(spec, (container) => extra(container).length > 0);
  if (names.length === 0) return undefined;
  const values = quoted(sortedUnique(allContainers(spec).flatMap(extra)));
  return {
    reason: 'non-default capabilities',
    detail: `${containersText(names)} must not include ${values} in securityContext.capabilities.add`,
  };
};

const hostNamespaces: Rule = ({ spec }) => {
  const used = [
    ...(spec.hostNetwork === true ? ['hostNetwork=true'] : []),
    ...(spec.hostPID === true ? ['hostPID=true'] : []),
    ...(spec.hostIPC === true ? ['hostIPC=true'] : []),
  ];
  return used.length === 0 ? undefined : { reason: 'host namespaces', detail: used.join(', ') };
};

const hostPathVolumes: Rule = ({ spec }) => {
  const names = (spec.volumes ?? []).filter(({ hostPath }) => hostPath !== undefined).map(({ name }) => name);
  if (names.length === 0) return undefined;
  return { reason: 'hostPath volumes', detail: `${plural('volume', 'volumes', names.length)} ${quoted(names)}` };
};

const hostPorts: Rule = ({ spec }) => {
  const portsOf = ({ ports }: AnyContainer) =>
    (ports ?? []).flatMap(({ hostPort }) => (hostPort ? [String(hostPort)] : []));
  const names = namesWhere(spec, (container) => portsOf(container).length > 0);
  if (names.length === 0) return undefined;
  const ports = sortedUnique(allContainers(spec).flatMap(portsOf));
  const verb = plural('uses', 'use', names.length);
  const noun = plural('hostPort', 'hostPorts', ports.length);
  return { reason: 'hostPort', detail: `${containersText(names)} ${verb} ${noun} ${ports.join(', ')}` };
};

const hostsOf = (handler: Probe | LifecycleHandler | undefined) =>
  [handler?.httpGet?.host, handler?.tcpSocket?.host].flatMap((host) => (host ? [host] : []));

const hostProbes: Rule = ({ spec }) => {
  const hosts = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: AnyContainer) =>
    [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].flatMap(hostsOf);
  const names = sortedUnique(namesWhere(spec, (container) => hosts(container).length > 0));
  if (names.length === 0) return undefined;
  const values = sortedUnique(allContainers(spec).flatMap(hosts));
  const verb = plural('uses', 'use', names.length);
  const noun = plural('probe or lifecycle host', 'probe or lifecycle hosts', values.length);
  return { reason: 'probe or lifecycle host', detail: `${containersText(names)} ${verb} ${noun} ${quoted(values)}` };
};

const privileged: Rule = ({ spec }) => {
  const names = namesWhere(spec, ({ securityContext }) => securityContext?.privileged === true);
  if (names.length === 0) return undefined;
  return { reason: 'privileged', detail: `${containersText(names)} must not set securityContext.privileged=true` };
};

export const procMount: Rule = ({ spec }) => {
  const typeOf = ({ securityContext }: AnyContainer) => securityContext?.procMount;
  const isBad = (container: AnyContainer) => !['Default', undefined].includes(typeOf(container));
  const names = namesWhere(spec, isBad);
  if (names.length === 0) return undefined;
  const values = sortedUnique(
    allContainers(spec)
      .filter(isBad)
      .map((container) => typeOf(container) ?? ''),
  );
  return {
    reason: 'procMount',
    detail: `${containersText(names)} must not set securityContext.procMount to ${quoted(values)}`,
  };
};

function seLinux(allowedTypes: readonly string[]): Rule {
  return ({ spec }) => {
    const isBad = (options: SELinuxOptions | undefined) =>
      options !== undefined &&
      (!allowedTypes.includes(options.type ?? '') || Boolean(options.user) || Boolean(options.role));
    const podOptions = spec.securityContext?.seLinuxOptions;
    const names = namesWhere(spec, ({ securityContext }) => isBad(securityContext?.seLinuxOptions));
    if (!isBad(podOptions) && names.length === 0) return undefined;
    const all = [podOptions, ...allContainers(spec).map(({ securityContext }) => securityContext?.seLinuxOptions)];
    const types = sortedUnique(
      all.map((options) => options?.type ?? '').filter((type) => !allowedTypes.includes(type)),
    );
    const problems = [
      ...(types.length > 0 ? [`${plural('type', 'types', types.length)} ${quoted(types)}`] : []),
      ...(all.some((options) => options?.user) ? ['user may not be set'] : []),
      ...(all.some((options) => options?.role) ? ['role may not be set'] : []),
    ];
    const who = setters(isBad(podOptions), names);
    return {
      reason: 'seLinuxOptions',
      detail: `${who} set forbidden securityContext.seLinuxOptions: ${problems.join('; ')}`,
    };
  };
}

const oldPodSeccomp = 'seccomp.security.alpha.kubernetes.io/pod';
const oldContainerSeccomp = 'container.seccomp.security.alpha.kubernetes.io/';

const seccompAnnotations: Rule = ({ metadata, spec }) => {
  const keys = [oldPodSeccomp, ...allContainers(spec).map(({ name }) => oldContainerSeccomp + name)];
  const isFine = (value: string) =>
    ['runtime/default', 'docker/default'].includes(value) || value.startsWith('localhost/');
  const bad = keys.flatMap((key) => {
    const value = metadata.annotations?.[key];
    return value === undefined || isFine(value) ? [] : [`${key}=${goQuote(value)}`];
  });
  if (bad.length === 0) return undefined;
  const values = sortedUnique(bad);
  return {
    reason: 'seccompProfile',
    detail: `forbidden ${plural('annotation', 'annotations', values.length)} ${values.join(', ')}`,
  };
};

/** What was set to a seccomp profile that isn't allowed; undefined when nothing was. */
export const seccompFields: Rule = ({ spec }) => {
  const podType = spec.securityContext?.seccompProfile?.type;
  const typeOf = ({ securityContext }: AnyContainer) => securityContext?.seccompProfile?.type;
  const names = namesWhere(spec, (container) => !isFineProfile(typeOf(container)));
  if (isFineProfile(podType) && names.length === 0) return undefined;
  const types = [podType, ...allContainers(spec).map(typeOf)].flatMap((type) =>
    type === undefined || isFineProfile(type) ? [] : [type],
  );
  const who = setters(!isFineProfile(podType), names);
  const detail = `${who} must not set securityContext.seccompProfile.type to ${quoted(sortedUnique(types))}`;
  return { reason: 'seccompProfile', detail };
};

function sysctls(allowedNames: readonly string[]): Rule {
  return ({ spec }: { readonly spec: PodSpec }) => {
    const bad = (spec.securityContext?.sysctls ?? [])
      .map(({ name }) => name)
      .filter((name) => !allowedNames.includes(name));
    return bad.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: bad.join(', ') };
  };
}

const sysctls10 = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
];
const sysctls127 = [...sysctls10, 'net.ipv4.ip_local_reserved_ports'];
const sysctls129 = [
  ...sysctls127,
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
];
const sysctls132 = [...sysctls129, 'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem'];
const seLinux10 = ['', 'container_t', 'container_init_t', 'container_kvm_t'];

const hostProcess: Rule = ({ spec }) => {
  const isPod = spec.securityContext?.windowsOptions?.hostProcess === true;
  const names = namesWhere(spec, ({ securityContext }) => securityContext?.windowsOptions?.hostProcess === true);
  if (!isPod && names.length === 0) return undefined;
  const detail = `${setters(isPod, names)} must not set securityContext.windowsOptions.hostProcess=true`;
  return { reason: 'hostProcess', detail };
};

/** The baseline level: what lets a pod out of its container. In the order in which violations are told. */
export const baselineChecks: readonly Check[] = [
  { id: 'appArmorProfile', level: 'baseline', forms: [{ since: 0, rule: appArmor }] },
  { id: 'capabilities_baseline', level: 'baseline', forms: [{ since: 0, rule: capabilities }] },
  { id: 'hostNamespaces', level: 'baseline', forms: [{ since: 0, rule: hostNamespaces }] },
  { id: 'hostPathVolumes', level: 'baseline', forms: [{ since: 0, rule: hostPathVolumes }] },
  { id: 'hostPorts', level: 'baseline', forms: [{ since: 0, rule: hostPorts }] },
  { id: 'hostProbesAndHostLifecycle', level: 'baseline', forms: [{ since: 34, rule: hostProbes }] },
  { id: 'privileged', level: 'baseline', forms: [{ since: 0, rule: privileged }] },
  {
    id: 'procMount_baseline',
    level: 'baseline',
    forms: [
      { since: 0, rule: procMount },
      { since: 35, rule: exceptUserNamespace(procMount) },
    ],
  },
  {
    id: 'seLinuxOptions',
    level: 'baseline',
    forms: [
      { since: 0, rule: seLinux(seLinux10) },
      { since: 31, rule: seLinux([...seLinux10, 'container_engine_t']) },
    ],
  },
  {
    id: 'seccompProfile_baseline',
    level: 'baseline',
    forms: [
      { since: 0, rule: seccompAnnotations },
      { since: 19, rule: seccompFields },
    ],
  },
  {
    id: 'sysctls',
    level: 'baseline',
    forms: [
      { since: 0, rule: sysctls(sysctls10) },
      { since: 27, rule: sysctls(sysctls127) },
      { since: 29, rule: sysctls(sysctls129) },
      { since: 32, rule: sysctls(sysctls132) },
    ],
  },
  { id: 'windowsHostProcess', level: 'baseline', forms: [{ since: 0, rule: hostProcess }] },
];
