import type { ListMeta } from '../../kube/object.ts';
import type { ListAnswer } from '../answer.ts';
import { Entry } from '../cache/entry.ts';
import type { Target } from '../media-type.ts';
import { toYaml } from './yaml.ts';

const listEnd = Buffer.from(']}\n');
const comma = 0x2c;
const openingBrace = 0x7b;

/**
 * A list as JSON: the items' bytes are copied behind each other. Items of built-in kinds leave out kind and
 * apiVersion, which stand at the beginning of an entry's bytes.
 */
export function encodeList(answer: ListAnswer): Buffer {
  const { served, entries } = answer;
  const { listKind } = served.resource;
  const head = Buffer.from(
    `{"kind":${JSON.stringify(listKind)},"apiVersion":${JSON.stringify(served.apiVersion)},"metadata":${JSON.stringify(listMetaOf(answer))},"items":[`,
  );
  const isWhole = served.isCustom;
  let size = head.length + listEnd.length;
  for (const entry of entries) size += entry.line.length - (isWhole ? 0 : entry.metadataStart - 1);
  if (entries.length === 0) size += 1;
  const list = Buffer.allocUnsafeSlow(size - 1);
  let at = head.copy(list, 0);
  for (const [index, entry] of entries.entries()) {
    if (index > 0) list[at++] = comma;
    if (!isWhole) list[at++] = openingBrace;
    at += entry.line.copy(list, at, isWhole ? 0 : entry.metadataStart, entry.line.length - 1);
  }
  listEnd.copy(list, at);
  return list;
}

/** Lists of custom resources always have a `continue`. */
export function listMetaOf({ served, metadata }: ListAnswer): ListMeta {
  return served.isCustom ? { continue: '', ...metadata } : metadata;
}

/** Any value in the form asked for. Entries that need no change are their own bytes. */
export function encodeValue(value: Entry | object, target: Target): Buffer {
  if (value instanceof Entry) {
    if (target.serializer === 'json' && !target.pretty) return value.line;
    return encodeValue(value.object, target);
  }
  if (target.serializer === 'yaml') return Buffer.from(toYaml(value));
  return Buffer.from(`${JSON.stringify(value, null, target.pretty ? 2 : undefined)}\n`);
}

export function contentTypeOf(target: Target): string {
  return target.serializer === 'yaml' ? 'application/yaml' : 'application/json';
}
