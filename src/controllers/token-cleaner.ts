import { keyOf } from '../kube/resource.ts';
import { secrets } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import { parseTime } from '../kube/time.ts';
import type { Secret } from '../kube/types.gen.ts';
import { type Controller, done, watchOf } from '../runtime/controller.ts';
import { nameOf } from './support/ownership.ts';

const tokenType = 'bootstrap.kubernetes.io/token';
/** A token that has expired no longer holds; it is kept for this long, so that whoever shows it can be told why. */
const expiredKeptMs = 3_600_000;
/** Timers can't wait for months. */
const lookAgainMs = 24 * 3_600_000;

/** Milliseconds until a bootstrap token may go; undefined when it stays. Pure. */
export function tokenTimeLeftMs(secret: Secret, nowMs: number): number | undefined {
  const isToken = secret.type === tokenType && secret.metadata.namespace === 'kube-system';
  if (!isToken || secret.metadata.deletionTimestamp !== undefined) return undefined;
  const expiration = Buffer.from(secret.data?.['expiration'] ?? '', 'base64').toString('utf8');
  if (expiration === '') return undefined;
  const expiresAt = parseTime(expiration) ?? Number.NaN;
  // A time that nobody can read has passed, as authentication holds it.
  return Number.isNaN(expiresAt) ? 0 : expiresAt + expiredKeptMs - nowMs;
}

/** Removes bootstrap tokens some time after they have expired. */
export const tokenCleanerController: Controller = {
  name: 'token-cleaner',
  watches: [watchOf(secrets, (secret) => (secret.type === tokenType ? [keyOf(secret)] : []))],
  async reconcile(key, { informers, client, clock }) {
    const secret = informers.of(secrets).get(key);
    const leftMs = secret && tokenTimeLeftMs(secret, clock.now());
    if (!secret || leftMs === undefined) return done;
    if (leftMs > 0) return { requeueAfterMs: Math.min(leftMs, lookAgainMs) };
    const { uid } = secret.metadata;
    try {
      await client.delete(secrets, nameOf(secret), uid === undefined ? {} : { preconditions: { uid } });
    } catch (thrown) {
      if (!isReason(thrown, 'NotFound', 'Conflict')) throw thrown;
    }
    return done;
  },
};
