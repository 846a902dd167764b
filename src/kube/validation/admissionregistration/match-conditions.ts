import { duplicate, required, tooMany } from '../../field-error.ts';
import type { MatchCondition } from '../../types.gen.ts';
import { type Errors, qualifiedName } from '../common.ts';

const conditionsMax = 64;

/** CEL conditions by which a webhook or a policy narrows what it is asked about. */
export function* validateMatchConditions(conditions: readonly MatchCondition[], field: string): Errors {
  if (conditions.length > conditionsMax) yield tooMany(field, conditions.length, conditionsMax);
  const seen = new Set<string>();
  for (const [index, { name = '', expression = '' }] of conditions.entries()) {
    const path = `${field}[${index}]`;
    if (expression.trim() === '') yield required(`${path}.expression`);
    if (name === '') {
      yield required(`${path}.name`);
      continue;
    }
    yield* qualifiedName(name, `${path}.name`);
    if (seen.has(name)) yield duplicate(`${path}.name`, name);
    seen.add(name);
  }
}
