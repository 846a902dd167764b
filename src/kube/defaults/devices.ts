import type { Draft } from '../draft.ts';
import { formatTime } from '../time.ts';
import type {
  DeviceClaim,
  DeviceSubRequest,
  DeviceToleration,
  ExactDeviceRequest,
  ResourceClaimTemplate,
  ResourceSlice,
  ResourceV1ResourceClaim,
} from '../types.gen.ts';

export function setResourceClaimDefaults(claim: Draft<ResourceV1ResourceClaim>): void {
  setDeviceClaimDefaults(claim.spec.devices);
  for (const result of claim.status?.allocation?.devices?.results ?? []) setTolerationDefaults(result.tolerations);
}

export function setResourceClaimTemplateDefaults(template: Draft<ResourceClaimTemplate>): void {
  setDeviceClaimDefaults(template.spec.spec?.devices);
}

function setDeviceClaimDefaults(claim: Draft<DeviceClaim> | undefined): void {
  for (const request of claim?.requests ?? []) {
    if (request.exactly !== undefined) setRequestDefaults(request.exactly);
    for (const alternative of request.firstAvailable ?? []) setRequestDefaults(alternative);
  }
}

function setRequestDefaults(request: Draft<ExactDeviceRequest> | Draft<DeviceSubRequest>): void {
  request.allocationMode ??= 'ExactCount';
  if (request.allocationMode === 'ExactCount') request.count ??= 1;
  setTolerationDefaults(request.tolerations);
}

function setTolerationDefaults(tolerations: readonly Draft<DeviceToleration>[] | undefined): void {
  for (const toleration of tolerations ?? []) toleration.operator ??= 'Equal';
}

/** A taint is as old as its first write. */
export function setResourceSliceDefaults({ spec }: Draft<ResourceSlice>): void {
  for (const device of spec.devices ?? []) {
    for (const taint of device.taints ?? []) taint.timeAdded ??= formatTime(Date.now());
  }
}
