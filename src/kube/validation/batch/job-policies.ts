import { duplicate, invalid, notSupported, omitted, required, tooLong, tooMany } from '../../field-error.ts';
import { goQuoteList } from '../../go-json.ts';
import { countIndexes, IndexesError } from '../../job-indexes.ts';
import { shownMember } from '../../schema/empty-members.ts';
import type {
  JobSpec,
  PodFailurePolicy,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyOnPodConditionsPattern,
  PodFailurePolicyRule,
  SuccessPolicy,
  SuccessPolicyRule,
} from '../../types.gen.ts';
import { type Errors, nonNegative, qualifiedName } from '../common.ts';

const rulesMax = 20;
const exitCodesMax = 255;
const podConditionsMax = 20;
const indexesBytesMax = 64 * 1024;

const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const operators = ['In', 'NotIn'];
const statuses = ['False', 'True', 'Unknown'];

/** What the failure of a pod does to its Job. */
export function* validatePodFailurePolicy(policy: PodFailurePolicy, spec: JobSpec, field: string): Errors {
  const rules = policy.rules ?? [];
  if (rules.length > rulesMax) yield tooMany(`${field}.rules`, rules.length, rulesMax);
  const { containers = [], initContainers = [] } = spec.template?.spec ?? {};
  const names = new Set([...containers, ...initContainers].map((container) => container.name));
  for (const [index, rule] of rules.entries()) {
    yield* failureRuleErrors(rule, spec, names, `${field}.rules[${index}]`);
  }
}

function* failureRuleErrors(
  rule: PodFailurePolicyRule,
  spec: JobSpec,
  containers: ReadonlySet<string>,
  field: string,
): Errors {
  const { action, onExitCodes, onPodConditions } = rule;
  yield* oneOf(action, actions, `${field}.action`, function* () {
    if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined) {
      yield invalid(`${field}.action`, action, 'requires the backoffLimitPerIndex to be set');
    }
  });
  if (onExitCodes !== undefined) yield* exitCodeErrors(onExitCodes, containers, `${field}.onExitCodes`);
  const conditions = onPodConditions ?? [];
  if (conditions.length > 0) yield* conditionErrors(conditions, `${field}.onPodConditions`);
  if (onExitCodes !== undefined && conditions.length > 0) {
    yield invalid(field, omitted, 'specifying both OnExitCodes and OnPodConditions is not supported');
  }
  if (onExitCodes === undefined && conditions.length === 0) {
    yield invalid(field, omitted, 'specifying one of OnExitCodes and OnPodConditions is required');
  }
}

function* oneOf(
  value: string | undefined,
  supported: readonly string[],
  field: string,
  whenSupported: () => Errors = function* () {},
): Errors {
  if (value === undefined || value === '') yield required(field, `valid values: ${goQuoteList(supported)}`);
  else if (supported.includes(value)) yield* whenSupported();
  else yield notSupported(field, value, supported);
}

function* exitCodeErrors(
  requirement: PodFailurePolicyOnExitCodesRequirement,
  containers: ReadonlySet<string>,
  field: string,
): Errors {
  const { operator, containerName, values } = requirement;
  yield* oneOf(operator, operators, `${field}.operator`);
  if (containerName !== undefined && !containers.has(containerName)) {
    const detail = 'must be one of the container or initContainer names in the pod template';
    yield invalid(`${field}.containerName`, containerName, detail);
  }
  const codes = values ?? [];
  if (codes.length === 0)
    yield invalid(`${field}.values`, shownMember(requirement, 'values'), 'at least one value is required');
  else if (codes.length > exitCodesMax) yield tooMany(`${field}.values`, codes.length, exitCodesMax);
  const seen = new Set<number>();
  let isOrdered = true;
  for (const [index, code] of codes.entries()) {
    const previous = codes[index - 1];
    if (operator === 'In' && code === 0)
      yield invalid(`${field}.values[${index}]`, code, 'must not be 0 for the In operator');
    if (seen.has(code)) yield duplicate(`${field}.values[${index}]`, code);
    seen.add(code);
    if (previous !== undefined && previous > code) isOrdered = false;
  }
  if (!isOrdered) yield invalid(`${field}.values`, codes, 'must be ordered');
}

function* conditionErrors(conditions: readonly PodFailurePolicyOnPodConditionsPattern[], field: string): Errors {
  if (conditions.length > podConditionsMax) yield tooMany(field, conditions.length, podConditionsMax);
  for (const [index, { type, status }] of conditions.entries()) {
    yield* qualifiedName(type ?? '', `${field}[${index}].type`);
    yield* oneOf(status, statuses, `${field}[${index}].status`);
  }
}

/** When a Job counts as successful before all of its indexes have succeeded. */
export function* validateSuccessPolicy(policy: SuccessPolicy, spec: JobSpec, field: string): Errors {
  const rules = policy.rules ?? [];
  if (rules.length === 0) {
    yield required(`${field}.rules`, 'at least one rules must be specified when the successPolicy is specified');
  }
  if (rules.length > rulesMax) yield tooMany(`${field}.rules`, rules.length, rulesMax);
  for (const [index, rule] of rules.entries()) {
    yield* successRuleErrors(rule, spec.completions ?? 0, `${field}.rules[${index}]`);
  }
}

function* successRuleErrors(
  { succeededCount: count, succeededIndexes: indexes }: SuccessPolicyRule,
  completions: number,
  field: string,
): Errors {
  if (count === undefined && indexes === undefined) {
    yield required(field, 'at least one of succeededCount or succeededIndexes must be specified');
  }
  let indexCount = 0;
  if (indexes !== undefined) {
    if (Buffer.byteLength(indexes) > indexesBytesMax) yield tooLong(`${field}.succeededIndexes`, indexesBytesMax);
    try {
      indexCount = countIndexes(indexes, completions);
    } catch (error) {
      if (!(error instanceof IndexesError)) throw error;
      yield invalid(`${field}.succeededIndexes`, indexes, `error parsing succeededIndexes: ${error.message}`);
    }
  }
  if (count === undefined) return;
  yield* nonNegative(count, `${field}.succeededCount`);
  if (count > completions) {
    const detail = `must be less than or equal to ${completions} (the number of specified completions)`;
    yield invalid(`${field}.succeededCount`, count, detail);
  }
  if (indexes !== undefined && count > indexCount) {
    const rule = 'the number of indexes in the specified succeededIndexes field';
    yield invalid(`${field}.succeededCount`, count, `must be less than or equal to ${indexCount} (${rule})`);
  }
}
