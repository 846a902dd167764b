import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '../../../field-error.ts';
import { isLabelValue } from '../../../names.ts';
import type { PodSchedulingGate, Toleration, TopologySpreadConstraint } from '../../../types.gen.ts';
import { type Errors, mustBePositive, qualifiedName, supportedValue } from '../../common.ts';
import { internalForm, semanticallyEqual } from '../../internal-form.ts';
import { validateLabelSelector } from '../../label-selector.ts';
import { validateMatchLabelKeys } from './affinity.ts';
import type { PodRules } from './rules.ts';

const taintEffects: readonly string[] = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** The effect of a taint; tolerations may leave it out. */
export function* validateTaintEffect(effect: string, field: string): Errors {
  if (!taintEffects.includes(effect)) yield notSupported(field, effect, taintEffects);
}

export function* validateTolerations(tolerations: readonly Toleration[], field: string): Errors {
  for (const [index, toleration] of tolerations.entries()) yield* validateToleration(toleration, `${field}[${index}]`);
}

function* validateToleration(toleration: Toleration, field: string): Errors {
  const { key = '', operator = '', value = '', effect = '', tolerationSeconds } = toleration;
  if (key !== '') yield* qualifiedName(key, `${field}.key`);
  if (key === '' && operator !== 'Exists') {
    const detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
    yield invalid(`${field}.operator`, operator, detail);
  }
  if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
    yield invalid(`${field}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
  }
  yield* validateOperator(operator, value, `${field}.operator`);
  if (effect !== '') yield* validateTaintEffect(effect, `${field}.effect`);
}

function* validateOperator(operator: string, value: string, field: string): Errors {
  if (operator === 'Equal' || operator === '') {
    const problems = isLabelValue(value);
    if (problems.length > 0) yield invalid(field, value, problems.join(';'));
  } else if (operator === 'Exists') {
    if (value !== '') yield invalid(field, value, "value must be empty when `operator` is 'Exists'");
  } else {
    // Comparisons are known but belong to a feature that is off; only who tries one hears of them.
    const isComparison = operator === 'Lt' || operator === 'Gt';
    yield notSupported(field, operator, isComparison ? ['Equal', 'Exists', 'Lt', 'Gt'] : ['Equal', 'Exists']);
  }
}

/** Updates may add tolerations and change the seconds of one, nothing else. */
export function* validateOnlyAddedTolerations(
  tolerations: readonly Toleration[],
  old: readonly Toleration[],
  field: string,
): Errors {
  const kept = old.every((before) => tolerations.some((after) => equalButForSeconds(before, after)));
  if (kept) yield* validateTolerations(tolerations, field);
  else yield forbidden(field, 'existing toleration can not be modified except its tolerationSeconds');
}

function equalButForSeconds(a: Toleration, b: Toleration): boolean {
  const [before, after] = [a, b].map((toleration) => ({
    ...internalForm('Toleration', toleration),
    TolerationSeconds: null,
  }));
  return semanticallyEqual(before, after);
}

export function* validateSchedulingGates(gates: readonly PodSchedulingGate[], field: string): Errors {
  const seen = new Set<string>();
  for (const [index, { name = '' }] of gates.entries()) {
    yield* qualifiedName(name, `${field}[${index}]`);
    if (seen.has(name)) yield duplicate(`${field}[${index}]`, name);
    seen.add(name);
  }
}

/** Gates may be taken away, never added. */
export function* validateOnlyDeletedGates(
  gates: readonly PodSchedulingGate[],
  old: readonly PodSchedulingGate[],
  field: string,
): Errors {
  for (const [index, { name }] of gates.entries()) {
    if (old.some((gate) => gate.name === name)) continue;
    const detail = `only deletion is allowed, but found new scheduling gate '${name}'`;
    yield forbidden(`${field}[${index}].name`, detail);
  }
}

export function* validateSpreadConstraints(
  constraints: readonly TopologySpreadConstraint[],
  field: string,
  rules: PodRules,
): Errors {
  for (const [index, constraint] of constraints.entries()) {
    const path = `${field}[${index}]`;
    const { maxSkew = 0, topologyKey = '', whenUnsatisfiable: action = '', minDomains } = constraint;
    if (maxSkew <= 0) yield invalid(`${path}.maxSkew`, maxSkew, mustBePositive);
    if (topologyKey === '') yield required(`${path}.topologyKey`, 'can not be empty');
    yield* supportedValue(action, ['DoNotSchedule', 'ScheduleAnyway'], `${path}.whenUnsatisfiable`);
    yield* notRepeated(constraint, constraints.slice(index + 1), path);
    yield* validateMinDomains(minDomains, action, `${path}.minDomains`);
    yield* supportedValue(constraint.nodeAffinityPolicy, ['Honor', 'Ignore'], `${path}.nodeAffinityPolicy`);
    yield* supportedValue(constraint.nodeTaintsPolicy, ['Honor', 'Ignore'], `${path}.nodeTaintsPolicy`);
    yield* validateMatchLabelKeys(constraint.matchLabelKeys ?? [], [], constraint.labelSelector, path);
    if (!rules.allowInvalidSpreadSelector) {
      yield* validateLabelSelector(constraint.labelSelector, `${path}.labelSelector`);
    }
  }
}

function* notRepeated(
  { topologyKey = '', whenUnsatisfiable = '' }: TopologySpreadConstraint,
  others: readonly TopologySpreadConstraint[],
  field: string,
): Generator<FieldError, void, undefined> {
  const same = others.some(
    (other) => (other.topologyKey ?? '') === topologyKey && (other.whenUnsatisfiable ?? '') === whenUnsatisfiable,
  );
  if (same) yield duplicate(`${field}.{topologyKey, whenUnsatisfiable}`, `{${topologyKey}, ${whenUnsatisfiable}}`);
}

function* validateMinDomains(minDomains: number | undefined, action: string, field: string): Errors {
  if (minDomains === undefined) return;
  if (minDomains <= 0) yield invalid(field, minDomains, mustBePositive);
  if (action !== 'DoNotSchedule') {
    yield invalid(field, minDomains, `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${action}`);
  }
}
