import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { secrets } from '../../kube/resources.gen.ts';
import { parseTime } from '../../kube/time.ts';
import type { ClusterReader } from '../reader.ts';
import { commonAudiences, type TokenAuthenticator, type TokenIdentity } from './token.ts';

const form = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const groupForm = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/** Tokens with which machines join: Secrets of type bootstrap.kubernetes.io/token in kube-system. */
export class BootstrapTokens implements TokenAuthenticator {
  private readonly reader: ClusterReader;
  private readonly clock: Clock;
  private readonly apiAudiences: readonly string[];

  constructor(reader: ClusterReader, clock: Clock, apiAudiences: readonly string[]) {
    this.reader = reader;
    this.clock = clock;
    this.apiAudiences = apiAudiences;
  }

  authenticateToken(token: string, audiences: readonly string[]): TokenIdentity | null {
    const [, id = '', secretPart = ''] = form.exec(token) ?? [];
    const common = commonAudiences(audiences, this.apiAudiences);
    if (id === '' || common.length === 0) return null;
    const secret = this.reader.get(secrets, { namespace: 'kube-system', name: `bootstrap-token-${id}` });
    if (secret?.type !== 'bootstrap.kubernetes.io/token' || secret.metadata.deletionTimestamp !== undefined)
      return null;
    const text = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
    const usable = text('token-id') === id && text('usage-bootstrap-authentication') === 'true';
    if (!usable || !sameText(text('token-secret'), secretPart) || this.expired(text('expiration'))) return null;
    const extra = text('auth-extra-groups')
      .split(',')
      .filter((group) => group !== '');
    if (!extra.every((group) => groupForm.test(group))) return null;
    const groups = [...new Set(['system:bootstrappers', ...extra])].sort();
    return { user: { name: `system:bootstrap:${id}`, groups: [...groups, 'system:authenticated'] }, audiences: common };
  }

  /** An expiration that can't be read counts as passed. */
  private expired(expiration: string): boolean {
    if (expiration === '') return false;
    const at = parseTime(expiration);
    return at === undefined || Number.isNaN(at) || at <= this.clock.now();
  }
}

/** Compares two secrets in a time that tells nothing about them. */
export function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
