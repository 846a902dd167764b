import { meetsRequirement } from './requirement.ts';
import type { LabelSelector } from './types.gen.ts';

type Labels = Readonly<Record<string, string>>;

/**
 * metav1.LabelSelector as LabelSelectorAsSelector reads it: absent selects nothing, empty selects everything; an
 * operator that is unknown selects nothing.
 */
export function matchesLabelSelector(selector: LabelSelector | undefined, labels: Labels | undefined): boolean {
  if (selector === undefined) return false;
  if (!matchesLabels(selector.matchLabels, labels)) return false;
  return (selector.matchExpressions ?? []).every(
    ({ key, operator, values = [] }) =>
      setOperators.includes(operator) && meetsRequirement(operator, labels?.[key], values),
  );
}

/** True when `labels` has each entry of `wanted`; an absent or empty `wanted` matches everything. */
export function matchesLabels(wanted: Labels | undefined, labels: Labels | undefined): boolean {
  for (const [key, value] of Object.entries(wanted ?? {})) if (labels?.[key] !== value) return false;
  return true;
}

/** True for a selector that is absent or has no requirement. */
export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  if (selector === undefined) return true;
  return Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
}

const setOperators: readonly string[] = ['In', 'NotIn', 'Exists', 'DoesNotExist'];
