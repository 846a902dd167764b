/**
 * Whether a value meets a requirement as selectors of all kinds write it; undefined stands for a value that is not there.
 * `Gt` and `Lt` compare integers, and an operator that is unknown is met by nothing.
 */
export function meetsRequirement(operator: string, value: string | undefined, values: readonly string[]): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return compareIntegers(value, values[0]) > 0;
    case 'Lt':
      return compareIntegers(value, values[0]) < 0;
    default:
      return false;
  }
}

/** The sign of the difference of two integers of 64 bits; NaN when one of the texts is none. */
export function compareIntegers(a: string | undefined, b: string | undefined): number {
  const [left, right] = [integer(a), integer(b)];
  if (left === undefined || right === undefined) return Number.NaN;
  return left === right ? 0 : left > right ? 1 : -1;
}

function integer(text: string | undefined): bigint | undefined {
  if (text === undefined || !/^[+-]?[0-9]{1,20}$/.test(text)) return undefined;
  const value = BigInt(text.replace('+', ''));
  return value === BigInt.asIntN(64, value) ? value : undefined;
}
