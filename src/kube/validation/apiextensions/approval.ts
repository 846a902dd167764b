import { type FieldError, invalid, required } from '../../field-error.ts';
import type { CustomResourceDefinition } from '../../types.gen.ts';

const annotation = 'api-approved.kubernetes.io';
const field = `metadata.annotations[${annotation}]`;
const rule = `protected groups must have approval annotation "${annotation}"`;
const explanation = 'see https://github.com/kubernetes/enhancements/pull/1111';

/** Groups of the Kubernetes community need its approval (KEP-1111). What was so before may stay. */
export function* approvalErrors(
  definition: CustomResourceDefinition,
  old: CustomResourceDefinition | null,
): Generator<FieldError, void> {
  if (!/(?:^|\.)(?:k8s|kubernetes)\.io$/.test(definition.spec.group)) return;
  const approval = definition.metadata.annotations?.[annotation] ?? '';
  const state = stateOf(approval);
  if (state === 'approved' || (old !== null && stateOf(old.metadata.annotations?.[annotation] ?? '') === state)) return;
  if (state === 'missing') yield required(field, `${rule}, ${explanation}`);
  else
    yield invalid(field, approval, `${rule} with either a URL or a reason starting with "unapproved", ${explanation}`);
}

function stateOf(approval: string): 'missing' | 'approved' | 'invalid' {
  if (approval === '') return 'missing';
  if (approval.startsWith('unapproved')) return 'approved';
  return /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#]+/.test(approval) ? 'approved' : 'invalid';
}
