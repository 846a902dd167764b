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
    prepareForUpdate: (slice, old) => bumpGeneration(slice, old, 'endpoints', 'ports', 'addressType'),
  }),
  kindOf(poddisruptionbudgets, {
    ...specAndStatus(poddisruptionbudgets),
    allowUnconditionalUpdate: false,
    validateName: nameIsPathSegment,
    subresources: { status: statusSubresource() },
    resetFields,
  }),
];
