import { duplicate, type FieldError, invalid, notSupported, required } from '../../field-error.ts';
import { isDns1035Label, isFullyQualifiedName } from '../../names.ts';
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '../../types.gen.ts';
import { type Errors, each, supportedValue } from '../common.ts';
import { semanticallyEqual } from '../internal-form.ts';
import { hasInvalidSelector, validateLabelSelector } from '../label-selector.ts';
import { validateObjectMeta } from '../meta.ts';
import { validateClientConfig } from './client-config.ts';
import { validateMatchConditions } from './match-conditions.ts';
import { validateRule } from './rules.ts';

type Configuration = ValidatingWebhookConfiguration | MutatingWebhookConfiguration;
type Webhook = ValidatingWebhook | MutatingWebhook;

const failurePolicies = ['Fail', 'Ignore'];
const matchPolicies = ['Equivalent', 'Exact'];
const reinvocationPolicies = ['IfNeeded', 'Never'];
const allSideEffects = ['None', 'NoneOnDryRun', 'Some', 'Unknown'];
const noSideEffects = ['None', 'NoneOnDryRun'];
const reviewVersions = ['v1', 'v1beta1'];
const timeoutSecondsMax = 30;

/** What a configuration that stands got wrong by today's rules stays allowed to it. */
interface WebhookRules {
  readonly ignoreMatchConditions: boolean;
  readonly sideEffects: readonly string[];
  readonly requireKnownVersion: boolean;
  readonly requireUniqueNames: boolean;
  readonly allowInvalidSelectors: boolean;
}

function rulesFor(webhooks: readonly Webhook[], old: readonly Webhook[]): WebhookRules {
  const names = old.map(({ name }) => name);
  return {
    ignoreMatchConditions:
      old.length === webhooks.length &&
      old.every((hook, index) => semanticallyEqual(hook.matchConditions, webhooks[index]?.matchConditions)),
    sideEffects: old.every(({ sideEffects = '' }) => noSideEffects.includes(sideEffects))
      ? noSideEffects
      : allSideEffects,
    requireKnownVersion: old.every(
      ({ admissionReviewVersions: versions = [] }) => versions.length === 0 || versions.some(isKnownVersion),
    ),
    requireUniqueNames: new Set(names).size === names.length,
    allowInvalidSelectors: old.some(
      (hook) => hasInvalidSelector(hook.namespaceSelector) || hasInvalidSelector(hook.objectSelector),
    ),
  };
}

function isKnownVersion(version: string): boolean {
  return reviewVersions.includes(version);
}

const strictRules: WebhookRules = { ...rulesFor([], []), ignoreMatchConditions: false };

export function validateWebhooks({ webhooks = [] }: Configuration): readonly FieldError[] {
  return [...webhooksErrors(webhooks, strictRules)];
}

export function validateWebhooksUpdate(
  { metadata, webhooks = [] }: Configuration,
  old: Configuration,
): readonly FieldError[] {
  return [
    ...validateObjectMeta(metadata, { namespaced: false }),
    ...webhooksErrors(webhooks, rulesFor(webhooks, old.webhooks ?? [])),
  ];
}

function* webhooksErrors(webhooks: readonly Webhook[], rules: WebhookRules): Errors {
  const names = new Set<string>();
  for (const [index, webhook] of webhooks.entries()) {
    const field = `webhooks[${index}]`;
    yield* webhookErrors(webhook, field, rules);
    yield* versionsErrors(webhook.admissionReviewVersions ?? [], `${field}.admissionReviewVersions`, rules);
    const { name = '' } = webhook;
    if (name === '' || !rules.requireUniqueNames) continue;
    if (names.has(name)) yield duplicate(`${field}.name`, name);
    names.add(name);
  }
}

function* webhookErrors(webhook: Webhook, field: string, rules: WebhookRules): Errors {
  const { name = '', sideEffects, timeoutSeconds: seconds } = webhook;
  if (name === '') yield required(`${field}.name`);
  else yield* each(isFullyQualifiedName(name), `${field}.name`, name);
  for (const [index, rule] of (webhook.rules ?? []).entries()) yield* validateRule(rule, `${field}.rules[${index}]`);
  yield* supportedValue(webhook.failurePolicy, failurePolicies, `${field}.failurePolicy`);
  yield* supportedValue(webhook.matchPolicy, matchPolicies, `${field}.matchPolicy`);
  if (sideEffects === undefined) {
    yield required(`${field}.sideEffects`, `must specify one of ${rules.sideEffects.join(', ')}`);
  } else if (!rules.sideEffects.includes(sideEffects)) {
    yield notSupported(`${field}.sideEffects`, sideEffects, rules.sideEffects);
  }
  if (seconds !== undefined && (seconds < 1 || seconds > timeoutSecondsMax)) {
    const detail = `the timeout value must be between 1 and ${timeoutSecondsMax} seconds`;
    yield invalid(`${field}.timeoutSeconds`, seconds, detail);
  }
  yield* validateLabelSelector(webhook.namespaceSelector, `${field}.namespaceSelector`, rules.allowInvalidSelectors);
  yield* validateLabelSelector(webhook.objectSelector, `${field}.objectSelector`, rules.allowInvalidSelectors);
  if ('reinvocationPolicy' in webhook) {
    yield* supportedValue(webhook.reinvocationPolicy, reinvocationPolicies, `${field}.reinvocationPolicy`);
  }
  yield* validateClientConfig(webhook.clientConfig ?? {}, `${field}.clientConfig`);
  if (!rules.ignoreMatchConditions) {
    yield* validateMatchConditions(webhook.matchConditions ?? [], `${field}.matchConditions`);
  }
}

function* versionsErrors(versions: readonly string[], field: string, rules: WebhookRules): Errors {
  const known = reviewVersions.join(', ');
  if (versions.length === 0) {
    yield required(field, `must specify one of ${known}`);
    return;
  }
  for (const [index, version] of versions.entries()) {
    const path = `${field}[${index}]`;
    if (versions.indexOf(version) < index) yield invalid(path, version, 'duplicate version');
    else yield* each(isDns1035Label(version), path, version);
  }
  if (rules.requireKnownVersion && !versions.some(isKnownVersion)) {
    yield invalid(field, versions, `must include at least one of ${known}`);
  }
}
