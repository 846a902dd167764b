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
import { validateEndpointSlice, validateEndpointSliceUpdate } from '../validation/discovery/endpoint-slice.ts';
import {
  validateIngress,
  validateIngressStatusUpdate,
  validateIngressUpdate,
} from '../validation/networking/ingress.ts';
import { validateIngressClass, validateIngressClassUpdate } from '../validation/networking/ingress-class.ts';
import { validateIpAddress, validateIpAddressUpdate } from '../validation/networking/ip-address.ts';
import { validateNetworkPolicy, validateNetworkPolicyUpdate } from '../validation/networking/network-policy.ts';
import {
  validateServiceCidr,
  validateServiceCidrStatusUpdate,
  validateServiceCidrUpdate,
} from '../validation/networking/service-cidr.ts';
import {
  validatePodDisruptionBudget,
  validatePodDisruptionBudgetStatusUpdate,
  validatePodDisruptionBudgetUpdate,
} from '../validation/policy/pod-disruption-budget.ts';
import { kindOf } from './kind-of.ts';
import { countedSpec } from './plain.ts';

const resetFields = specAndStatusResetFields();

export const networkingKinds: readonly Kind[] = [
  kindOf(ingressclasses, {
    ...countedSpec('spec'),
    setDefaults: setIngressClassDefaults,
    validateCreate: validateIngressClass,
    validateUpdate: validateIngressClassUpdate,
  }),
  kindOf(ingresses, {
    ...specAndStatus(ingresses),
    validateCreate: validateIngress,
    validateUpdate: validateIngressUpdate,
    warnings: ingressWarnings,
    subresources: { status: statusSubresource({ validateUpdate: validateIngressStatusUpdate }) },
    resetFields,
  }),
  kindOf(ipaddresses, {
    validateName: nameIsIpAddress,
    validateCreate: validateIpAddress,
    validateUpdate: validateIpAddressUpdate,
  }),
  kindOf(networkpolicies, {
    ...countedSpec('spec'),
    setDefaults: setNetworkPolicyDefaults,
    validateCreate: validateNetworkPolicy,
    validateUpdate: validateNetworkPolicyUpdate,
  }),
  kindOf(servicecidrs, {
    ...statusOnly(servicecidrs),
    validateCreate: validateServiceCidr,
    validateUpdate: validateServiceCidrUpdate,
    subresources: { status: statusSubresource({ validateUpdate: validateServiceCidrStatusUpdate }) },
    resetFields,
  }),
  kindOf(endpointslices, {
    setDefaults: setEndpointSliceDefaults,
    validateCreate: validateEndpointSlice,
    validateUpdate: validateEndpointSliceUpdate,
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
    validateCreate: validatePodDisruptionBudget,
    validateUpdate: validatePodDisruptionBudgetUpdate,
    subresources: { status: statusSubresource({ validateUpdate: validatePodDisruptionBudgetStatusUpdate }) },
    resetFields,
  }),
];
