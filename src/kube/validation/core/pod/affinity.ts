import { forbidden, invalid, required } from '../../../field-error.ts';
import { nameIsDnsLabel } from '../../../names.ts';
import type {
  Affinity,
  LabelSelector,
  PodAffinity,
  PodAffinityTerm,
  PreferredSchedulingTerm,
} from '../../../types.gen.ts';
import { type Errors, each, qualifiedName } from '../../common.ts';
import { validateLabelSelector } from '../../label-selector.ts';
import { validateNodeSelector, validateNodeSelectorTerm } from '../node-selector.ts';
import type { PodRules } from './rules.ts';

const requiredTerms = 'requiredDuringSchedulingIgnoredDuringExecution';
const preferredTerms = 'preferredDuringSchedulingIgnoredDuringExecution';

export function* validateAffinity(affinity: Affinity | undefined, field: string, rules: PodRules): Errors {
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity ?? {};
  if (nodeAffinity !== undefined) {
    const path = `${field}.nodeAffinity`;
    const selector = nodeAffinity[requiredTerms];
    if (selector !== undefined) {
      yield* validateNodeSelector(selector, `${path}.${requiredTerms}`, rules.allowInvalidNodeSelectorValues);
    }
    yield* validatePreferredTerms(nodeAffinity[preferredTerms] ?? [], `${path}.${preferredTerms}`);
  }
  if (podAffinity !== undefined) yield* validatePodAffinity(podAffinity, `${field}.podAffinity`, rules);
  if (podAntiAffinity !== undefined) yield* validatePodAffinity(podAntiAffinity, `${field}.podAntiAffinity`, rules);
}

function* validatePreferredTerms(terms: readonly PreferredSchedulingTerm[], field: string): Errors {
  for (const [index, { weight = 0, preference }] of terms.entries()) {
    yield* validateWeight(weight, `${field}[${index}].weight`);
    // Values that are no label values may stand in preferences, where they merely never match.
    yield* validateNodeSelectorTerm(preference ?? {}, `${field}[${index}].preference`, true);
  }
}

function* validateWeight(weight: number, field: string): Errors {
  if (weight <= 0 || weight > 100) yield invalid(field, weight, 'must be in the range 1-100');
}

function* validatePodAffinity(affinity: PodAffinity, field: string, rules: PodRules): Errors {
  for (const [index, term] of (affinity[requiredTerms] ?? []).entries()) {
    yield* validatePodAffinityTerm(term, `${field}.${requiredTerms}[${index}]`, rules);
  }
  for (const [index, { weight = 0, podAffinityTerm: term }] of (affinity[preferredTerms] ?? []).entries()) {
    const path = `${field}.${preferredTerms}[${index}]`;
    yield* validateWeight(weight, `${path}.weight`);
    yield* validatePodAffinityTerm(term, `${path}.podAffinityTerm`, rules);
  }
}

function* validatePodAffinityTerm(term: PodAffinityTerm, field: string, rules: PodRules): Errors {
  const { topologyKey = '' } = term ?? {};
  const allowInvalid = rules.allowInvalidSelectorValues;
  yield* validateLabelSelector(term.labelSelector, `${field}.labelSelector`, allowInvalid);
  yield* validateLabelSelector(term.namespaceSelector, `${field}.namespaceSelector`, allowInvalid);
  for (const name of term.namespaces ?? []) yield* each(nameIsDnsLabel(name, false), `${field}.namespace`, name);
  yield* validateMatchLabelKeys(term.matchLabelKeys ?? [], term.mismatchLabelKeys ?? [], term.labelSelector, field);
  if (topologyKey === '') yield required(`${field}.topologyKey`, 'can not be empty');
  yield* qualifiedName(topologyKey, `${field}.topologyKey`);
}

/**
 * Keys whose values are taken from the incoming pod and merged into the selector. The selector as it is stored already
 * has them, so a key that stands there twice was also written by the user.
 */
export function* validateMatchLabelKeys(
  match: readonly string[],
  mismatch: readonly string[],
  selector: LabelSelector | undefined,
  field: string,
): Errors {
  yield* labelKeys(match, selector, `${field}.matchLabelKeys`);
  yield* labelKeys(mismatch, selector, `${field}.mismatchLabelKeys`);
  const seen = new Set(Object.keys(selector?.matchLabels ?? {}));
  for (const { key } of selector?.matchExpressions ?? []) {
    const index = match.lastIndexOf(key);
    if (index >= 0 && seen.has(key)) {
      yield invalid(`${field}[${index}]`, key, 'exists in both matchLabelKeys and labelSelector');
    }
    seen.add(key);
  }
  for (const [index, key] of match.entries()) {
    if (!mismatch.includes(key)) continue;
    yield invalid(`${field}.matchLabelKeys[${index}]`, key, 'exists in both matchLabelKeys and mismatchLabelKeys');
  }
}

function* labelKeys(keys: readonly string[], selector: LabelSelector | undefined, field: string): Errors {
  if (keys.length === 0) return;
  if (selector === undefined) {
    yield forbidden(field, 'must not be specified when labelSelector is not set');
    return;
  }
  for (const [index, key] of keys.entries()) yield* qualifiedName(key, `${field}[${index}]`);
}
