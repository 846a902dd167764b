import type { UserInfo } from '../kube/user.ts';
import { attributesOf } from './authz/attributes.ts';
import { refusal } from './authz/refusal.ts';
import { unauthorized } from './errors.ts';
import type { Query } from './query.ts';
import type {
  AdmissionPlugin,
  Authenticator,
  AuthorizationAttributes,
  Authorizer,
  Credentials,
  Decision,
  RequestInfo,
} from './request.ts';

/** Headers by lower-case name, each with all of its values. */
export type Headers = Readonly<Record<string, readonly string[] | undefined>>;

/** Who may do what: everything between a request and its handler. */
export interface Security {
  /** Asked in order; the first that knows the user decides. */
  readonly authenticators: readonly (Authenticator & {
    /** The same at once, where nothing waits. */
    identify?(credentials: Credentials): UserInfo | null;
  })[];
  /** Asked in order; the first that allows or denies decides. */
  readonly authorizers: readonly (Authorizer & { decide?(attributes: AuthorizationAttributes): Decision })[];
  /** In the order in which they run. */
  readonly admission: readonly AdmissionPlugin[];
  /** The user that Impersonate-* headers ask for. Throws Forbidden. Absent: such headers are ignored. */
  impersonate?(headers: Headers, attributes: AuthorizationAttributes): UserInfo;
}

/** Throws Unauthorized when nobody knows the credentials. Answers at once where all authenticators do. */
export function authenticate(security: Security, credentials: Credentials): UserInfo | Promise<UserInfo> {
  for (const authenticator of security.authenticators) {
    if (authenticator.identify === undefined) return authenticateSlowly(security, credentials);
    const user = authenticator.identify(credentials);
    if (user !== null) return user;
  }
  throw unauthorized();
}

async function authenticateSlowly(security: Security, credentials: Credentials): Promise<UserInfo> {
  for (const authenticator of security.authenticators) {
    const user = await authenticator.authenticate(credentials);
    if (user !== null) return user;
  }
  throw unauthorized();
}

/** Throws Forbidden unless the user may. Answers at once (undefined) where the authorizers do. */
export function authorize(
  security: Security,
  user: UserInfo,
  info: RequestInfo,
  query: Query,
): Promise<void> | undefined {
  const attributes = query.isEmpty
    ? attributesOf(user, info)
    : attributesOf(user, info, {
        fieldSelector: query.get('fieldSelector'),
        labelSelector: query.get('labelSelector'),
      });
  const reasons: string[] = [];
  for (const authorizer of security.authorizers) {
    if (authorizer.decide === undefined) return authorizeSlowly(security, attributes);
    const decision = authorizer.decide(attributes);
    if (decision.allowed) return undefined;
    if (decision.reason !== '') reasons.push(decision.reason);
    if (decision.denied === true) break;
  }
  throw refusal(attributes, reasons.join('\n'));
}

async function authorizeSlowly(security: Security, attributes: AuthorizationAttributes): Promise<void> {
  const reasons: string[] = [];
  for (const authorizer of security.authorizers) {
    const decision = await authorizer.authorize(attributes);
    if (decision.allowed) return;
    if (decision.reason !== '') reasons.push(decision.reason);
    if (decision.denied === true) break;
  }
  throw refusal(attributes, reasons.join('\n'));
}
