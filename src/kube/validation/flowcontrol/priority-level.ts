import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import type {
  ExemptPriorityLevelConfiguration,
  LimitedPriorityLevelConfiguration,
  LimitResponse,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
  QueuingConfiguration,
} from '../../types.gen.ts';
import { type Errors, inRange } from '../common.ts';
import { internalForm, semanticallyEqual } from '../internal-form.ts';
import { validateObjectMeta } from '../meta.ts';
import { validateFlowConditions } from './conditions.ts';
import { mandatoryPriorityLevels } from './mandatory.ts';

const queuesMax = 10_000_000;
/** Bits of the hash from which a request's hand of queues is dealt. */
const hashBitsMax = 60;

export function validatePriorityLevel(level: PriorityLevelConfiguration): readonly FieldError[] {
  return [...levelErrors(level)];
}

export function validatePriorityLevelUpdate(level: PriorityLevelConfiguration): readonly FieldError[] {
  return [...validateObjectMeta(level.metadata, { namespaced: false }), ...levelErrors(level)];
}

export function validatePriorityLevelStatusUpdate({ status }: PriorityLevelConfiguration): readonly FieldError[] {
  return [...validateFlowConditions(status?.conditions ?? [])];
}

function* levelErrors({ metadata, spec, status }: PriorityLevelConfiguration): Errors {
  const { name = '' } = metadata;
  yield* specErrors(name, spec ?? {});
  const mandatory = mandatoryPriorityLevels.get(name);
  const form = internalForm('PriorityLevelConfigurationSpec', spec ?? {});
  const fixed = internalForm('PriorityLevelConfigurationSpec', mandatory);
  if (mandatory !== undefined && !semanticallyEqual({ ...form, Exempt: null }, { ...fixed, Exempt: null })) {
    yield invalid('spec', form, `spec of '${name}' must equal the fixed value`);
  }
  yield* validateFlowConditions(status?.conditions ?? []);
}

function* specErrors(name: string, { type = '', limited, exempt }: Partial<PriorityLevelConfigurationSpec>): Errors {
  if ((name === 'exempt') !== (type === 'Exempt')) {
    yield invalid('spec.type', type, "must be 'Exempt' if and only if `name` is 'exempt'");
  }
  if (type === 'Exempt') {
    if (limited !== undefined) yield forbidden('spec.limited', 'must be nil if the type is not Limited');
    if (exempt === undefined) yield required('spec.exempt', 'must not be empty when type is Exempt');
    else yield* sharesErrors(exempt, 'spec.exempt');
  } else if (type === 'Limited') {
    if (exempt !== undefined) yield forbidden('spec.exempt', 'must be nil if the type is Limited');
    if (limited === undefined) yield required('spec.limited', 'must not be empty when type is Limited');
    else yield* limitedErrors(limited, 'spec.limited');
  } else yield notSupported('spec.type', type, ['Exempt', 'Limited']);
}

function* sharesErrors(shares: ExemptPriorityLevelConfiguration, field: string): Errors {
  yield* nominalErrors(shares.nominalConcurrencyShares, field);
  yield* inRange(shares.lendablePercent ?? 0, 0, 100, `${field}.lendablePercent`);
}

function* nominalErrors(shares: number | undefined, field: string): Errors {
  if (shares !== undefined && shares < 0) {
    yield invalid(`${field}.nominalConcurrencyShares`, shares, 'must be a non-negative integer');
  }
}

function* limitedErrors(limited: LimitedPriorityLevelConfiguration, field: string): Errors {
  yield* nominalErrors(limited.nominalConcurrencyShares, field);
  yield* responseErrors(limited.limitResponse ?? {}, `${field}.limitResponse`);
  yield* inRange(limited.lendablePercent ?? 0, 0, 100, `${field}.lendablePercent`);
  const { borrowingLimitPercent: percent } = limited;
  if (percent !== undefined && percent < 0) {
    yield invalid(`${field}.borrowingLimitPercent`, percent, 'if specified, must be a non-negative integer');
  }
}

function* responseErrors({ type = '', queuing }: Partial<LimitResponse>, field: string): Errors {
  const path = `${field}.queuing`;
  if (type === 'Reject') {
    if (queuing !== undefined) yield forbidden(path, 'must be nil if limited.limitResponse.type is not Limited');
  } else if (type === 'Queue') {
    if (queuing === undefined) yield required(path, 'must not be empty if limited.limitResponse.type is Limited');
    else yield* queuingErrors(queuing, path);
  } else yield notSupported(`${field}.type`, type, ['Queue', 'Reject']);
}

function* queuingErrors(queuing: QueuingConfiguration, field: string): Errors {
  const { queueLengthLimit = 0, queues = 0, handSize = 0 } = queuing;
  if (queueLengthLimit <= 0) yield invalid(`${field}.queueLengthLimit`, queueLengthLimit, 'must be positive');
  if (queues <= 0) yield invalid(`${field}.queues`, queues, 'must be positive');
  else if (queues > queuesMax) yield invalid(`${field}.queues`, queues, `must not be greater than ${queuesMax}`);
  const path = `${field}.handSize`;
  if (handSize <= 0) yield invalid(path, handSize, 'must be positive');
  else if (handSize > queues) yield invalid(path, handSize, `should not be greater than queues (${queues})`);
  else if (entropyBits(queues, handSize) > hashBitsMax) {
    const detail = `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${hashBitsMax}`;
    yield invalid(path, handSize, detail);
  }
}

/** Bits that it takes to deal such a hand. */
function entropyBits(deckSize: number, handSize: number): number {
  return Math.ceil(Math.log2(deckSize) * handSize);
}
