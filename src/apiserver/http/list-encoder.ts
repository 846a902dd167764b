import type { ListMeta } from '../../kube/object.ts';
import type { ListAnswer } from '../answer.ts';
import type { Entry } from '../cache/entry.ts';

/** Encoded lists that are kept for the next who asks, bytes; listed in docs/limits.md. */
export const keptListBytes = 4 * 1024 * 1024;

interface KeptList {
  /** What stands before the items: kind, version and revision. */
  readonly head: string;
  readonly bytes: Buffer;
}

/**
 * Lists as JSON. A list that is asked for again before anything has changed is encoded once: the caches give the same
 * array of entries until then.
 */
export class ListEncoder {
  readonly #asked = new WeakSet<readonly Entry[]>();
  /** The one that was used last stands last. */
  readonly #kept = new Map<readonly Entry[], KeptList>();
  #keptBytes = 0;

  encode(answer: ListAnswer): Buffer {
    const { entries } = answer;
    const head = headOf(answer);
    const kept = this.#kept.get(entries);
    if (kept !== undefined) this.#forget(entries, kept);
    const bytes = kept?.head === head ? kept.bytes : encodeList(head, answer);
    // Most lists are asked for once, and then not worth their memory.
    if (this.#asked.has(entries)) this.#keep(entries, { head, bytes });
    else this.#asked.add(entries);
    return bytes;
  }

  #keep(entries: readonly Entry[], list: KeptList): void {
    if (list.bytes.length > keptListBytes) return;
    this.#kept.set(entries, list);
    this.#keptBytes += list.bytes.length;
    for (const [oldest, other] of this.#kept) {
      if (this.#keptBytes <= keptListBytes) return;
      this.#forget(oldest, other);
    }
  }

  #forget(entries: readonly Entry[], list: KeptList): void {
    this.#kept.delete(entries);
    this.#keptBytes -= list.bytes.length;
  }
}

const listEnd = Buffer.from(']}\n');
const comma = 0x2c;
const openingBrace = 0x7b;

function headOf(answer: ListAnswer): string {
  const { resource, apiVersion } = answer.served;
  const metadata = JSON.stringify(listMetaOf(answer));
  return `{"kind":${JSON.stringify(resource.listKind)},"apiVersion":${JSON.stringify(apiVersion)},"metadata":${metadata},"items":[`;
}

// The items' bytes are copied behind each other. Items of built-in kinds leave out kind and apiVersion, which stand at
// the beginning of an entry's bytes.
function encodeList(headText: string, { served, entries }: ListAnswer): Buffer {
  const head = Buffer.from(headText);
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
