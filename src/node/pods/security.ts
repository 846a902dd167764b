import { join } from 'node:path';
import { WherryError } from '../../core/errors.ts';
import { NamespaceMode, ProfileType } from '../../engines/containerd/cri-messages.ts';
import type { Container, Pod, SeccompProfile, SecurityContext } from '../../kube/types.gen.ts';
import { containerConfigError } from '../environment-resolver.ts';
import { allContainers, formatPod } from './identity.ts';

/** As whom an image's processes run when nobody says otherwise. */
export interface ImageUser {
  /** Undefined when the image names a user that is not a number. */
  readonly uid: number | undefined;
  readonly username: string;
}

const maskedPaths = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** The container's security context with what the pod's says where it is silent. */
export function effectiveSecurity(pod: Pod, container: Container): SecurityContext {
  const ofPod = pod.spec?.securityContext;
  const own = container.securityContext;
  const inherited = {
    runAsUser: own?.runAsUser ?? ofPod?.runAsUser,
    runAsGroup: own?.runAsGroup ?? ofPod?.runAsGroup,
    runAsNonRoot: own?.runAsNonRoot ?? ofPod?.runAsNonRoot,
    seccompProfile: own?.seccompProfile ?? ofPod?.seccompProfile,
    appArmorProfile: own?.appArmorProfile ?? ofPod?.appArmorProfile,
    seLinuxOptions: own?.seLinuxOptions ?? ofPod?.seLinuxOptions,
  };
  return { ...own, ...Object.fromEntries(Object.entries(inherited).filter(([, value]) => value !== undefined)) };
}

/** Throws CONTAINER_CONFIG, with kubelet's words, when a container that must not run as root would. */
export function checkNonRoot(pod: Pod, container: Container, image: ImageUser): void {
  const security = effectiveSecurity(pod, container);
  if (security.runAsNonRoot !== true) return;
  const where = `(pod: "${formatPod(pod)}", container: ${container.name})`;
  const refuse = (what: string) => {
    throw new WherryError(containerConfigError, `${what} ${where}`);
  };
  if (security.runAsUser !== undefined) {
    if (security.runAsUser === 0) refuse("container's runAsUser breaks non-root policy");
  } else if (image.uid === 0 || (image.uid === undefined && image.username === '')) {
    refuse('container has runAsNonRoot and image will run as root');
  } else if (image.uid === undefined) {
    refuse(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root`,
    );
  }
}

/** Which namespaces a pod's containers share; `targetId` is a container whose processes an ephemeral one sees. */
export function namespaceOptions(pod: Pod, targetId?: string) {
  const { hostNetwork, hostPID, hostIPC, shareProcessNamespace } = pod.spec ?? {};
  const own = shareProcessNamespace ? NamespaceMode.pod : NamespaceMode.container;
  const pid = hostPID ? NamespaceMode.node : own;
  return {
    network: hostNetwork ? NamespaceMode.node : NamespaceMode.pod,
    ipc: hostIPC ? NamespaceMode.node : NamespaceMode.pod,
    ...(targetId !== undefined && pid === NamespaceMode.container ? { pid: NamespaceMode.target, targetId } : { pid }),
  };
}

export function isPrivileged(pod: Pod): boolean {
  return allContainers(pod).some(({ container }) => container.securityContext?.privileged === true);
}

/** Groups of all of a pod's processes beside their own. */
export function supplementalGroups(pod: Pod): readonly number[] {
  const { fsGroup, supplementalGroups: groups = [] } = pod.spec?.securityContext ?? {};
  return fsGroup === undefined ? groups : [...groups, fsGroup];
}

export function seccompOf(profile: SeccompProfile | undefined, privileged: boolean, profileFolder: string) {
  if (privileged || profile === undefined || profile.type === 'Unconfined')
    return { profileType: ProfileType.unconfined };
  if (profile.type === 'Localhost')
    return { profileType: ProfileType.localhost, localhostRef: join(profileFolder, profile.localhostProfile ?? '') };
  return { profileType: ProfileType.runtimeDefault };
}

/** CRI's LinuxContainerSecurityContext. */
export function containerSecurity(
  pod: Pod,
  container: Container,
  image: ImageUser,
  options: { readonly seccompFolder: string; readonly targetId?: string },
) {
  const security = effectiveSecurity(pod, container);
  const privileged = security.privileged === true;
  const user = security.runAsUser ?? image.uid;
  const isUnmasked = privileged || security.procMount === 'Unmasked';
  const profile = security.appArmorProfile;
  return {
    privileged,
    capabilities: {
      addCapabilities: security.capabilities?.add ?? [],
      dropCapabilities: security.capabilities?.drop ?? [],
    },
    namespaceOptions: namespaceOptions(pod, options.targetId),
    ...(security.seLinuxOptions ? { selinuxOptions: security.seLinuxOptions } : {}),
    ...(user === undefined ? { runAsUsername: image.username } : { runAsUser: { value: user } }),
    // A group without a user would be refused by the runtime: images without any user run as 0.
    ...(security.runAsGroup === undefined ? {} : { runAsGroup: { value: security.runAsGroup } }),
    readonlyRootfs: security.readOnlyRootFilesystem === true,
    supplementalGroups: supplementalGroups(pod),
    noNewPrivs: security.allowPrivilegeEscalation === false,
    ...(isUnmasked ? {} : { maskedPaths, readonlyPaths }),
    seccomp: seccompOf(security.seccompProfile, privileged, options.seccompFolder),
    ...(profile === undefined
      ? {}
      : {
          apparmor: {
            profileType:
              profile.type === 'Localhost'
                ? ProfileType.localhost
                : profile.type === 'Unconfined'
                  ? ProfileType.unconfined
                  : ProfileType.runtimeDefault,
            localhostRef: profile.localhostProfile ?? '',
          },
        }),
  };
}

/** CRI's LinuxSandboxSecurityContext. */
export function sandboxSecurity(pod: Pod, seccompFolder: string) {
  const own = pod.spec?.securityContext;
  return {
    privileged: isPrivileged(pod),
    namespaceOptions: namespaceOptions(pod),
    ...(own?.seLinuxOptions ? { selinuxOptions: own.seLinuxOptions } : {}),
    ...(own?.runAsUser === undefined ? {} : { runAsUser: { value: own.runAsUser } }),
    ...(own?.runAsUser !== undefined && own.runAsGroup !== undefined ? { runAsGroup: { value: own.runAsGroup } } : {}),
    supplementalGroups: supplementalGroups(pod),
    // A container's own local profile can't be wanted by the sandbox, whose program needs next to nothing.
    seccomp:
      own?.seccompProfile?.type === 'Localhost'
        ? seccompOf(own.seccompProfile, false, seccompFolder)
        : { profileType: isPrivileged(pod) ? ProfileType.unconfined : ProfileType.runtimeDefault },
  };
}
