import { invalid, required, tooLong } from '../../field-error.ts';
import { type Errors, entriesOf, qualifiedName } from '../common.ts';

const entriesMax = 512;
const bytesMax = 256 * 1024;

/** What a provisioner is told: any keys but the empty one, within bounds. */
export function* validateParameters(
  parameters: Readonly<Record<string, string>> | undefined,
  field: string,
  mayBeEmpty: boolean,
): Errors {
  const entries = entriesOf(parameters);
  if (!mayBeEmpty && entries.length === 0) yield required(field, 'must contain at least one key/value pair');
  if (entries.length > entriesMax) {
    yield tooLong(field, entriesMax);
    return;
  }
  let bytes = 0;
  for (const [key, value] of entries) {
    if (key === '') yield invalid(field, key, 'field can not be empty.');
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > bytesMax) yield tooLong(field, bytesMax);
}

/** The name of a provisioner, a qualified name in any case. */
export function* validateProvisioner(name: string | undefined, field: string): Errors {
  if (name === undefined || name === '') yield required(field);
  else yield* qualifiedName(name.toLowerCase(), field);
}
