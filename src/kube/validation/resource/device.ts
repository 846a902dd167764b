import { type FieldError, invalid, notSupported, required, tooLong } from '../../field-error.ts';
import { nameIsDnsSubdomain } from '../../names.ts';
import { shownMember } from '../../schema/empty-members.ts';
import type { Device, DeviceAttribute, DeviceCounterConsumption, DeviceTaint } from '../../types.gen.ts';
import { dnsLabel, type Errors, each, labelValue, qualifiedName } from '../common.ts';
import { validateNodeSelector } from '../core/node-selector.ts';
import { internalForm, semanticallyEqual } from '../internal-form.ts';
import { validateCapacity } from './capacity.ts';
import { validateBindingConditions } from './claim-status.ts';
import { taintEffects } from './configuration.ts';
import { validateList, validateMap, validateSet } from './lists.ts';
import { validateDeviceQualifiedName } from './names.ts';

const attributesAndCapacitiesMax = 32;
const keyBytesMax = 63 + 1 + 32;
const taintsMax = 16;
const countersMax = 32;
const consumptionsMax = 2;
const valueBytesMax = 64;
const unbounded = Number.POSITIVE_INFINITY;

/** One device of a slice. What is as it was need not meet today's rules. */
export function* validateDevice(
  device: Partial<Device>,
  old: Device | undefined,
  field: string,
  perDeviceNodes: boolean,
): Errors {
  const { attributes = {}, capacity = {}, taints = [], consumesCounters = [] } = device;
  yield* dnsLabel(device.name ?? '', `${field}.name`);
  const entries = Object.keys(attributes).length + Object.keys(capacity).length;
  if (entries > attributesAndCapacitiesMax) {
    const rule = `the total number of attributes and capacities must not exceed ${attributesAndCapacitiesMax}`;
    yield invalid(field, entries, rule);
  }
  yield* validateMap(
    attributes,
    unbounded,
    keyBytesMax,
    validateDeviceQualifiedName,
    attributeErrors,
    `${field}.attributes`,
  );
  if (old === undefined || !semanticallyEqual(capacity, old.capacity)) {
    const isShared = device.allowMultipleAllocations === true;
    yield* validateMap(
      capacity,
      unbounded,
      keyBytesMax,
      validateDeviceQualifiedName,
      (one, path) => validateCapacity(one, path, isShared),
      `${field}.capacity`,
    );
  }
  if (old === undefined || !semanticallyEqual(taints, old.taints)) {
    yield* validateList(taints, taintsMax, taintErrors, `${field}.taints`);
  }
  const setOf = ({ counterSet = '' }: DeviceCounterConsumption) => counterSet;
  yield* validateSet(consumesCounters, consumptionsMax, consumptionErrors, setOf, `${field}.consumesCounters`);
  yield* nodesErrors(device, field, perDeviceNodes);
  yield* validateBindingConditions(device, field);
}

function* nodesErrors(device: Partial<Device>, field: string, perDeviceNodes: boolean): Errors {
  const { nodeName, nodeSelector, allNodes } = device;
  const set: string[] = [];
  if (!perDeviceNodes) {
    if (nodeName === undefined && nodeSelector === undefined && allNodes === undefined) return;
    const rule =
      '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec';
    yield invalid(field, null, rule);
    return;
  }
  if (nodeName === '') yield invalid(`${field}.nodeName`, nodeName, 'must not be empty');
  else if (nodeName !== undefined) {
    set.push('`nodeName`');
    yield* each(nameIsDnsSubdomain(nodeName, false), `${field}.nodeName`, nodeName);
  }
  if (nodeSelector !== undefined) {
    set.push('`nodeSelector`');
    yield* validateNodeSelector(nodeSelector, `${field}.nodeSelector`);
  }
  if (allNodes === true) set.push('`allNodes`');
  else if (allNodes === false) yield invalid(`${field}.allNodes`, allNodes, 'must be either unset or set to true');
  const rule =
    'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec';
  if (set.length === 0) yield required(field, rule);
  else if (set.length > 1) yield invalid(field, `{${set.join(', ')}}`, rule);
}

const number = '(0|[1-9]\\d*)';
const prerelease = '(0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)';
const build = '[0-9a-zA-Z-]+';
/** Semantic versioning 2.0.0. */
const versionPattern = new RegExp(
  `^${number}\\.${number}\\.${number}(-${prerelease}(\\.${prerelease})*)?(\\+${build}(\\.${build})*)?$`,
);

function* attributeErrors(attribute: DeviceAttribute, field: string): Errors {
  const { string: text, version, strings = [], versions = [] } = attribute;
  if (text !== undefined) yield* textErrors(text, `${field}.string`);
  if (version !== undefined) yield* versionErrors(version, `${field}.version`);
  for (const name of ['bools', 'ints', 'strings', 'versions'] as const) {
    const shown = shownMember(attribute, name);
    if (Array.isArray(shown) && shown.length === 0) {
      yield invalid(`${field}.${name}`, shown, 'must not be empty if specified');
    }
  }
  for (const [index, one] of strings.entries()) yield* textErrors(one, `${field}.strings[${index}]`);
  for (const [index, one] of versions.entries()) yield* versionErrors(one, `${field}.versions[${index}]`);
  const values = Object.values(attribute).filter((value) => value !== undefined);
  const rule = 'exactly one value must be specified';
  if (values.length === 0) yield invalid(field, '', rule);
  else if (values.length > 1) yield invalid(field, internalForm('DeviceAttribute', attribute), rule);
}

function* textErrors(text: string, field: string): Errors {
  if (Buffer.byteLength(text) > valueBytesMax) yield tooLong(field, valueBytesMax);
}

function* versionErrors(version: string, field: string): Errors {
  if (!versionPattern.test(version)) {
    yield invalid(field, version, 'must be a string compatible with semver.org spec 2.0.0');
  }
  yield* textErrors(version, field);
}

function* taintErrors({ key = '', value = '', effect = '' }: Partial<DeviceTaint>, field: string): Errors {
  yield* qualifiedName(key, `${field}.key`);
  if (value !== '') yield* labelValue(value, `${field}.value`);
  if (effect === '') yield required(`${field}.effect`);
  else if (!taintEffects.includes(effect)) yield notSupported(`${field}.effect`, effect, taintEffects);
}

function* consumptionErrors({ counterSet = '', counters = {} }: DeviceCounterConsumption, field: string): Errors {
  if (counterSet === '') yield required(`${field}.counterSet`);
  else yield* dnsLabel(counterSet, `${field}.counterSet`);
  yield* validateCounters(counters, `${field}.counters`);
}

/** Any quantity will do for a counter; what matters is its name. */
export function* validateCounters(counters: Readonly<Record<string, unknown>>, field: string): Errors {
  if (Object.keys(counters).length === 0) yield required(field);
  else yield* validateMap(counters, countersMax, 63, dnsLabel, () => none(), field);
}

function* none(): Generator<FieldError, void, undefined> {}
