import { type FieldError, invalid, required } from '../../field-error.ts';
import { nameIsDnsSubdomain } from '../../names.ts';
import { shownMember } from '../../schema/empty-members.ts';
import type { CounterSet, Device, ResourcePool, ResourceSlice, ResourceSliceSpec } from '../../types.gen.ts';
import { dnsLabel, type Errors, each, immutable } from '../common.ts';
import { validateNodeSelector } from '../core/node-selector.ts';
import { internalForms } from '../internal-form.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';
import { validateCounters, validateDevice } from './device.ts';
import { validateSet } from './lists.ts';
import { validateDriverName, validatePoolName } from './names.ts';

const devicesMax = 128;
/** Devices with taints or shared counters cost more to look at. */
const advancedDevicesMax = 64;
const counterSetsMax = 8;

export function validateResourceSlice({ spec }: ResourceSlice): readonly FieldError[] {
  return [...specErrors(spec ?? {}, undefined)];
}

export function validateResourceSliceUpdate(slice: ResourceSlice, old: ResourceSlice): readonly FieldError[] {
  return [...validateMetaUpdateOfKind(slice.metadata, old.metadata), ...specErrors(slice.spec ?? {}, old.spec ?? {})];
}

type Spec = Partial<ResourceSliceSpec>;

function* specErrors(spec: Spec, old: Spec | undefined): Errors {
  const { driver = '', pool, nodeName, devices = [], sharedCounters = [] } = spec;
  yield* validateDriverName(driver, 'spec.driver');
  yield* poolErrors(pool ?? {}, 'spec.pool');
  if (old !== undefined) {
    yield* immutable(pool?.name ?? '', old.pool?.name ?? '', 'spec.pool.name');
    yield* immutable(driver, old.driver ?? '', 'spec.driver');
    yield* immutable(nodeName, old.nodeName, 'spec.nodeName');
  }
  yield* nodesErrors(spec);
  if (spec.sharedCounters !== undefined && spec.devices !== undefined) {
    yield invalid('spec', '', 'only one of `sharedCounters` or `devices` is allowed');
  }
  const isAdvanced = devices.some(
    ({ taints = [], consumesCounters = [] }) => taints.length + consumesCounters.length > 0,
  );
  const perDeviceNodes = spec.perDeviceNodeSelection === true;
  const check = (device: Device, field: string) => {
    const before = old?.devices?.find(({ name }) => name === device.name);
    return validateDevice(device, before, field, perDeviceNodes);
  };
  const nameOf = ({ name = '' }: { readonly name?: string }) => name;
  yield* validateSet(devices, isAdvanced ? advancedDevicesMax : devicesMax, check, nameOf, 'spec.devices');
  yield* validateSet(sharedCounters, counterSetsMax, counterSetErrors, nameOf, 'spec.sharedCounters');
}

function* poolErrors({ name, resourceSliceCount = 0, generation = 0 }: Partial<ResourcePool>, field: string): Errors {
  yield* validatePoolName(name, `${field}.name`);
  if (resourceSliceCount <= 0) {
    yield invalid(`${field}.resourceSliceCount`, resourceSliceCount, 'must be greater than zero');
  }
  if (generation < 0) yield invalid(`${field}.generation`, generation, 'must be greater than or equal to zero');
}

function* nodesErrors({ nodeName, nodeSelector, allNodes, perDeviceNodeSelection: perDevice }: Spec): Errors {
  const set: string[] = [];
  if (nodeName === '') {
    yield invalid('spec.nodeName', nodeName, 'must be either unset or set to a non-empty string');
  } else if (nodeName !== undefined) {
    set.push('`nodeName`');
    yield* each(nameIsDnsSubdomain(nodeName, false), 'spec.nodeName', nodeName);
  }
  if (nodeSelector !== undefined) {
    set.push('`nodeSelector`');
    yield* validateNodeSelector(nodeSelector, 'spec.nodeSelector');
    const terms = nodeSelector.nodeSelectorTerms ?? [];
    if (terms.length !== 1) {
      const shown =
        terms.length > 0 ? internalForms('NodeSelectorTerm', terms) : shownMember(nodeSelector, 'nodeSelectorTerms');
      yield invalid('spec.nodeSelector.nodeSelectorTerms', shown, 'must have exactly one node selector term');
    }
  }
  if (allNodes === true) set.push('`allNodes`');
  else if (allNodes === false) yield invalid('spec.allNodes', allNodes, 'must be either unset or set to true');
  if (perDevice === true) set.push('`perDeviceNodeSelection`');
  else if (perDevice === false) {
    yield invalid('spec.perDeviceNodeSelection', perDevice, 'must be either unset or set to true');
  }
  const rule = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';
  if (set.length === 0) yield required('spec', rule);
  else if (set.length > 1) yield invalid('spec', `{${set.join(', ')}}`, `${rule}, but multiple fields are set`);
}

function* counterSetErrors({ name = '', counters = {} }: Partial<CounterSet>, field: string): Errors {
  if (name === '') yield required(`${field}.name`);
  else yield* dnsLabel(name, `${field}.name`);
  yield* validateCounters(counters, `${field}.counters`);
}
