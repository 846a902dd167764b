import type { Json, JsonObject } from '../../core/json.ts';
import { goFormat, goTypeName } from './go-format.ts';
import { PatchError } from './patch-error.ts';

/** The errors of a strategic merge patch, in the words of k8s.io/apimachinery/pkg/util/mergepatch. */

export function badPrimitiveList(): PatchError {
  return new PatchError('bad-request', 'invalid patch format of primitive list');
}

export function badRetainKeys(): PatchError {
  return new PatchError('bad-request', 'invalid patch format of retainKeys');
}

export function contentNotInRetainKeys(): PatchError {
  return new PatchError('unprocessable', "patch content doesn't match retainKeys list");
}

export function badElementOrder(): PatchError {
  return new PatchError('bad-request', 'invalid patch format of setElementOrder list');
}

export function orderMismatch(patch: readonly Json[], order: readonly Json[]): PatchError {
  return internal(
    `The order in patch list:\n${goFormat(patch)}\n doesn't match $setElementOrder list:\n${goFormat(order)}\n`,
  );
}

export function listOfLists(): PatchError {
  return new PatchError('unprocessable', 'lists of lists are not supported');
}

export function mixedElements(lists: readonly (readonly Json[])[]): PatchError {
  return internal(`list element types are not identical: ${goFormat(lists)}`);
}

export function noElements(): PatchError {
  return internal('no elements in any of the given slices');
}

export function noMergeKey(element: JsonObject, key: string): PatchError {
  return internal(`map: ${goFormat(element)} does not contain declared merge key: ${key}`);
}

export function withoutMergeKey(kind: string): PatchError {
  return internal(`cannot merge lists without merge key for ${kind}`);
}

export function unknownDirective(directive: Json, patch: JsonObject): PatchError {
  return internal(`unknown patch type: ${goFormat(directive)} in map: ${goFormat(patch)}`);
}

export function mergeDirectiveInList(): PatchError {
  return internal('merging lists cannot yet be specified in the patch');
}

export function badType(expected: string, actual: Json): PatchError {
  return internal(`expected a ${expected}, but received a ${goTypeName(actual)}`);
}

export function notAMap(index: number): PatchError {
  return internal(`value for key ${index} is not a map.`);
}

export function unknownField(struct: string, field: string): PatchError {
  return internal(`unable to find api field in struct ${struct} for the json field ${JSON.stringify(field)}`);
}

export function notAStruct(kind: string): PatchError {
  return internal(`merging an object in json but data type is not struct, instead is: ${kind}`);
}

function internal(message: string): PatchError {
  return new PatchError('internal', message);
}
