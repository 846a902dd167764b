import { forbidden, invalid, notFound, notSupported, required } from '../../../field-error.ts';
import type { Container, EphemeralContainer, VolumeDevice, VolumeMount } from '../../../types.gen.ts';
import { type Errors, hasBacksteps, localDescendingPath, requiredString } from '../../common.ts';
import type { VolumesByName } from './volumes.ts';

type AnyContainer = Container | EphemeralContainer;

export function* validateMounts(container: AnyContainer, volumes: VolumesByName, field: string): Errors {
  const { volumeMounts: mounts = [], volumeDevices: devices = [] } = container;
  const paths = new Set<string>();
  for (const [index, mount] of mounts.entries()) {
    const path = `${field}[${index}]`;
    const { name = '', mountPath = '' } = mount;
    yield* requiredString(name, `${path}.name`);
    if (!volumes.has(name)) yield notFound(`${path}.name`, name);
    yield* requiredString(mountPath, `${path}.mountPath`);
    if (paths.has(mountPath)) yield invalid(`${path}.mountPath`, mountPath, 'must be unique');
    paths.add(mountPath);
    if (devices.some((device) => device.name === name)) {
      yield invalid(`${path}.name`, name, 'must not already exist in volumeDevices');
    }
    if (lastPaths(devices, 'devicePath').includes(mountPath)) {
      yield invalid(`${path}.mountPath`, mountPath, 'must not already exist as a path in volumeDevices');
    }
    yield* validateSubPaths(mount, path, field);
    yield* validatePropagation(mount, container, `${field}.mountPropagation`);
    yield* validateRecursiveReadOnly(mount, `${field}.recursiveReadOnly`);
  }
}

/** For each volume the path of its last use, since upstream looks the others' paths up by name. */
function lastPaths<K extends string>(
  uses: readonly ({ readonly name: string } & Readonly<Record<K, string>>)[],
  key: K,
) {
  return [...new Map(uses.map((use) => [use.name, use[key]])).values()];
}

function* validateSubPaths({ subPath = '', subPathExpr = '' }: VolumeMount, path: string, field: string): Errors {
  if (subPath !== '') yield* localDescendingPath(subPath, `${field}.subPath`);
  if (subPathExpr === '') return;
  if (subPath !== '') {
    yield invalid(`${path}.subPathExpr`, subPathExpr, 'subPathExpr and subPath are mutually exclusive');
  }
  yield* localDescendingPath(subPathExpr, `${field}.subPathExpr`);
}

const propagations: readonly string[] = ['Bidirectional', 'HostToContainer', 'None'];

function* validatePropagation({ mountPropagation: mode }: VolumeMount, container: AnyContainer, field: string): Errors {
  if (mode === undefined) return;
  if (!propagations.includes(mode)) yield notSupported(field, mode, propagations);
  if (mode === 'Bidirectional' && container.securityContext?.privileged !== true) {
    yield forbidden(field, 'Bidirectional mount propagation is available only to privileged containers');
  }
}

function* validateRecursiveReadOnly(mount: VolumeMount, field: string): Errors {
  const { recursiveReadOnly: mode, readOnly, mountPropagation: propagation } = mount;
  if (mode === undefined || mode === 'Disabled') return;
  if (mode !== 'Enabled' && mode !== 'IfPossible') {
    yield notSupported(field, mode, ['Disabled', 'Enabled', 'IfPossible']);
    return;
  }
  if (readOnly !== true) yield forbidden(field, 'may only be specified when readOnly is true');
  if (propagation !== undefined && propagation !== 'None') {
    yield forbidden(field, 'may only be specified when mountPropagation is None or not specified');
  }
}

export function* validateDevices(container: AnyContainer, volumes: VolumesByName, field: string): Errors {
  const { volumeMounts: mounts = [], volumeDevices: devices = [] } = container;
  const names = new Set<string>();
  const paths = new Set<string>();
  for (const [index, device] of devices.entries()) {
    const path = `${field}[${index}]`;
    yield* validateDevice(device, volumes, names, paths, path);
    if (mounts.some((mount) => mount.name === device.name)) {
      yield invalid(`${path}.name`, device.name, 'must not already exist in volumeMounts');
    }
    if (lastPaths(mounts, 'mountPath').includes(device.devicePath)) {
      yield invalid(`${path}.devicePath`, device.devicePath, 'must not already exist as a path in volumeMounts');
    }
    if ((device.name ?? '') !== '') names.add(device.name);
  }
}

function* validateDevice(
  { name = '', devicePath = '' }: VolumeDevice,
  volumes: VolumesByName,
  names: ReadonlySet<string>,
  paths: Set<string>,
  field: string,
): Errors {
  const volume = volumes.get(name);
  if (name === '') yield required(`${field}.name`);
  if (names.has(name)) yield invalid(`${field}.name`, name, 'must be unique');
  if (volume === undefined) yield notFound(`${field}.name`, name);
  else if (volume.persistentVolumeClaim === undefined && volume.ephemeral === undefined) {
    const detail = 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode';
    yield invalid(`${field}.name`, name, detail);
  }
  yield* requiredString(devicePath, `${field}.devicePath`);
  if (paths.has(devicePath)) yield invalid(`${field}.devicePath`, devicePath, 'must be unique');
  if (hasBacksteps(devicePath)) {
    yield invalid(`${field}.devicePath`, devicePath, "can not contain backsteps ('..')");
  } else paths.add(devicePath);
}
