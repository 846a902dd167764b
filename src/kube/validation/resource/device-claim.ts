import { invalid, notSupported, required } from '../../field-error.ts';
import type {
  DeviceClaim,
  DeviceClaimConfiguration,
  DeviceConstraint,
  DeviceRequest,
  DeviceSubRequest,
  ExactDeviceRequest,
} from '../../types.gen.ts';
import { dnsLabel, dnsSubdomain, type Errors } from '../common.ts';
import { validateConfiguration, validateDeviceToleration, validateSelectors } from './configuration.ts';
import { validateList, validateSet } from './lists.ts';
import { validateFullyQualifiedName } from './names.ts';

const requestsMax = 32;
const constraintsMax = 32;
const configurationsMax = 32;
const alternativesMax = 8;
const tolerationsMax = 16;

/** The requests of a claim with their alternatives, by which other parts of it refer to them. */
export type RequestNames = ReadonlyMap<string, readonly string[]>;

export function requestNamesOf({ requests = [] }: DeviceClaim): RequestNames {
  return new Map(
    requests.map(({ name = '', firstAvailable = [] }) => [name, firstAvailable.map((one) => one.name ?? '')]),
  );
}

/** Which devices are claimed. `isStored` where the claim can't have changed. */
export function* validateDeviceClaim(claim: DeviceClaim, field: string, isStored: boolean): Errors {
  const { requests = [], constraints = [], config = [] } = claim;
  const names = requestNamesOf(claim);
  const nameOf = ({ name = '' }: Partial<DeviceRequest>) => name;
  const checkRequest = (request: DeviceRequest, path: string) => requestErrors(request, path, isStored);
  const checkConfig = (one: DeviceClaimConfiguration, path: string) => configErrors(one, path, names, isStored);
  yield* validateSet(requests, requestsMax, checkRequest, nameOf, `${field}.requests`);
  yield* validateList(
    constraints,
    constraintsMax,
    (constraint, path) => constraintErrors(constraint, path, names),
    `${field}.constraints`,
  );
  yield* validateList(config, configurationsMax, checkConfig, `${field}.config`);
}

function* requestErrors(request: Partial<DeviceRequest>, field: string, isStored: boolean): Errors {
  const { name = '', exactly, firstAvailable = [] } = request;
  yield* dnsLabel(name, `${field}.name`);
  const rule = 'exactly one of `exactly` or `firstAvailable` is required';
  if (exactly === undefined && firstAvailable.length === 0) yield required(field, rule);
  else if (exactly !== undefined && firstAvailable.length > 0) {
    yield invalid(field, null, `${rule}, but multiple fields are set`);
  } else if (exactly !== undefined) yield* wantErrors(exactly, `${field}.exactly`, isStored);
  else {
    const check = (one: Partial<DeviceSubRequest>, path: string) => alternativeErrors(one, path, isStored);
    yield* validateSet(firstAvailable, alternativesMax, check, (one) => one.name ?? '', `${field}.firstAvailable`);
  }
}

function* alternativeErrors(request: Partial<DeviceSubRequest>, field: string, isStored: boolean): Errors {
  yield* dnsLabel(request.name ?? '', `${field}.name`);
  yield* wantErrors(request, field, isStored);
}

function* wantErrors(request: Partial<ExactDeviceRequest>, field: string, isStored: boolean): Errors {
  const { deviceClassName = '', selectors = [], allocationMode = '', count = 0, tolerations = [] } = request;
  if (deviceClassName === '') yield required(`${field}.deviceClassName`);
  else yield* dnsSubdomain(deviceClassName, `${field}.deviceClassName`);
  yield* validateSelectors(selectors, `${field}.selectors`, isStored);
  if (allocationMode === 'All') {
    if (count !== 0) yield invalid(`${field}.count`, count, "must not be specified when allocationMode is 'All'");
  } else if (allocationMode === 'ExactCount') {
    if (count <= 0) yield invalid(`${field}.count`, count, 'must be greater than zero');
  } else yield notSupported(`${field}.allocationMode`, allocationMode, ['All', 'ExactCount']);
  yield* validateList(tolerations, tolerationsMax, validateDeviceToleration, `${field}.tolerations`);
}

function* constraintErrors(constraint: DeviceConstraint, field: string, names: RequestNames): Errors {
  const { requests = [], matchAttribute, distinctAttribute } = constraint;
  yield* validateRequestNames(requests, `${field}.requests`, names);
  if (matchAttribute !== undefined) yield* validateFullyQualifiedName(matchAttribute, `${field}.matchAttribute`);
  else if (distinctAttribute !== undefined) {
    yield* validateFullyQualifiedName(distinctAttribute, `${field}.distinctAttribute`);
  } else {
    const rule = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set';
    yield required(field, rule);
  }
}

function* configErrors(
  config: DeviceClaimConfiguration,
  field: string,
  names: RequestNames,
  isStored: boolean,
): Errors {
  yield* validateRequestNames(config.requests ?? [], `${field}.requests`, names);
  yield* validateConfiguration(config.opaque, field, isStored);
}

export function validateRequestNames(requests: readonly string[], field: string, names: RequestNames): Errors {
  const check = (name: string, path: string) => validateRequestName(name, path, names);
  return validateSet(requests, requestsMax, check, (name) => name, field);
}

/** `request`, or `request/alternative`. */
export function* validateRequestName(reference: string, field: string, names: RequestNames): Errors {
  const rule = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
  const [name = '', alternative, ...rest] = reference.split('/');
  if (rest.length > 0) {
    yield invalid(field, reference, rule);
    return;
  }
  yield* dnsLabel(name, field);
  if (alternative !== undefined) yield* dnsLabel(alternative, field);
  const alternatives = names.get(name);
  const isKnown = alternatives !== undefined && (alternative === undefined || alternatives.includes(alternative));
  if (!isKnown) yield invalid(field, reference, rule);
}
