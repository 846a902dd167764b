import type { Kind } from '../kube/kind.ts';
import type { UserInfo } from '../kube/user.ts';

/** A request's target and verb, parsed from its URL: what authorization, admission and the registry speak about. */
export interface RequestInfo {
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, or the lower-case method for non-resource paths. */
  readonly verb: string;
  readonly path: string;
  readonly isResource: boolean;
  readonly group: string;
  readonly version: string;
  /** Plural name; empty for non-resource requests. */
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

/** Finds who makes a request. Null when this authenticator has no opinion; throws StatusError Unauthorized for bad credentials. */
export interface Authenticator {
  authenticate(credentials: Credentials): Promise<UserInfo | null>;
}

export interface Credentials {
  /** The Authorization header as sent. */
  readonly authorization: string | undefined;
  /** DER of the client certificate that TLS verified against the client CA. */
  readonly peerCertificate: Uint8Array | undefined;
}

/** What is asked of an Authorizer; mirrors k8s.io/apiserver authorizer.Attributes. */
export interface AuthorizationAttributes {
  readonly user: UserInfo;
  readonly verb: string;
  readonly isResource: boolean;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

export interface Decision {
  readonly allowed: boolean;
  /** True when it is refused whatever other authorizers say. */
  readonly denied?: boolean;
  readonly reason: string;
}

export interface Authorizer {
  authorize(attributes: AuthorizationAttributes): Promise<Decision>;
}

/** One object operation on its way through admission. */
export interface AdmissionRequest {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  readonly user: UserInfo;
  readonly info: RequestInfo;
  readonly kind: Kind;
  /** The new state; mutating plugins change it in place. Null for DELETE. */
  readonly object: Record<string, unknown> | null;
  readonly old: Readonly<Record<string, unknown>> | null;
  readonly options: Readonly<Record<string, unknown>>;
  readonly dryRun: boolean;
  /** Adds the text of a Warning header to the answer. */
  warn(text: string): void;
}

/** Plugins run in a fixed order: all `admit`, then (after defaults, prepare and validation) all `validate`. They throw StatusError to refuse. */
export interface AdmissionPlugin {
  readonly name: string;
  handles(request: AdmissionRequest): boolean;
  admit?(request: AdmissionRequest): Promise<void>;
  validate?(request: AdmissionRequest): Promise<void>;
}
