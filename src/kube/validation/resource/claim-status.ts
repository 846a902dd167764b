import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notSupported,
  required,
  tooLong,
  tooMany,
} from '../../field-error.ts';
import { canonicalInterfaceProblem } from '../../ip-text.ts';
import type {
  AllocatedDeviceStatus,
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceRequestAllocationResult,
  NetworkDeviceData,
  ResourceClaimConsumerReference,
  ResourceV1ResourceClaim,
} from '../../types.gen.ts';
import { dnsLabel, type Errors, immutable, qualifiedName, requiredString } from '../common.ts';
import { validateConditions } from '../conditions.ts';
import { validateNodeSelector } from '../core/node-selector.ts';
import { internalForm, semanticallyEqual } from '../internal-form.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';
import { validateConfiguration, validateDeviceToleration, validateRawObject } from './configuration.ts';
import { type RequestNames, requestNamesOf, validateRequestName, validateRequestNames } from './device-claim.ts';
import { validateList, validateSet } from './lists.ts';
import { validateDriverName, validatePoolName, validateUid } from './names.ts';

const consumersMax = 256;
const resultsMax = 32;
const configurationsMax = 64;
const tolerationsMax = 16;
const bindingConditionsMax = 4;
const conditionsMax = 8;
const dataBytesMax = 10 * 1024;
const interfaceBytesMax = 256;
const hardwareBytesMax = 128;
const addressesMax = 16;

export function validateResourceClaimStatusUpdate(
  claim: ResourceV1ResourceClaim,
  old: ResourceV1ResourceClaim,
): readonly FieldError[] {
  return [...validateMetaUpdateOfKind(claim.metadata, old.metadata), ...statusErrors(claim, old)];
}

function* statusErrors({ metadata, spec, status = {} }: ResourceV1ResourceClaim, old: ResourceV1ResourceClaim): Errors {
  const { reservedFor = [], devices = [], allocation } = status;
  const uidOf = ({ uid = '' }: ResourceClaimConsumerReference) => uid;
  yield* validateSet(reservedFor, consumersMax, consumerErrors, uidOf, 'status.reservedFor');
  const allocated = new Set((allocation?.devices?.results ?? []).map(deviceId));
  const checkDevice = (device: AllocatedDeviceStatus, field: string) => deviceErrors(device, field, allocated);
  yield* validateSet(devices, Number.POSITIVE_INFINITY, checkDevice, deviceId, 'status.devices');
  if (reservedFor.length > 0 && allocation === undefined) {
    yield forbidden('status.reservedFor', 'may not be specified when `allocated` is not set');
  } else if (metadata.deletionTimestamp !== undefined) {
    const former = old.status?.reservedFor ?? [];
    if (reservedFor.some((one) => !former.some((before) => semanticallyEqual(before, one)))) {
      const detail = 'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set';
      yield forbidden('status.reservedFor', detail);
    }
  }
  const oldAllocation = old.status?.allocation;
  if (allocation === undefined) return;
  if (oldAllocation === undefined) {
    yield* allocationErrors(allocation, 'status.allocation', requestNamesOf(spec?.devices ?? {}));
  } else {
    const form = internalForm('AllocationResult', allocation);
    yield* immutable(form, internalForm('AllocationResult', oldAllocation), 'status.allocation');
  }
}

function* consumerErrors(consumer: ResourceClaimConsumerReference, field: string): Errors {
  yield* requiredString(consumer.resource, `${field}.resource`);
  yield* requiredString(consumer.name, `${field}.name`);
  yield* requiredString(consumer.uid, `${field}.uid`);
}

function deviceId(device: {
  readonly driver?: string;
  readonly pool?: string;
  readonly device?: string;
  readonly shareID?: string;
}): string {
  const id = `${device.driver ?? ''}/${device.pool ?? ''}/${device.device ?? ''}`;
  return device.shareID === undefined ? id : `${id}/${device.shareID}`;
}

function* deviceErrors(device: AllocatedDeviceStatus, field: string, allocated: ReadonlySet<string>): Errors {
  yield* validateDriverName(device.driver ?? '', `${field}.driver`);
  yield* validatePoolName(device.pool, `${field}.pool`);
  yield* dnsLabel(device.device ?? '', `${field}.device`);
  if (device.shareID !== undefined) yield* validateUid(device.shareID, `${field}.shareID`);
  if (!allocated.has(deviceId(device))) {
    yield invalid(field, deviceId(device), 'must be an allocated device in the claim');
  }
  const conditions = device.conditions ?? [];
  if (conditions.length > conditionsMax) yield tooMany(`${field}.conditions`, conditions.length, conditionsMax);
  yield* validateConditions(conditions, `${field}.conditions`);
  if (device.data !== undefined) yield* validateRawObject(device.data, `${field}.data`, dataBytesMax);
  if (device.networkData !== undefined) yield* networkErrors(device.networkData, `${field}.networkData`);
}

function* networkErrors(
  { interfaceName = '', hardwareAddress = '', ips = [] }: NetworkDeviceData,
  field: string,
): Errors {
  if (Buffer.byteLength(interfaceName) > interfaceBytesMax) yield tooLong(`${field}.interfaceName`, interfaceBytesMax);
  if (Buffer.byteLength(hardwareAddress) > hardwareBytesMax)
    yield tooLong(`${field}.hardwareAddress`, hardwareBytesMax);
  yield* validateSet(ips, addressesMax, interfaceAddressErrors, (address) => address, `${field}.ips`);
}

function* interfaceAddressErrors(address: string, field: string): Errors {
  const problem = canonicalInterfaceProblem(address);
  if (problem !== undefined) yield invalid(field, address, problem);
}

function* allocationErrors({ devices, nodeSelector }: AllocationResult, field: string, names: RequestNames): Errors {
  const { results = [], config = [] } = devices ?? {};
  const checkResult = (result: DeviceRequestAllocationResult, path: string) => resultErrors(result, path, names);
  const checkConfig = (one: DeviceAllocationConfiguration, path: string) => configErrors(one, path, names);
  yield* validateList(results, resultsMax, checkResult, `${field}.devices.results`);
  yield* validateList(config, configurationsMax, checkConfig, `${field}.devices.config`);
  if (nodeSelector !== undefined) yield* validateNodeSelector(nodeSelector, `${field}.nodeSelector`);
}

function* resultErrors(result: DeviceRequestAllocationResult, field: string, names: RequestNames): Errors {
  yield* validateRequestName(result.request ?? '', `${field}.request`, names);
  yield* validateDriverName(result.driver ?? '', `${field}.driver`);
  yield* validatePoolName(result.pool, `${field}.pool`);
  yield* dnsLabel(result.device ?? '', `${field}.device`);
  yield* validateBindingConditions(result, field);
  yield* validateList(result.tolerations ?? [], tolerationsMax, validateDeviceToleration, `${field}.tolerations`);
  if (result.shareID !== undefined) yield* validateUid(result.shareID, `${field}.shareID`);
}

function* configErrors(config: DeviceAllocationConfiguration, field: string, names: RequestNames): Errors {
  const { source = '' } = config;
  if (source === '') yield required(`${field}.source`);
  else if (source !== 'FromClaim' && source !== 'FromClass') {
    yield notSupported(`${field}.source`, source, ['FromClaim', 'FromClass']);
  }
  yield* validateRequestNames(config.requests ?? [], `${field}.requests`, names);
  yield* validateConfiguration(config.opaque, field, false);
}

/** What must come true before a pod may use a device, and what ends the wait: neither goes without the other. */
export function* validateBindingConditions(
  device: { readonly bindingConditions?: readonly string[]; readonly bindingFailureConditions?: readonly string[] },
  field: string,
): Errors {
  const { bindingConditions: success = [], bindingFailureConditions: failure = [] } = device;
  const successField = `${field}.bindingConditions`;
  const failureField = `${field}.bindingFailureConditions`;
  yield* validateList(success, bindingConditionsMax, qualifiedName, successField);
  yield* validateList(failure, bindingConditionsMax, qualifiedName, failureField);
  for (const [index, condition] of success.entries()) {
    if (success.indexOf(condition) < index) yield duplicate(`${successField}[${index}]`, condition);
  }
  for (const [index, condition] of failure.entries()) {
    const path = `${failureField}[${index}]`;
    if (failure.indexOf(condition) < index) yield duplicate(path, condition);
    if (success.includes(condition)) {
      yield invalid(path, condition, 'bindingFailureConditions must not overlap with bindingConditions');
    }
  }
  if (success.length === 0 && failure.length > 0) {
    const rule = 'bindingConditions are required to use bindingFailureConditions';
    yield invalid(successField, device.bindingConditions ?? null, rule);
  }
  if (failure.length === 0 && success.length > 0) {
    const rule = 'bindingFailureConditions are required to use bindingConditions';
    yield invalid(failureField, device.bindingFailureConditions ?? null, rule);
  }
}
