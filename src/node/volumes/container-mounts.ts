import { describeError, WherryError } from '../../core/errors.ts';
import type { Container, Pod, VolumeMount } from '../../kube/types.gen.ts';
import { expandStrictly } from '../environment/expansion.ts';
import { containerConfigError } from '../environment-resolver.ts';
import type { ContainerMount, EnvironmentVariable } from '../volume-set.ts';
import { bindSubPath } from './sub-path.ts';
import { subPathFolder } from './volume-paths.ts';

/** A volume as containers can mount it. */
export interface MountableVolume {
  readonly hostPath: string;
  readonly readOnly: boolean;
}

export interface MountContext {
  readonly podsFolder: string;
  /** By the volume's name in the pod. */
  readonly volumes: ReadonlyMap<string, MountableVolume>;
  readonly supportsRecursiveReadOnly: boolean;
}

/** The mounts of one container. Throws CONTAINER_CONFIG with kubelet's words. */
export async function containerMounts(
  pod: Pod,
  container: Container,
  environment: readonly EnvironmentVariable[],
  context: MountContext,
): Promise<readonly ContainerMount[]> {
  const mounts: ContainerMount[] = [];
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const volume = context.volumes.get(mount.name);
    if (volume === undefined)
      throw configError(
        `cannot find volume ${JSON.stringify(mount.name)} to mount into container ${JSON.stringify(container.name)}`,
      );
    const subPath = subPathOf(mount, environment);
    const readOnly = mount.readOnly === true || volume.readOnly;
    let { hostPath } = volume;
    if (subPath !== '') {
      const uid = pod.metadata.uid ?? '';
      hostPath = subPathFolder(context.podsFolder, uid, mount.name, container.name, index);
      await bind(volume.hostPath, subPath, hostPath, mount, container);
    }
    mounts.push({
      containerPath: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
      hostPath,
      readOnly,
      ...(isRecursiveReadOnly(mount, readOnly, context) ? { recursiveReadOnly: true } : {}),
      propagation: propagationOf(mount),
    });
  }
  return mounts;
}

async function bind(root: string, subPath: string, target: string, mount: VolumeMount, container: Container) {
  try {
    await bindSubPath(root, subPath, target);
  } catch (cause) {
    const what = `failed to prepare subPath for volumeMount ${JSON.stringify(mount.name)} of container ${JSON.stringify(container.name)}`;
    throw configError(`${what}: ${describeError(cause)}`, cause);
  }
}

function subPathOf(mount: VolumeMount, environment: readonly EnvironmentVariable[]): string {
  const { subPath = '', subPathExpr = '' } = mount;
  const path = subPathExpr === '' ? subPath : expand(subPathExpr, environment);
  if (path === '') return '';
  if (path.startsWith('/')) throw configError(`error SubPath \`${path}\` must not be an absolute path`);
  if (path.split('/').includes('..'))
    throw configError(`unable to provision SubPath \`${path}\`: must not contain '..'`);
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

function expand(text: string, environment: readonly EnvironmentVariable[]): string {
  const { value, missing } = expandStrictly(text, new Map(environment.map((one) => [one.name, one.value])));
  if (missing.length > 0)
    throw configError(`missing value for ${missing.map((name) => JSON.stringify(name)).join(', ')}`);
  return value;
}

function isRecursiveReadOnly(mount: VolumeMount, readOnly: boolean, context: MountContext): boolean {
  const { recursiveReadOnly = 'Disabled', mountPropagation = 'None' } = mount;
  if (recursiveReadOnly === 'Disabled' || !readOnly) return false;
  if (recursiveReadOnly === 'IfPossible') return context.supportsRecursiveReadOnly && mountPropagation === 'None';
  if (!context.supportsRecursiveReadOnly)
    throw configError(
      `volume ${JSON.stringify(mount.name)} requested recursive read-only mode, but it is not supported by the runtime`,
    );
  return true;
}

function propagationOf({ mountPropagation }: VolumeMount): ContainerMount['propagation'] {
  if (mountPropagation === 'Bidirectional' || mountPropagation === 'HostToContainer') return mountPropagation;
  return 'None';
}

function configError(message: string, cause?: unknown): WherryError {
  return new WherryError(containerConfigError, message, cause === undefined ? {} : { cause });
}
