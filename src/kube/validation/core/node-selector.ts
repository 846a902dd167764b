import { invalid, required } from '../../field-error.ts';
import { nameIsDnsSubdomain } from '../../names.ts';
import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm } from '../../types.gen.ts';
import { type Errors, each, labelValue } from '../common.ts';
import { validateRequirement } from '../label-selector.ts';

/** Node affinity's selector: terms of expressions over labels and over metadata.name. Pods, volumes and slices have it. */
export function* validateNodeSelector(selector: NodeSelector, field: string, allowInvalidValues = false): Errors {
  const path = `${field}.nodeSelectorTerms`;
  const terms = selector.nodeSelectorTerms ?? [];
  if (terms.length === 0) yield required(path, 'must have at least one node selector term');
  for (const [index, term] of terms.entries()) {
    yield* validateNodeSelectorTerm(term, `${path}[${index}]`, allowInvalidValues);
  }
}

export function* validateNodeSelectorTerm(term: NodeSelectorTerm, field: string, allowInvalidValues: boolean): Errors {
  for (const [index, requirement] of (term.matchExpressions ?? []).entries()) {
    const path = `${field}.matchExpressions[${index}]`;
    yield* validateRequirement(requirement, path, allowInvalidValues, comparisons);
  }
  for (const [index, requirement] of (term.matchFields ?? []).entries()) {
    yield* validateFieldRequirement(requirement, `${field}.matchFields[${index}]`);
  }
}

const comparisons = ['Gt', 'Lt'];

function* validateFieldRequirement(rule: NodeSelectorRequirement, field: string): Errors {
  const values = rule.values ?? [];
  if (rule.operator !== 'In' && rule.operator !== 'NotIn') {
    yield invalid(`${field}.operator`, rule.operator ?? '', 'not a valid selector operator');
  } else if (values.length !== 1) {
    const detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
    yield required(`${field}.values`, detail);
  }
  if (rule.key !== 'metadata.name') {
    yield invalid(`${field}.key`, rule.key ?? '', 'not a valid field selector key');
    return;
  }
  for (const [index, value] of values.entries()) {
    yield* each(nameIsDnsSubdomain(value, false), `${field}.values[${index}]`, value);
  }
}

/** True when a selector that stands has values that are no label values. */
export function hasInvalidSelectorValues(selector: NodeSelector | undefined): boolean {
  const requirements = (selector?.nodeSelectorTerms ?? []).flatMap((term) => term.matchExpressions ?? []);
  return requirements.some((rule) => (rule.values ?? []).some((value) => !labelValue(value, '').next().done));
}
