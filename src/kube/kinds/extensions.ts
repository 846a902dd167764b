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
  kindOf(mutatingadmissionpolicies, { ...countedSpec('spec'), ...conditional, setDefaults: setMutatingPolicyDefaults }),
  kindOf(mutatingadmissionpolicybindings, {
    ...countedSpec('spec'),
    ...conditional,
    setDefaults: setPolicyBindingDefaults,
  }),
  kindOf(mutatingwebhookconfigurations, {
    ...countedSpec('webhooks'),
    ...conditional,
    setDefaults: setMutatingWebhooksDefaults,
  }),
  kindOf(validatingadmissionpolicies, {
    ...specAndStatus(validatingadmissionpolicies),
    ...conditional,
    setDefaults: setValidatingPolicyDefaults,
    subresources: { status: statusSubresource({ restoresMetadata: true }) },
    resetFields: statusOnlyResetFields,
  }),
  kindOf(validatingadmissionpolicybindings, {
    ...countedSpec('spec'),
    ...conditional,
    setDefaults: setPolicyBindingDefaults,
  }),
  kindOf(validatingwebhookconfigurations, {
    ...countedSpec('webhooks'),
    ...conditional,
    setDefaults: setValidatingWebhooksDefaults,
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
