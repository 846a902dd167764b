import { type FieldError, forbidden, invalid, notSupported } from '../../field-error.ts';
import type { Lease, LeaseSpec } from '../../types.gen.ts';
import { type Errors, nonNegative, qualifiedName } from '../common.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';

export function validateLease({ spec }: Lease): readonly FieldError[] {
  return [...specErrors(spec ?? {})];
}

export function validateLeaseUpdate(lease: Lease, old: Lease): readonly FieldError[] {
  return [...validateMetaUpdateOfKind(lease.metadata, old.metadata), ...validateLease(lease)];
}

function* specErrors(spec: LeaseSpec): Errors {
  const { leaseDurationSeconds: seconds, leaseTransitions, strategy, preferredHolder = '' } = spec;
  if (seconds !== undefined && seconds <= 0) {
    yield invalid('spec.leaseDurationSeconds', seconds, 'must be greater than 0');
  }
  yield* nonNegative(leaseTransitions, 'spec.leaseTransitions');
  if (strategy !== undefined) yield* strategyErrors(strategy, 'spec.strategy.strategy');
  if (preferredHolder !== '' && (strategy ?? '') === '') {
    yield forbidden('spec.preferredHolder', 'may only be specified if `strategy` is defined');
  }
}

/** Without a domain the strategy is one of Kubernetes' own. Upstream's path names the field twice. */
function* strategyErrors(strategy: string, field: string): Errors {
  if (strategy.includes('/')) yield* qualifiedName(strategy, field);
  else if (strategy !== 'OldestEmulationVersion') yield notSupported(field, strategy, ['OldestEmulationVersion']);
}
