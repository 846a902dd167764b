import type { Client } from '../../client/client.ts';
import type { Clock } from '../../core/clock.ts';
import { TransientError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';
import { serviceaccounts } from '../../kube/resources.gen.ts';
import type { Pod, ServiceAccountTokenProjection } from '../../kube/types.gen.ts';

/** A token is renewed when this share of its life has passed, and at the latest after a day. */
const renewAfterShare = 0.8;
const renewAfterMs = 24 * 60 * 60 * 1000;
/** Renewals of many pods are spread over this time. */
const jitterMs = 10_000;
const defaultExpirationSeconds = 3600;

export interface BoundToken {
  readonly token: string;
  /** When it shall be renewed, milliseconds since the epoch. */
  readonly renewAt: number;
}

/** Tokens of service accounts that are bound to pods; kept in memory until they are due for renewal. */
export interface ServiceAccountTokens {
  /** A token that is still young. A renewal that fails leaves the former one in use while it is valid. */
  get(pod: Pod, projection: ServiceAccountTokenProjection, signal: AbortSignal): Promise<BoundToken>;
  forget(podUid: string): void;
}

export function createServiceAccountTokens(
  client: Client,
  clock: Clock,
  random: () => number = Math.random,
): ServiceAccountTokens {
  const byPod = new Map<string, Map<string, BoundToken & { readonly expiresAt: number }>>();

  async function request(pod: Pod, projection: ServiceAccountTokenProjection, signal: AbortSignal) {
    const { name = '', namespace = '', uid = '' } = pod.metadata;
    const key = { namespace, name: pod.spec?.serviceAccountName || 'default' };
    const { audience = '', expirationSeconds = defaultExpirationSeconds } = projection;
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: audience === '' ? [] : [audience],
        expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    };
    const requestedAt = clock.now();
    const answer = await client.createSubresource(serviceaccounts, key, 'token', body, { signal });
    const status = isObject(answer) && isObject(answer.status) ? answer.status : {};
    const { token, expirationTimestamp } = status;
    if (typeof token !== 'string' || typeof expirationTimestamp !== 'string')
      throw new TransientError('TOKEN_REQUEST', 'failed to fetch token: the answer has no token');
    const expiresAt = Date.parse(expirationTimestamp);
    const life = expiresAt - requestedAt;
    const renewAt =
      requestedAt + Math.min(life * renewAfterShare, renewAfterMs) - random() * Math.min(jitterMs, life / 20);
    return { token, renewAt, expiresAt };
  }

  return {
    async get(pod, projection, signal) {
      const uid = pod.metadata.uid ?? '';
      const tokens = byPod.get(uid) ?? new Map<string, BoundToken & { readonly expiresAt: number }>();
      byPod.set(uid, tokens);
      const id = JSON.stringify([pod.spec?.serviceAccountName, projection.audience, projection.expirationSeconds]);
      const known = tokens.get(id);
      if (known !== undefined && clock.now() < known.renewAt) return known;
      try {
        const made = await request(pod, projection, signal);
        tokens.set(id, made);
        return made;
      } catch (cause) {
        signal.throwIfAborted();
        const now = clock.now();
        if (known !== undefined && now < known.expiresAt) return { token: known.token, renewAt: now + jitterMs };
        const message = cause instanceof Error ? cause.message : String(cause);
        throw new TransientError('TOKEN_REQUEST', `failed to fetch token: ${message}`, { cause });
      }
    },
    forget: (podUid) => void byPod.delete(podUid),
  };
}
