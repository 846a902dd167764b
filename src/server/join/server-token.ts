import type { Client } from '../../client/client.ts';
import { WherryError } from '../../core/errors.ts';
import { secrets } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { Secret } from '../../kube/types.gen.ts';
import { readIfPresent, writeAtomically } from '../pki/files.ts';
import { joinGroup } from './objects.ts';
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
  const kept = await readKept(file);
  const credentials = given === undefined ? (kept ?? newCredentials()) : parseJoinToken(given).credentials;
  await writeSecret(client, secretOf(credentials));
  // The file last: after a crash in between, the next start finds the former token and removes it.
  await writeAtomically(file, `${formatJoinToken(authority, credentials)}\n`, 0o600);
  if (kept !== undefined && kept.id !== credentials.id) await removeSecret(client, secretName(kept));
}

async function readKept(file: string): Promise<Credentials | undefined> {
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

const secretName = ({ id }: Credentials) => `bootstrap-token-${id}`;

function secretOf(credentials: Credentials): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: secretName(credentials), namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    stringData: {
      description: 'With this token machines join the cluster (wherry agent).',
      'token-id': credentials.id,
      'token-secret': credentials.secret,
      'usage-bootstrap-authentication': 'true',
      'auth-extra-groups': joinGroup,
    },
  };
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
  await client.delete(secrets, { namespace: 'kube-system', name }).catch((error: unknown) => {
    if (!isReason(error, 'NotFound')) throw error;
  });
}
