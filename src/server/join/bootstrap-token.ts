import { WherryError } from '../../core/errors.ts';
import { parseTime } from '../../kube/time.ts';
import type { Secret } from '../../kube/types.gen.ts';
import { joinGroup } from './join-group.ts';
import type { Credentials } from './token.ts';

/** What a bootstrap token may be used for; the Secret has `usage-bootstrap-NAME` for each. */
export const tokenUsages = ['authentication', 'signing'] as const;
export type TokenUsage = (typeof tokenUsages)[number];

/** A token with which machines join, as its Secret in kube-system says it. */
export interface BootstrapToken {
  readonly credentials: Credentials;
  readonly description: string;
  /** Milliseconds since the epoch; undefined when it never expires. */
  readonly expiresAt: number | undefined;
  readonly usages: readonly TokenUsage[];
  /** Groups that its bearer is put in beside system:bootstrappers. */
  readonly groups: readonly string[];
}

export const tokenNamespace = 'kube-system';
export const tokenSecretType = 'bootstrap.kubernetes.io/token';
const groupForm = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

export const tokenSecretName = (id: string) => `bootstrap-token-${id}`;

export function encodeToken(token: BootstrapToken): Secret {
  const { credentials, description, expiresAt, usages, groups } = token;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: tokenSecretName(credentials.id), namespace: tokenNamespace },
    type: tokenSecretType,
    stringData: {
      ...(description === '' ? {} : { description }),
      'token-id': credentials.id,
      'token-secret': credentials.secret,
      ...(expiresAt === undefined ? {} : { expiration: new Date(expiresAt).toISOString().replace(/\.\d+Z$/, 'Z') }),
      ...Object.fromEntries(usages.map((usage) => [`usage-bootstrap-${usage}`, 'true'])),
      ...(groups.length === 0 ? {} : { 'auth-extra-groups': groups.join(',') }),
    },
  };
}

/** Undefined for a Secret that holds no whole token. */
export function decodeToken(secret: Secret): BootstrapToken | undefined {
  const text = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
  const credentials = { id: text('token-id'), secret: text('token-secret') };
  const isWhole = credentials.secret !== '' && secret.metadata.name === tokenSecretName(credentials.id);
  if (secret.type !== tokenSecretType || !isWhole) return undefined;
  const expiration = text('expiration');
  const expiresAt = expiration === '' ? undefined : parseTime(expiration);
  return {
    credentials,
    description: text('description'),
    // What can't be read has passed, as the API server holds it.
    expiresAt: expiration === '' || (expiresAt !== undefined && !Number.isNaN(expiresAt)) ? expiresAt : 0,
    usages: tokenUsages.filter((usage) => text(`usage-bootstrap-${usage}`) === 'true'),
    groups: text('auth-extra-groups')
      .split(',')
      .filter((group) => group !== ''),
  };
}

/** Checks what a user wants of a new token. Throws WherryError INVALID_OPTION. */
export function checkTokenChoices(groups: readonly string[], usages: readonly string[]): readonly TokenUsage[] {
  for (const group of groups) {
    if (!groupForm.test(group))
      throw new WherryError('INVALID_OPTION', `--groups: ${JSON.stringify(group)} is no group of joining machines`, {
        hint: `write names that begin with system:bootstrappers:, such as ${joinGroup}`,
      });
  }
  return usages.map((usage) => {
    const known = tokenUsages.find((one) => one === usage);
    if (known !== undefined) return known;
    throw new WherryError('INVALID_OPTION', `--usages: ${JSON.stringify(usage)} is not known`, {
      hint: `use ${tokenUsages.join(',')}`,
    });
  });
}
