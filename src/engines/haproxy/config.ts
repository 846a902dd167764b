/** What HAProxy is to do, as plain data. Names are those of backends and certificates; nothing here knows Kubernetes. */
export interface HaproxyConfig {
  readonly listeners: { readonly http: Listener; readonly https: Listener };
  readonly backends: readonly Backend[];
  /** Shown by names that no other certificate has. PEM of certificate, chain and key. */
  readonly defaultCertificate: string;
  readonly certificates: readonly Certificate[];
  /** Name servers for backends that are names: `10.43.0.10:53`. */
  readonly nameServers: readonly string[];
}

export interface Listener {
  readonly port: number;
  readonly routes: RouteTable;
}

/**
 * Where requests go, by their host and path. A host is a name in lower case, `*.` and a name (any one label before it), or
 * empty (any host). The first that is found counts: for the exact host, for the wildcard and for any host in turn an exact path,
 * a pattern, the longest prefix; then the default of the host, likewise.
 */
export interface RouteTable {
  readonly exact: readonly Route[];
  /** Whole elements of the path; a slash at the end does not count. */
  readonly prefix: readonly Route[];
  /** The path is a regular expression, matched from the beginning, whatever the case of letters; in the order in which they are tried. */
  readonly pattern: readonly Route[];
  /** The path is of no meaning. */
  readonly fallback: readonly Route[];
}

export interface Route {
  readonly host: string;
  readonly path: string;
  /** Name of a backend. */
  readonly backend: string;
}

export interface Backend {
  /** Letters, digits, `_`, `-`, `.` and `:`. */
  readonly name: string;
  readonly protocol: BackendProtocol;
  readonly endpoints: readonly Endpoint[];
  /** Instead of endpoints: a name that HAProxy looks up itself. */
  readonly external?: { readonly host: string; readonly port: number };
  readonly affinity?: Affinity;
  readonly connectTimeoutMs?: number;
  readonly serverTimeoutMs?: number;
  /** In the order in which they take effect. */
  readonly rules: readonly Rule[];
}

/** `h2c`: HTTP/2 in clear text, `h2`: over TLS. Certificates of endpoints are not verified. */
export type BackendProtocol = 'http' | 'https' | 'h2c' | 'h2';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** A client stays with the endpoint whose mark its cookie bears. */
export interface Affinity {
  readonly cookie: string;
  readonly secure: boolean;
  readonly httpOnly: boolean;
  readonly sameSite?: 'None' | 'Lax' | 'Strict';
}

export type Rule =
  /** Only clients of these ranges. */
  | { readonly kind: 'allow'; readonly ranges: readonly string[] }
  /** To the same URL by https, for those that came by http. */
  | { readonly kind: 'secure'; readonly code: RedirectCode }
  | { readonly kind: 'redirect'; readonly location: string; readonly code: RedirectCode; readonly onlyPath?: string }
  | { readonly kind: 'bodyMax'; readonly bytes: number }
  /** The path becomes `target`, with `$1` for the first group of the expression, when it matches. */
  | { readonly kind: 'rewrite'; readonly pattern: string; readonly target: string }
  /** Requests of other origins, as browsers ask for them (fetch.spec.whatwg.org, CORS protocol). */
  | { readonly kind: 'cors'; readonly cors: Cors };

export type RedirectCode = 301 | 302 | 303 | 307 | 308;

export interface Cors {
  /** `*`, or origins. */
  readonly origins: readonly string[];
  readonly methods: string;
  readonly headers: string;
  readonly exposed: string;
  readonly credentials: boolean;
  readonly maxAgeS: number;
}

export interface Certificate {
  /** Becomes part of a file's name: letters, digits, `_`, `-`, `.`. */
  readonly name: string;
  /** Certificate, chain and key. */
  readonly pem: string;
  /** Host names for which it is shown, wildcards among them. */
  readonly hosts: readonly string[];
}
