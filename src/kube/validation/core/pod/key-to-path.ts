import type { KeyToPath } from '../../../types.gen.ts';
import { type Errors, fileMode, localNonReservedPath, requiredString } from '../../common.ts';

/** A key and the file that it becomes. */
export function* validateKeyToPath({ key, path = '', mode }: KeyToPath, field: string): Errors {
  yield* requiredString(key, `${field}.key`);
  yield* requiredString(path, `${field}.path`);
  yield* localNonReservedPath(path, `${field}.path`);
  yield* fileMode(mode, `${field}.mode`);
}
