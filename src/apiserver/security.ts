import type { KeyObject } from 'node:crypto';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/client-impl.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import { tokenreviews } from '../kube/resources.gen.ts';
import { findSchema } from '../kube/schema/builtin.ts';
import type { TokenRequest } from '../kube/types.gen.ts';
import { apiServerUser, type UserInfo } from '../kube/user.ts';
import { createAdmissionChain } from './admission/chain.ts';
import { type Answer, type Call, objectAnswer } from './answer.ts';
import type { ApiServer, SecurityContext } from './api-server.ts';
import { RequestAuthenticator } from './authn/authenticator.ts';
import { impersonated } from './authn/impersonation.ts';
import { signingKey, verificationKey } from './authn/jwt.ts';
import { jsonWebKeySet, openIdConfiguration } from './authn/openid.ts';
import { TokenIssuer } from './authn/token-request.ts';
import { Authorization } from './authz/authorization.ts';
import type { Security } from './chain.ts';
import { failure } from './errors.ts';
import type { ServedKind } from './kind-registry.ts';
import { parseWriteOptions } from './options.ts';
import { decodeBody } from './registry/codec.ts';
import type { AdmissionPlugin } from './request.ts';
import { createReviews } from './reviews/reviews.ts';
import { virtualReviews } from './reviews/serve.ts';

export interface ClusterSecurityOptions {
  /** Issuer of service account tokens, e.g. `https://kubernetes.default.svc.cluster.local`. */
  readonly issuer: string;
  /** What tokens must be meant for; the issuer alone when absent. */
  readonly apiAudiences?: readonly string[];
  /** Signs service account tokens (RSA or P-256). */
  readonly serviceAccountKey: KeyObject;
  /** Public halves of former signing keys, whose tokens still hold. */
  readonly formerServiceAccountKeys?: readonly KeyObject[];
  /** Tokens known from the start, e.g. the administrator's. */
  readonly staticTokens: ReadonlyMap<string, UserInfo>;
  /** Whether requests without credentials are let in as system:anonymous. */
  readonly anonymous: boolean;
  /** Where clients reach the API server: tells them where its keys are. */
  readonly externalUrl: string;
  /** Admission plugins beyond the standard ones. */
  readonly admission?: readonly AdmissionPlugin[];
  readonly clock?: Clock;
}

/** Authentication, authorization and admission of a cluster, put together, and the endpoints that belong to them. */
export class ClusterSecurity implements Disposable {
  readonly security: Security;
  readonly authenticator: RequestAuthenticator;
  readonly authorization: Authorization;
  readonly issuer: TokenIssuer;
  private readonly options: ClusterSecurityOptions;
  private readonly audiences: readonly string[];
  private readonly clock: Clock;

  constructor(context: SecurityContext, options: ClusterSecurityOptions) {
    const { reader } = context;
    const { issuer, staticTokens, anonymous, serviceAccountKey } = options;
    this.options = options;
    this.clock = options.clock ?? systemClock;
    const { clock } = this;
    const apiAudiences = options.apiAudiences ?? [issuer];
    this.audiences = apiAudiences;
    const serviceAccountKeys = this.keys();
    this.authenticator = new RequestAuthenticator({
      ...{ reader, clock, issuer, apiAudiences, serviceAccountKeys, staticTokens, anonymous },
    });
    this.authorization = new Authorization(reader);
    this.issuer = new TokenIssuer({ issuer, apiAudiences, key: signingKey(serviceAccountKey), reader, clock });
    const { authenticator, authorization } = this;
    // The server's own client can only be made once the server is there.
    let client: Client | undefined;
    const ownClient = () => {
      client ??= createClient(context.transport(apiServerUser));
      return client;
    };
    const extensions = options.admission ?? [];
    this.security = {
      authenticators: [authenticator],
      authorizers: [authorization],
      admission: createAdmissionChain({ reader, authorization, client: ownClient, clock, extensions }),
      impersonate: (headers, attributes) => impersonated(headers, attributes, authorization),
    };
  }

  [Symbol.dispose](): void {
    this.authorization[Symbol.dispose]();
  }

  /** Adds what belongs to security and is served: reviews, tokens of service accounts, the keys that check them. */
  serveOn(server: ApiServer): void {
    const { authenticator, authorization, clock, audiences } = this;
    const reviews = createReviews({ authenticator, authorization, apiAudiences: audiences, clock });
    for (const resource of virtualReviews(reviews, clock)) server.serveVirtual(resource);
    server.subresources.add('serviceaccounts', 'token', { POST: (call, served) => this.token(server, call, served) });
    const { issuer, externalUrl } = this.options;
    const body = (value: object, type: string) => (call: Call) => {
      requireAccept(call, type);
      return { type: 'raw', code: 200, headers: { 'content-type': type }, body: JSON.stringify(value) } as const;
    };
    const discovery = openIdConfiguration(issuer, `${externalUrl}/openid/v1/jwks`, this.keys());
    const methods = ['GET'];
    server.routes.add('/.well-known/openid-configuration', { methods, handle: body(discovery, 'application/json') });
    const keys = jsonWebKeySet(this.keys());
    server.routes.add('/openid/v1/jwks', { methods, handle: body(keys, 'application/jwk-set+json') });
  }

  private keys() {
    const { serviceAccountKey, formerServiceAccountKeys = [] } = this.options;
    return [serviceAccountKey, ...formerServiceAccountKeys].map(verificationKey);
  }

  private async token(server: ApiServer, call: Call, served: ServedKind): Promise<Answer> {
    const { namespace, name } = call.info;
    const schema = findSchema('io.k8s.api.authentication.v1.TokenRequest') ?? { type: 'any', atomic: false };
    const options = parseWriteOptions(call.query, 'CreateOptions');
    const expected = { group: tokenreviews.group, version: 'v1', kind: 'TokenRequest', schema };
    const { object, warnings } = decodeBody(await call.body(), call.contentType, expected, options.fieldValidation);
    for (const text of warnings) call.warn(text);
    const { dryRun } = options;
    const attempt = { call, served, operation: 'CREATE' as const, name, options: {}, dryRun };
    const { admission } = server.registry;
    const request = admission.request(attempt, object, null);
    await admission.mutate(request);
    await admission.validate(request);
    return objectAnswer(201, null, this.issuer.create(namespace, name, object as unknown as TokenRequest));
  }
}

// There is one form of these documents: a client that takes only others gets none.
function requireAccept(call: Call, type: string): void {
  const accepted = (call.header?.('accept') ?? '*/*').split(',').map((range) => range.split(';')[0]?.trim() ?? '');
  if (accepted.some((range) => range === type || range === '*/*' || range === `${type.split('/')[0]}/*`)) return;
  const message = `406: Not Acceptable\n\nAvailable representations: ${type}`;
  throw failure({ code: 406, reason: 'NotAcceptable', message, details: {} });
}
