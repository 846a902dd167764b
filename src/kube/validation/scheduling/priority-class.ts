import { type FieldError, forbidden } from '../../field-error.ts';
import type { PriorityClass } from '../../types.gen.ts';
import { type Errors, immutable, supportedValue } from '../common.ts';
import { validateMetaUpdateOfKind } from '../meta.ts';

const userPriorityMax = 1_000_000_000;
const systemPrefix = 'system-';
const systemPriorities: ReadonlyMap<string, number> = new Map([
  ['system-node-critical', 2_000_001_000],
  ['system-cluster-critical', 2_000_000_000],
]);

export function validatePriorityClass(priorityClass: PriorityClass): readonly FieldError[] {
  return [...classErrors(priorityClass)];
}

export function validatePriorityClassUpdate(priorityClass: PriorityClass, old: PriorityClass): readonly FieldError[] {
  return [
    ...validateMetaUpdateOfKind(priorityClass.metadata, old.metadata),
    ...valueUpdateErrors(priorityClass, old),
    ...immutable(priorityClass.preemptionPolicy, old.preemptionPolicy, 'preemptionPolicy'),
  ];
}

function* classErrors(priorityClass: PriorityClass): Errors {
  const { name = '' } = priorityClass.metadata;
  if (name.startsWith(systemPrefix)) {
    const problem = systemClassProblem(name, priorityClass);
    const rule = `priority class names with '${systemPrefix}' prefix are reserved for system use only. error: `;
    if (problem !== undefined) yield forbidden('metadata.name', `${rule}${problem}`);
  } else if ((priorityClass.value ?? 0) > userPriorityMax) {
    yield forbidden('value', `maximum allowed value of a user defined priority is ${userPriorityMax}`);
  }
  yield* supportedValue(priorityClass.preemptionPolicy, ['PreemptLowerPriority', 'Never'], 'preemptionPolicy');
}

function systemClassProblem(name: string, { value = 0, globalDefault = false }: PriorityClass): string | undefined {
  const priority = systemPriorities.get(name);
  if (priority === undefined) return `${name} is not a known system priority class`;
  if (value !== priority) return `value of ${name} PriorityClass must be ${priority}`;
  return globalDefault ? `globalDefault of ${name} PriorityClass must be false` : undefined;
}

function* valueUpdateErrors({ value = 0 }: PriorityClass, old: PriorityClass): Errors {
  if (value !== (old.value ?? 0)) yield forbidden('value', 'may not be changed in an update.');
}
