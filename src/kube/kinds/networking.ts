import { setEndpointSliceDefaults, setIngressClassDefaults, setNetworkPolicyDefaults } from '../defaults/policies.ts';
import { nameIsIpAddress } from '../ip-address-name.ts';
import type { Kind } from '../kind.ts';
import { nameIsPathSegment } from '../names.ts';
import {
  endpointslices,
  ingressclasses,
  ingresses,
  ipaddresses,
  networkpolicies,
  poddisruptionbudgets,
  servicecidrs,
} from '../resources.gen.ts';
import { isSemanticallyEqual } from '../strategy/equal.ts';
import { endpointSliceWarnings, ingressWarnings } from '../strategy/small-warnings.ts';
import {
  bumpGeneration,
  specAndStatus,
  specAndStatusResetFields,
  statusOnly,
  statusSubresource,
} from '../strategy/status.ts';
import { kindOf } from './kind-of.ts';
import { countedSpec } from './plain.ts';

const resetFields = specAndStatusResetFields();

export const networkingKinds: readonly Kind[] = [
  kindOf(ingressclasses, { ...countedSpec('spec'), setDefaults: setIngressClassDefaults }),
  kindOf(ingresses, {
    ...specAndStatus(ingresses),
    warnings: ingressWarnings,
    subresources: { status: statusSubresource() },
    resetFields,
  }),
  kindOf(ipaddresses, { validateName: nameIsIpAddress }),
  kindOf(networkpolicies, { ...countedSpec('spec'), setDefaults: setNetworkPolicyDefaults }),
  kindOf(servicecidrs, { ...statusOnly(servicecidrs), subresources: { status: statusSubresource() }, resetFields }),
  kindOf(endpointslices, {
    setDefaults: setEndpointSliceDefaults,
    warnings: endpointSliceWarnings,
    prepareForCreate(slice) {
      slice.metadata.generation = 1;
    },
    // Controllers read the labels too, so a change of them counts.
    prepareForUpdate(slice, old) {
      bumpGeneration(slice, old, 'endpoints', 'ports', 'addressType');
      if (slice.metadata.generation !== old.metadata.generation) return;
      if (isSemanticallyEqual(slice.metadata.labels, old.metadata.labels)) return;
      slice.metadata.generation = (old.metadata.generation ?? 0) + 1;
    },
  }),
  kindOf(poddisruptionbudgets, {
    ...specAndStatus(poddisruptionbudgets),
    allowUnconditionalUpdate: false,
    validateName: nameIsPathSegment,
    subresources: { status: statusSubresource() },
    resetFields,
  }),
];
