import type { ObjectMeta } from '../kube/object.ts';
import { apiVersionOf } from '../kube/resource.ts';
import type { ListAnswer, ObjectAnswer, Presentation } from './answer.ts';
import { decodedOf, listObject } from './answer.ts';
import { Entry } from './cache/entry.ts';
import { badRequest, conversionNotAcceptable } from './errors.ts';
import type { ServedKind } from './kind-registry.ts';
import type { Conversion } from './media-type.ts';

/** What a table's rows carry beside the cells: `includeObject` of metav1.TableOptions. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

/** Throws BadRequest for a value that upstream does not know. */
export function parseIncludeObject(text: string | undefined): IncludeObject {
  if (text === undefined || text === '' || text === 'Metadata') return 'Metadata';
  if (text === 'None' || text === 'Object') return text;
  throw badRequest(
    `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(text)}: must be 'Metadata', 'Object', 'None', or empty`,
  );
}

/** The answer's body as a Table or as metadata only. A Status stays as it is. */
export function convertAnswer(
  answer: ObjectAnswer | ListAnswer,
  conversion: Conversion,
  include: IncludeObject,
  nowMs: number,
): object {
  const { served } = answer;
  if (served === null) return decodedOf((answer as ObjectAnswer).object);
  if (answer.type === 'object') {
    const object = decodedOf(answer.object) as { readonly kind?: string; readonly metadata?: ObjectMeta };
    if (object.kind === 'Status') return object;
    if (conversion.kind === 'Table') {
      const metadata = { resourceVersion: object.metadata?.resourceVersion };
      return table(served, [object], metadata, conversion, include, nowMs, true);
    }
    if (conversion.kind === 'PartialObjectMetadataList') throw wrongShape(served, conversion, false);
    return partial(served, object, conversion);
  }
  const objects = listObject(answer).items;
  if (conversion.kind === 'Table') return table(served, objects, answer.metadata, conversion, include, nowMs, true);
  if (conversion.kind === 'PartialObjectMetadata') throw wrongShape(served, conversion, true);
  return {
    kind: 'PartialObjectMetadataList',
    apiVersion: versionOf(conversion),
    metadata: answer.metadata,
    items: objects.map((object) => partial(served, object, conversion)),
  };
}

/** The object of one watch event. Only the first event of a table watch carries the column definitions. */
export function convertWatched(
  served: ServedKind,
  object: object,
  conversion: Conversion,
  include: IncludeObject,
  nowMs: number,
  withColumns: boolean,
): object {
  const { metadata } = object as { readonly metadata: ObjectMeta };
  if (conversion.kind !== 'Table') return partial(served, object, conversion);
  const meta = { resourceVersion: metadata.resourceVersion };
  return table(served, [object], meta, conversion, include, nowMs, withColumns);
}

/** A table without rows: what a bookmark of a table watch shows. */
export function emptyTable(conversion: Conversion, metadata: object): object {
  return { kind: 'Table', apiVersion: versionOf(conversion), metadata, columnDefinitions: null, rows: [] };
}

function versionOf(conversion: Conversion): string {
  return `meta.k8s.io/${conversion.version}`;
}

function partial({ kind }: Presentation, object: object, conversion: Conversion): object {
  const { metadata } = object as { readonly metadata?: ObjectMeta };
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: versionOf(conversion),
    metadata: withoutAnnotations(metadata, kind.fieldAnnotations ?? []),
  };
}

function withoutAnnotations(metadata: ObjectMeta | undefined, names: readonly string[]): ObjectMeta | undefined {
  if (metadata?.annotations === undefined || !names.some((name) => metadata.annotations?.[name] !== undefined)) {
    return metadata;
  }
  const { annotations, ...rest } = metadata;
  const kept = Object.entries(annotations).filter(([name]) => !names.includes(name));
  return kept.length === 0 ? rest : { ...metadata, annotations: Object.fromEntries(kept) };
}

function table(
  served: Presentation,
  objects: readonly object[],
  metadata: object,
  conversion: Conversion,
  include: IncludeObject,
  nowMs: number,
  withColumns: boolean,
): object {
  const { columns, row, hasNullRows } = served.kind.table;
  const isNull = hasNullRows === true && objects.length === 0;
  return {
    kind: 'Table',
    apiVersion: versionOf(conversion),
    metadata,
    columnDefinitions: withColumns ? columns : null,
    rows: isNull
      ? null
      : objects.map((object) => ({
          cells: row(object as never, nowMs),
          object: include === 'None' ? null : include === 'Object' ? object : partial(served, object, conversion),
        })),
  };
}

function wrongShape(served: Presentation, conversion: Conversion, isList: boolean) {
  const { resource } = served;
  const goPackage = resource.group === '' ? 'core' : resource.group.split('.')[0];
  const goType = `*${goPackage}.${isList ? resource.listKind : resource.kind}`;
  return conversionNotAcceptable(
    `you requested ${conversion.kind}, but the requested object is ${isList ? 'a list' : 'not a list'} (${goType})`,
  );
}

/** A bookmark's object: the kind with nothing but a resourceVersion. */
export function bookmarkObject(
  served: ServedKind,
  revision: number,
  initialEventsEnd: boolean,
  conversion: Conversion | null,
): object {
  const metadata = {
    resourceVersion: String(revision),
    ...(initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
  };
  if (conversion === null) return { kind: served.resource.kind, apiVersion: apiVersionOf(served.resource), metadata };
  if (conversion.kind !== 'Table') {
    return { kind: 'PartialObjectMetadata', apiVersion: versionOf(conversion), metadata };
  }
  return emptyTable(conversion, metadata);
}

/** True for an answer whose object is an entry of the cache: its bytes are the body as they are. */
export function isEntry(object: Entry | object): object is Entry {
  return object instanceof Entry;
}
