import { createHash, randomInt } from 'node:crypto';
import { WherryError } from '../../core/errors.ts';

/** What a machine shows to join a cluster: a bootstrap token, and by which authority it knows the right server. */
export interface JoinToken {
  /** SHA-256 of the server authority's PEM, in hexadecimal; absent when the token is only a secret. */
  readonly authorityHash?: string;
  readonly credentials: Credentials;
}

/** The two halves of a bootstrap token (bootstrap.kubernetes.io/token). */
export interface Credentials {
  readonly id: string;
  readonly secret: string;
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
const bootstrapForm = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
/** k3s's secure format: version, hash, then the credentials. */
const secureForm = /^K10([0-9a-f]{64})::(.+)$/;
/** Ids are public, so that of a secret which the user chose tells nothing of it. */
const chosenId = 'wherry';

/** Reads a token as the user gave it: in the secure format, or the secret alone. Throws WherryError JOIN_TOKEN_MALFORMED. */
export function parseJoinToken(text: string): JoinToken {
  const trimmed = text.trim();
  const secure = secureForm.exec(trimmed);
  if (secure !== null) return { authorityHash: secure[1] ?? '', credentials: credentialsOf(secure[2] ?? '') };
  // What was meant to be in the secure format must not pass as a secret, which trusts any server.
  if (trimmed === '' || trimmed.startsWith('K10') || trimmed.includes('::')) {
    throw new WherryError(
      'JOIN_TOKEN_MALFORMED',
      'the token is not whole: K10, 64 hexadecimal digits, :: and a secret',
      {
        hint: 'copy the whole line of DATA-DIR/server/token from the server',
      },
    );
  }
  return { credentials: credentialsOf(trimmed) };
}

/** The id of a token that is given whole, in any form, or by its id. */
export function tokenIdOf(text: string): string {
  return /^[a-z0-9]{6}$/.test(text) ? text : parseJoinToken(text).credentials.id;
}

/** The secure format, for the file from which users copy it. */
export function formatJoinToken(authorityPem: string, { id, secret }: Credentials): string {
  return `K10${authorityHashOf(authorityPem)}::${id}.${secret}`;
}

export function authorityHashOf(pem: string): string {
  return createHash('sha256').update(pem).digest('hex');
}

/** New credentials that nobody can guess. */
export function newCredentials(): Credentials {
  const random = (length: number) => Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
  return { id: random(6), secret: random(16) };
}

/** Both sides make the same credentials of a secret that the user chose. */
function credentialsOf(text: string): Credentials {
  const [, id, secret] = bootstrapForm.exec(text) ?? [];
  if (id !== undefined && secret !== undefined) return { id, secret };
  const digest = createHash('sha256').update(`wherry join token\n${text}`).digest();
  const letters = [...digest.subarray(0, 16)].map((byte) => alphabet[byte % alphabet.length]);
  return { id: chosenId, secret: letters.join('') };
}
