import type { KubeObject } from '../../kube/object.ts';
import { compareQuantities, parseQuantity } from '../../kube/quantity.ts';
import type { Resource } from '../../kube/resource.ts';
import {
  ingressclasses,
  ingresses,
  persistentvolumeclaims,
  persistentvolumes,
  storageclasses,
  volumeattributesclasses,
} from '../../kube/resources.gen.ts';
import { parseTime } from '../../kube/time.ts';
import type { ClusterReader } from '../reader.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { isAbout, newState, oldState, refuse } from './target.ts';

/** The class that an annotation marks as the default: of several the newest, then the first by name. */
export function defaultClass<T extends KubeObject>(
  reader: ClusterReader,
  resource: Resource<T>,
  annotations: readonly string[],
): T | undefined {
  const isDefault = ({ metadata }: T) => annotations.some((key) => metadata.annotations?.[key] === 'true');
  const created = ({ metadata }: T) => parseTime(metadata.creationTimestamp) ?? 0;
  const name = ({ metadata }: T) => metadata.name ?? '';
  const order = (a: T, b: T) => created(b) - created(a) || (name(a) < name(b) ? -1 : 1);
  return reader.list(resource).filter(isDefault).sort(order)[0];
}

const storageAnnotations = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];

/** A claim that names no class (which is not the same as the empty one) gets the default class. */
export function defaultStorageClass(reader: ClusterReader): AdmissionPlugin {
  return {
    name: 'DefaultStorageClass',
    handles: (request) => request.operation === 'CREATE' && isAbout(request, persistentvolumeclaims),
    async admit(request) {
      const claim = newState(request, persistentvolumeclaims);
      if (claim === null || claim.spec?.storageClassName !== undefined) return;
      if (claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] !== undefined) return;
      const name = defaultClass(reader, storageclasses, storageAnnotations)?.metadata.name;
      if (name === undefined) return;
      claim.spec ??= {};
      claim.spec.storageClassName = name;
    },
  };
}

/** An Ingress that names no class gets the default class. */
export function defaultIngressClass(reader: ClusterReader): AdmissionPlugin {
  return {
    name: 'DefaultIngressClass',
    handles: (request) => request.operation === 'CREATE' && isAbout(request, ingresses),
    async admit(request) {
      const ingress = newState(request, ingresses);
      if (ingress === null || ingress.spec?.ingressClassName !== undefined) return;
      if (ingress.metadata.annotations?.['kubernetes.io/ingress.class'] !== undefined) return;
      const name = defaultClass(reader, ingressclasses, ['ingressclass.kubernetes.io/is-default-class'])?.metadata.name;
      if (name === undefined) return;
      ingress.spec ??= {};
      ingress.spec.ingressClassName = name;
    },
  };
}

const protections: readonly (readonly [Resource, string])[] = [
  [persistentvolumeclaims, 'kubernetes.io/pvc-protection'],
  [persistentvolumes, 'kubernetes.io/pv-protection'],
  [volumeattributesclasses, 'kubernetes.io/vac-protection'],
];

/** Claims, volumes and their attributes that are in use don't vanish: a finalizer holds them until nobody uses them. */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  handles: (request) => request.operation === 'CREATE' && protections.some(([resource]) => isAbout(request, resource)),
  async admit(request) {
    const protection = protections.find(([resource]) => isAbout(request, resource));
    const object = protection === undefined ? null : newState(request, protection[0]);
    if (protection === undefined || object === null) return;
    const standing = object.metadata.finalizers ?? [];
    if (!standing.includes(protection[1])) object.metadata.finalizers = [...standing, protection[1]];
  },
};

/** Claims grow only when they are bound and their class allows it. */
export function persistentVolumeClaimResize(reader: ClusterReader): AdmissionPlugin {
  return {
    name: 'PersistentVolumeClaimResize',
    handles: (request: AdmissionRequest) => request.operation === 'UPDATE' && isAbout(request, persistentvolumeclaims),
    async validate(request) {
      const claim = newState(request, persistentvolumeclaims);
      const old = oldState(request, persistentvolumeclaims);
      const size = claim?.spec?.resources?.requests?.['storage'];
      const oldSize = old?.spec?.resources?.requests?.['storage'];
      if (claim === null || old === null || size === undefined || oldSize === undefined) return;
      if (compareQuantities(parseQuantity(size), parseQuantity(oldSize)) <= 0) return;
      if (old.status?.phase !== 'Bound') throw refuse(request, 'Only bound persistent volume claims can be expanded');
      const name =
        claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? claim.spec?.storageClassName;
      const found = name === undefined || name === '' ? undefined : reader.get(storageclasses, { name });
      if (found?.allowVolumeExpansion === true) return;
      throw refuse(
        request,
        'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
      );
    },
  };
}
