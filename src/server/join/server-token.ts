import type { Client } from '../../client/client.ts';
import { WherryError } from '../../core/errors.ts';
import { secrets } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { Secret } from '../../kube/types.gen.ts';
import { readIfPresent, writeAtomically } from '../pki/files.ts';
import { encodeToken, tokenNamespace, tokenSecretName } from './bootstrap-token.ts';
import { joinGroup } from './join-group.ts';
import { type Credentials, formatJoinToken, newCredentials, parseJoinToken } from './token.ts';

export interface ServerTokenOptions {
  /** `<data-dir>/server/token`. */
  readonly file: string;
  /** --token, if the user gave one; else what the file holds stays in force. */
  readonly given: string | undefined;
  /** PEM of the authority that signed the API server's certificate. */
  readonly authority: string;
}

/** Sees to it that the join token of the file is the one that the API server accepts; a former one no longer is. */
export async function ensureServerToken(client: Client, options: ServerTokenOptions): Promise<void> {
  const { file, given, authority } = options;
  const kept = await readServerToken(file);
  const credentials = given === undefined ? (kept ?? newCredentials()) : parseJoinToken(given).credentials;
  await writeSecret(client, secretOf(credentials));
  // The file last: after a crash in between, the next start finds the former token and removes it.
  await writeAtomically(file, `${formatJoinToken(authority, credentials)}\n`, 0o600);
  if (kept !== undefined && kept.id !== credentials.id) await removeSecret(client, tokenSecretName(kept.id));
}

/** The credentials that the file holds; undefined when there is no file. Throws WherryError JOIN_TOKEN_UNREADABLE. */
export async function readServerToken(file: string): Promise<Credentials | undefined> {
  const text = await readIfPresent(file);
  if (text === undefined) return undefined;
  try {
    return parseJoinToken(text).credentials;
  } catch (cause) {
    throw new WherryError('JOIN_TOKEN_UNREADABLE', `${file} holds no join token`, {
      cause,
      hint: `remove ${file}; the next start makes a new one`,
    });
  }
}

function secretOf(credentials: Credentials): Secret {
  return encodeToken({
    credentials,
    description: 'With this token machines join the cluster (wherry agent).',
    expiresAt: undefined,
    usages: ['authentication'],
    groups: [joinGroup],
  });
}

async function writeSecret(client: Client, secret: Secret): Promise<void> {
  try {
    await client.create(secrets, secret);
  } catch (error) {
    if (!isReason(error, 'AlreadyExists')) throw error;
    await client.update(secrets, secret);
  }
}

async function removeSecret(client: Client, name: string): Promise<void> {
  await client.delete(secrets, { namespace: tokenNamespace, name }).catch((error: unknown) => {
    if (!isReason(error, 'NotFound')) throw error;
  });
}
