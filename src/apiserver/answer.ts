import type { Duplex } from 'node:stream';
import type { Kind } from '../kube/kind.ts';
import type { KubeObject, ListMeta } from '../kube/object.ts';
import type { UserInfo } from '../kube/user.ts';
import { Entry } from './cache/entry.ts';
import type { ServedKind } from './kind-registry.ts';
import type { Query } from './query.ts';
import type { RequestInfo } from './request.ts';
import type { WatchSource } from './watch.ts';

/** A request after authentication and authorization, whatever way it came: what handlers see. */
export interface Call {
  readonly info: RequestInfo;
  readonly method: string;
  readonly query: Query;
  readonly user: UserInfo;
  /** Names the field manager when the client gave none. */
  readonly userAgent: string;
  /** Media type of the body without parameters, lower case; empty when none was sent. */
  readonly contentType: string;
  /** A header of the request by its lower-case name; absent in process. */
  readonly header?: (name: string) => string | undefined;
  /** The headers as sent, for handlers that pass a request on; absent in process. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Aborts when the client is gone, the deadline has passed or the server shuts down. */
  readonly signal: AbortSignal;
  /** Reads the body whole. Throws StatusError when it is too large. Empty bytes when there is none. */
  body(): Promise<Body>;
  /** Adds the text of a Warning header to the answer. */
  warn(text: string): void;
  /** The connection itself, for handlers that upgrade it; absent in process and where the client asked for no upgrade. */
  readonly upgrade?: UpgradeRequest;
}

/** A connection that the client asked to upgrade (Connection: Upgrade). The handler answers on the socket itself. */
export interface UpgradeRequest {
  readonly method: string;
  /** Name, value, name, value, ..., as sent. */
  readonly rawHeaders: readonly string[];
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** Encoded as it was sent, or already decoded (in process). A decoded value is the sender's: it must not be changed. */
export type Body =
  | { readonly type: 'bytes'; readonly bytes: Buffer }
  | { readonly type: 'value'; readonly value: unknown };

export type Answer = ObjectAnswer | ListAnswer | WatchAnswer | RawAnswer | TakenAnswer;

/** What must be known of a kind to show its objects as a table. */
export type Presentation = Pick<ServedKind, 'resource' | 'apiVersion'> & {
  readonly kind: Pick<Kind, 'table' | 'fieldAnnotations'>;
};

/** The same of a kind that is listed. */
export type ListedKind = Presentation & Pick<ServedKind, 'isCustom'>;

/** One object or Status. With `served` it can be shown as a table or as metadata only. */
export interface ObjectAnswer {
  readonly type: 'object';
  readonly code: number;
  readonly served: Presentation | null;
  /** Entries carry their encoded bytes with them. */
  readonly object: Entry | object;
}

export interface ListAnswer {
  readonly type: 'list';
  readonly served: ListedKind;
  readonly entries: readonly Entry[];
  readonly metadata: ListMeta;
}

export interface WatchAnswer {
  readonly type: 'watch';
  readonly served: ServedKind;
  readonly source: WatchSource;
}

/** A body that is not a Kubernetes object, e.g. of /healthz and /metrics. */
export interface RawAnswer {
  readonly type: 'raw';
  readonly code: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | AsyncIterable<Uint8Array>;
}

/** The handler has taken the connection over (upgrade) and answers there. */
export interface TakenAnswer {
  readonly type: 'taken';
}

export function objectAnswer(code: number, served: Presentation | null, object: Entry | object): ObjectAnswer {
  return { type: 'object', code, served, object };
}

export function textAnswer(code: number, body: string): RawAnswer {
  return {
    type: 'raw',
    code,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body,
  };
}

/** The decoded object of an answer, shared. */
export function decodedOf(object: Entry | object): object {
  return object instanceof Entry ? object.object : object;
}

/** The list as one object, as in-process callers get it. */
export function listObject(answer: ListAnswer): KubeObject & { readonly items: readonly KubeObject[] } {
  return {
    kind: answer.served.resource.listKind,
    apiVersion: answer.served.apiVersion,
    metadata: answer.metadata,
    items: answer.entries.map((entry) => entry.object),
  } as KubeObject & { readonly items: readonly KubeObject[] };
}
