import type { Client } from '../../client/client.ts';
import { WherryError } from '../../core/errors.ts';
import { secrets } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import {
  type BootstrapToken,
  decodeToken,
  encodeToken,
  tokenNamespace,
  tokenSecretName,
  tokenSecretType,
} from './bootstrap-token.ts';

/** Tokens that a cluster may have. */
const listPage = 500;

/** Keeps a new token in the cluster. Throws WherryError TOKEN_EXISTS when its id is taken. */
export async function createToken(client: Client, token: BootstrapToken): Promise<void> {
  try {
    await client.create(secrets, encodeToken(token));
  } catch (error) {
    if (!isReason(error, 'AlreadyExists')) throw error;
    throw new WherryError('TOKEN_EXISTS', `a token with the id ${token.credentials.id} exists already`, {
      hint: `choose another id, or remove that one with \`wherry token delete ${token.credentials.id}\``,
    });
  }
}

/** All tokens, by id. */
export async function listTokens(client: Client): Promise<readonly BootstrapToken[]> {
  const found: BootstrapToken[] = [];
  let next: string | undefined;
  do {
    const page = await client.list(secrets, {
      namespace: tokenNamespace,
      fieldSelector: `type=${tokenSecretType}`,
      limit: listPage,
      ...(next === undefined ? {} : { continue: next }),
    });
    found.push(...page.items.flatMap((secret) => decodeToken(secret) ?? []));
    next = page.metadata.continue;
  } while (next !== undefined && next !== '');
  return found.toSorted((a, b) => (a.credentials.id < b.credentials.id ? -1 : 1));
}

/** Removes a token, so that it no longer holds. Throws WherryError NO_SUCH_TOKEN. */
export async function removeToken(client: Client, id: string): Promise<void> {
  try {
    await client.delete(secrets, { namespace: tokenNamespace, name: tokenSecretName(id) });
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error;
    throw new WherryError('NO_SUCH_TOKEN', `there is no token with the id ${id}`, {
      hint: 'see `wherry token list`',
    });
  }
}
