import { conversionNotAcceptable, notAcceptable } from './errors.ts';

export type Serializer = 'json' | 'yaml' | 'protobuf';

/** The form in which an answer is to be encoded. */
export interface Target {
  readonly serializer: Serializer;
  readonly pretty: boolean;
  /** `as=`: a Table or metadata only, in a version of meta.k8s.io. */
  readonly convert: Conversion | null;
}

export interface Conversion {
  readonly kind: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
  readonly version: 'v1' | 'v1beta1';
}

export const plainJson: Target = { serializer: 'json', pretty: false, convert: null };

interface Clause {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

/** runtime.Unknown behind `k8s` and a zero byte. */
export const protobufType = 'application/vnd.kubernetes.protobuf';

const serializers: Readonly<Record<string, Serializer>> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  [protobufType]: 'protobuf',
  '*/*': 'json',
};
const produced = ['application/json', 'application/yaml', protobufType];
const streamed = ['application/json;stream=watch', `${protobufType};stream=watch`];
const producedByLists = [...produced, ...streamed];
const cacheLimit = 200;
const cache = new Map<string, Target>();

/** What is to be answered, as far as its form depends on it. */
export interface Negotiated {
  readonly isList: boolean;
  readonly isPretty: boolean;
  /** The answer has no protobuf form of its own: custom resources. Their metadata alone has one. */
  readonly isCustom?: boolean;
}

/**
 * Chooses the form of the answer from the Accept header, in the client's order of preference. Throws NotAcceptable
 * (406) where upstream does: when no known media type is named, and when only unknown conversions are.
 */
export function negotiate(accept: string | undefined, what: Negotiated): Target {
  const { isList, isPretty, isCustom = false } = what;
  if (accept === undefined || accept === '' || accept === 'application/json') {
    return isPretty ? { ...plainJson, pretty: true } : plainJson;
  }
  const key = `${isPretty ? 'p' : ''}${isCustom ? 'c' : ''} ${accept}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const target = choose(accept, { isList, isPretty, isCustom });
  if (cache.size >= cacheLimit) cache.clear();
  cache.set(key, target);
  return target;
}

/** The form of a Status that is answered before a form was chosen: the client's first choice that a Status has. */
export function negotiateStatus(accept: string | undefined): Target {
  for (const { type, parameters } of parseAccept(accept ?? '')) {
    const serializer = serializers[type];
    if (serializer !== undefined && conversionOf(parameters) === null) return { ...plainJson, serializer };
  }
  return plainJson;
}

/** A watch in a form that has no frames. Throws NotAcceptable for it. */
export function checkStreams({ serializer }: Target): void {
  if (serializer === 'yaml') {
    throw conversionNotAcceptable(`only the following media types are accepted: ${streamed.join(', ')}`);
  }
}

function choose(accept: string, { isList, isPretty, isCustom }: Required<Negotiated>): Target {
  const clauses = parseAccept(accept);
  const isKnown = clauses.some(({ type }) => type === '*/*' || produced.includes(type));
  if (!isKnown) throw notAcceptable(isList ? producedByLists : produced);
  for (const clause of clauses) {
    const serializer = serializers[clause.type];
    if (serializer === undefined) continue;
    const convert = conversionOf(clause.parameters);
    if (convert === undefined || !isAllowed(serializer, convert, isCustom)) continue;
    return { serializer, pretty: isPretty || clause.parameters.get('pretty') === '1', convert };
  }
  throw conversionNotAcceptable(`only the following media types are accepted: ${produced.join(', ')}`);
}

// Tables have no protobuf form, nor have custom resources.
function isAllowed(serializer: Serializer, convert: Conversion | null, isCustom: boolean): boolean {
  if (serializer !== 'protobuf') return true;
  return convert === null ? !isCustom : convert.kind !== 'Table';
}

// undefined: a conversion that nobody knows; null: none asked.
function conversionOf(parameters: ReadonlyMap<string, string>): Conversion | null | undefined {
  const kind = parameters.get('as');
  if (kind === undefined) return parameters.has('g') || parameters.has('v') ? undefined : null;
  const version = parameters.get('v');
  if (parameters.get('g') !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1')) return undefined;
  if (kind !== 'Table' && kind !== 'PartialObjectMetadata' && kind !== 'PartialObjectMetadataList') return undefined;
  return { kind, version };
}

function parseAccept(accept: string): readonly Clause[] {
  const clauses: Clause[] = [];
  for (const part of accept.split(',')) {
    const [type = '', ...rest] = part.split(';').map((text) => text.trim());
    const parameters = new Map<string, string>();
    for (const text of rest) {
      const equals = text.indexOf('=');
      if (equals > 0) parameters.set(text.slice(0, equals).toLowerCase(), text.slice(equals + 1));
    }
    const quality = Number(parameters.get('q') ?? '1');
    clauses.push({ type: type.toLowerCase(), parameters, quality: Number.isFinite(quality) ? quality : 1 });
  }
  return clauses
    .map((clause, index) => ({ clause, index }))
    .sort((a, b) => b.clause.quality - a.clause.quality || specificity(b) - specificity(a) || a.index - b.index)
    .map(({ clause }) => clause);
}

function specificity({ clause }: { readonly clause: Clause }): number {
  return clause.type === '*/*' ? 0 : clause.type.endsWith('/*') ? 1 : 2;
}

/** The media type of a Content-Type header without parameters, lower case. */
export function mediaTypeOf(contentType: string | undefined): string {
  if (contentType === undefined) return '';
  const semicolon = contentType.indexOf(';');
  return (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
}
