import { jwkOf, type VerificationKey } from './jwt.ts';

/** The body of /.well-known/openid-configuration: how others can check service account tokens (OpenID Connect Discovery). */
export function openIdConfiguration(issuer: string, jwksUri: string, keys: readonly VerificationKey[]): object {
  return {
    issuer,
    jwks_uri: jwksUri,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(keys.map((key) => key.algorithm))].sort(),
  };
}

/** The body of /openid/v1/jwks; its media type is application/jwk-set+json. */
export function jsonWebKeySet(keys: readonly VerificationKey[]): object {
  return { keys: keys.map(jwkOf) };
}
