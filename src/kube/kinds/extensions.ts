import {
  setApiServiceDefaults,
  setCustomResourceDefinitionDefaults,
  setMutatingPolicyDefaults,
  setMutatingWebhooksDefaults,
  setPolicyBindingDefaults,
  setValidatingPolicyDefaults,
  setValidatingWebhooksDefaults,
} from '../defaults/extensions.ts';
import type { Kind } from '../kind.ts';
import { nameIsPathSegment } from '../names.ts';
import {
  apiservices,
  customresourcedefinitions,
  mutatingadmissionpolicies,
  mutatingadmissionpolicybindings,
  mutatingwebhookconfigurations,
  validatingadmissionpolicies,
  validatingadmissionpolicybindings,
  validatingwebhookconfigurations,
} from '../resources.gen.ts';
import { prepareApiServiceForCreate } from '../strategy/api-service.ts';
import { prepareDefinitionForCreate, prepareDefinitionForUpdate } from '../strategy/custom-resource-definition.ts';
import { definitionWarnings } from '../strategy/definition-warnings.ts';
import { specAndStatus, statusOnly, statusOnlyResetFields, statusSubresource } from '../strategy/status.ts';
import {
  validateMutatingPolicy,
  validateMutatingPolicyUpdate,
} from '../validation/admissionregistration/mutating-policy.ts';
import {
  validateMutatingBinding,
  validateMutatingBindingUpdate,
  validateValidatingBinding,
  validateValidatingBindingUpdate,
} from '../validation/admissionregistration/policy-binding.ts';
import {
  validateValidatingPolicy,
  validateValidatingPolicyStatusUpdate,
  validateValidatingPolicyUpdate,
} from '../validation/admissionregistration/validating-policy.ts';
import { validateWebhooks, validateWebhooksUpdate } from '../validation/admissionregistration/webhook-configuration.ts';
import {
  validateDefinition,
  validateDefinitionStatus,
  validateDefinitionUpdate,
} from '../validation/apiextensions/definition.ts';
import {
  validateApiService,
  validateApiServiceStatusUpdate,
  validateApiServiceUpdate,
} from '../validation/apiregistration/api-service.ts';
import { kindOf } from './kind-of.ts';
import { countedSpec } from './plain.ts';

const conditional = { allowUnconditionalUpdate: false };

/** What extends or guards the API itself. */
export const extensionKinds: readonly Kind[] = [
  kindOf(apiservices, {
    ...statusOnly(apiservices),
    ...conditional,
    prepareForCreate: prepareApiServiceForCreate,
    setDefaults: setApiServiceDefaults,
    validateName: nameIsPathSegment,
    validateCreate: validateApiService,
    validateUpdate: validateApiServiceUpdate,
    subresources: {
      status: statusSubresource({ restoresMetadata: true, validateUpdate: validateApiServiceStatusUpdate }),
    },
    resetFields: statusOnlyResetFields,
  }),
  kindOf(mutatingadmissionpolicies, {
    ...countedSpec('spec'),
    ...conditional,
    setDefaults: setMutatingPolicyDefaults,
    validateCreate: validateMutatingPolicy,
    validateUpdate: validateMutatingPolicyUpdate,
  }),
  kindOf(mutatingadmissionpolicybindings, {
    ...countedSpec('spec'),
    ...conditional,
    setDefaults: setPolicyBindingDefaults,
    validateCreate: validateMutatingBinding,
    validateUpdate: validateMutatingBindingUpdate,
  }),
  kindOf(mutatingwebhookconfigurations, {
    ...countedSpec('webhooks'),
    ...conditional,
    setDefaults: setMutatingWebhooksDefaults,
    validateCreate: validateWebhooks,
    validateUpdate: validateWebhooksUpdate,
  }),
  kindOf(validatingadmissionpolicies, {
    ...specAndStatus(validatingadmissionpolicies),
    ...conditional,
    setDefaults: setValidatingPolicyDefaults,
    validateCreate: validateValidatingPolicy,
    validateUpdate: validateValidatingPolicyUpdate,
    subresources: {
      status: statusSubresource({ restoresMetadata: true, validateUpdate: validateValidatingPolicyStatusUpdate }),
    },
    resetFields: statusOnlyResetFields,
  }),
  kindOf(validatingadmissionpolicybindings, {
    ...countedSpec('spec'),
    ...conditional,
    setDefaults: setPolicyBindingDefaults,
    validateCreate: validateValidatingBinding,
    validateUpdate: validateValidatingBindingUpdate,
  }),
  kindOf(validatingwebhookconfigurations, {
    ...countedSpec('webhooks'),
    ...conditional,
    setDefaults: setValidatingWebhooksDefaults,
    validateCreate: validateWebhooks,
    validateUpdate: validateWebhooksUpdate,
  }),
  kindOf(customresourcedefinitions, {
    ...conditional,
    setDefaults: setCustomResourceDefinitionDefaults,
    prepareForCreate: prepareDefinitionForCreate,
    prepareForUpdate: prepareDefinitionForUpdate,
    validateCreate: validateDefinition,
    validateUpdate: validateDefinitionUpdate,
    warnings: definitionWarnings,
    subresources: {
      status: { ...statusSubresource({ restoresMetadata: true }), validateUpdate: validateDefinitionStatus },
    },
    resetFields: statusOnlyResetFields,
  }),
];
