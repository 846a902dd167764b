import { duplicate, invalid, notSupported, required, tooLong } from '../field-error.ts';
import { regexError } from '../names.ts';
import type { Condition } from '../types.gen.ts';
import { type Errors, qualifiedName } from './common.ts';

const reasonFormat = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?';
const reasonPattern = new RegExp(`^(?:${reasonFormat})$`);
const reasonBytesMax = 1024;
const messageBytesMax = 32 * 1024;

/** The conditions of a status (metav1.Condition), one of each type. */
export function* validateConditions(conditions: readonly Condition[], field: string): Errors {
  const seen = new Set<string>();
  for (const [index, condition] of conditions.entries()) {
    const path = `${field}[${index}]`;
    const { type = '' } = condition;
    if (seen.has(type)) yield duplicate(`${path}.type`, type);
    seen.add(type);
    yield* validateCondition(condition, path);
  }
}

function* validateCondition(condition: Condition, field: string): Errors {
  const {
    type = '',
    status = '',
    observedGeneration = 0,
    lastTransitionTime = '',
    reason = '',
    message = '',
  } = condition;
  yield* qualifiedName(type, `${field}.type`);
  if (!['False', 'True', 'Unknown'].includes(status)) {
    yield notSupported(`${field}.status`, status, ['False', 'True', 'Unknown']);
  }
  if (observedGeneration < 0) {
    yield invalid(`${field}.observedGeneration`, observedGeneration, 'must be greater than or equal to zero');
  }
  if (lastTransitionTime === '') yield required(`${field}.lastTransitionTime`, 'must be set');
  if (reason === '') yield required(`${field}.reason`, 'must be set');
  else yield* validateReason(reason, `${field}.reason`);
  if (Buffer.byteLength(message) > messageBytesMax) yield tooLong(`${field}.message`, messageBytesMax);
}

function* validateReason(reason: string, field: string): Errors {
  if (!reasonPattern.test(reason)) {
    const rule =
      "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'";
    const examples = ['my_name', 'MY_NAME', 'MyName', 'ReasonA,ReasonB', 'ReasonA:ReasonB'];
    yield invalid(field, reason, regexError(rule, reasonFormat, ...examples));
  }
  if (Buffer.byteLength(reason) > reasonBytesMax) yield tooLong(field, reasonBytesMax);
}
