/**
 * How a client reaches an API server: in process (the API server implements this) or over HTTPS (https-transport.ts).
 * Bodies are decoded JSON values, so that nothing is encoded inside one process. What comes back is shared: readers
 * must not change it.
 */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** E.g. `/api/v1/namespaces/default/pods/web/status`; segments are percent-encoded where needed. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** The body's media type, e.g. `application/merge-patch+json`; `application/json` when absent. */
  readonly contentType?: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

export interface Transport {
  /** Resolves with the decoded body of a 2xx answer; throws StatusError for any other, TransientError when the server can't be reached. */
  call(request: ApiRequest): Promise<unknown>;
  /** A watch: the decoded events in order. Ends when the server ends it or `request.signal` aborts; throws as `call` does. */
  stream(request: ApiRequest): AsyncIterable<unknown>;
}
