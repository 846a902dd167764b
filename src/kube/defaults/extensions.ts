import type { Draft } from '../draft.ts';
import type {
  APIService,
  CustomResourceDefinition,
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhookConfiguration,
  RuleWithOperations,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '../types.gen.ts';

/** The port of a webhook's Service. */
const httpsPort = 443;

export function setValidatingWebhooksDefaults({ webhooks }: Draft<ValidatingWebhookConfiguration>): void {
  for (const webhook of webhooks ?? []) setWebhookDefaults(webhook);
}

export function setMutatingWebhooksDefaults({ webhooks }: Draft<MutatingWebhookConfiguration>): void {
  for (const webhook of webhooks ?? []) {
    setWebhookDefaults(webhook);
    webhook.reinvocationPolicy ??= 'Never';
  }
}

// Both kinds of webhooks have these members.
function setWebhookDefaults(webhook: Draft<ValidatingWebhook>): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  if (webhook.clientConfig?.service !== undefined) webhook.clientConfig.service.port ??= httpsPort;
  setRuleDefaults(webhook.rules);
}

function setRuleDefaults(rules: readonly Draft<RuleWithOperations>[] | undefined): void {
  for (const rule of rules ?? []) rule.scope ??= '*';
}

function setMatchDefaults(match: Draft<MatchResources> | undefined): void {
  if (match === undefined) return;
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  setRuleDefaults(match.resourceRules);
  setRuleDefaults(match.excludeResourceRules);
}

export function setValidatingPolicyDefaults({ spec }: Draft<ValidatingAdmissionPolicy>): void {
  if (spec === undefined) return;
  spec.failurePolicy ??= 'Fail';
  setMatchDefaults(spec.matchConstraints);
}

export function setMutatingPolicyDefaults({ spec }: Draft<MutatingAdmissionPolicy>): void {
  if (spec === undefined) return;
  spec.failurePolicy ??= 'Fail';
  setMatchDefaults(spec.matchConstraints);
}

export function setPolicyBindingDefaults({
  spec,
}: Draft<ValidatingAdmissionPolicyBinding> | Draft<MutatingAdmissionPolicyBinding>): void {
  setMatchDefaults(spec?.matchResources);
}

export function setApiServiceDefaults({ spec }: Draft<APIService>): void {
  if (spec?.service !== undefined) spec.service.port ??= httpsPort;
}

export function setCustomResourceDefinitionDefaults({ spec }: Draft<CustomResourceDefinition>): void {
  const { names } = spec;
  if (names?.kind) {
    names.singular ??= names.kind.toLowerCase();
    names.listKind ??= `${names.kind}List`;
  }
  spec.conversion ??= { strategy: 'None' };
  const service = spec.conversion.webhook?.clientConfig?.service;
  if (service !== undefined) service.port ??= httpsPort;
}
