import type { Json, JsonObject } from '../../core/json.ts';
import { goJson, withSortedKeys } from '../go-json.ts';
import { isJsonObject, member, setMember, shallowCopy } from '../patch/json-object.ts';
import { typeErrors } from './check-type.ts';
import { compareObjects } from './compare.ts';
import type { FieldManagement } from './context.ts';
import { difference, emptySet, type FieldSet } from './field-set.ts';
import { appliedPaths } from './value-paths.ts';

/** The annotation in which client-side `kubectl apply` keeps what it applied. */
export const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';
/** The manager whose applies continue the client-side ones. */
export const kubectlManager = 'kubectl';
/** Bytes that the annotations of an object may have in all. */
const maxAnnotationBytes = 256 * 1024;

/** What client-side apply owned and the live object still has as it was applied: kubectl may take it over. */
export function ownedByLastApplied(live: JsonObject, context: FieldManagement): FieldSet {
  const text = lastAppliedOf(live);
  const applied = text === undefined ? undefined : parseObject(text);
  if (applied === undefined || applied.apiVersion !== context.apiVersion) return emptySet;
  if (typeErrors(context.schema, applied) !== null) return emptySet;
  const { changed, removed } = compareObjects(context.schema, applied, live);
  return difference(difference(appliedPaths(context.schema, applied), changed), removed);
}

/** The object with the annotation brought up to what kubectl now applied, if it has the annotation at all. */
export function syncLastApplied(object: JsonObject, applied: JsonObject): JsonObject {
  if (lastAppliedOf(object) === undefined) return object;
  const metadata = isJsonObject(object.metadata) ? object.metadata : {};
  const annotations = shallowCopy(isJsonObject(metadata.annotations) ? metadata.annotations : {});
  setMember(annotations, lastAppliedAnnotation, `${goJson(withSortedKeys(withoutLastApplied(applied)))}\n`);
  if (sizeOf(annotations) > maxAnnotationBytes) delete annotations[lastAppliedAnnotation];
  return { ...object, metadata: { ...metadata, annotations } };
}

function lastAppliedOf(object: JsonObject): string | undefined {
  const annotations = isJsonObject(object.metadata) ? object.metadata.annotations : undefined;
  const text = isJsonObject(annotations) ? member(annotations, lastAppliedAnnotation) : undefined;
  return typeof text === 'string' && text !== '' ? text : undefined;
}

function withoutLastApplied(object: JsonObject): JsonObject {
  const { metadata } = object;
  if (!isJsonObject(metadata) || !isJsonObject(metadata.annotations)) return object;
  const annotations = shallowCopy(metadata.annotations);
  delete annotations[lastAppliedAnnotation];
  return { ...object, metadata: { ...metadata, annotations } };
}

function sizeOf(annotations: JsonObject): number {
  let bytes = 0;
  for (const key of Object.keys(annotations)) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(String(annotations[key]));
  }
  return bytes;
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text) as Json;
    return isJsonObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
