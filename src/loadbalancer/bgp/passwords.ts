import type { Client } from '../../client/client.ts';
import { secrets } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { Peer } from './configuration.ts';

/** The type that MetalLB asks of a Secret with a peer's password. */
const secretType = 'kubernetes.io/basic-auth';

/** What the Secrets of peers say, by `namespace/name`; those that are not there, or of another type, are left out. */
export async function readPasswords(peers: readonly Peer[], client: Client): Promise<ReadonlyMap<string, string>> {
  const passwords = new Map<string, string>();
  for (const { passwordSecret } of peers) {
    if (passwordSecret === undefined) continue;
    const key = `${passwordSecret.namespace}/${passwordSecret.name}`;
    if (passwords.has(key)) continue;
    try {
      const { type, data } = await client.get(secrets, passwordSecret);
      const encoded = data?.['password'];
      if (type !== secretType || encoded === undefined) continue;
      passwords.set(key, Buffer.from(encoded, 'base64').toString('utf8'));
    } catch (error) {
      // Told on the peer: it is not there, or in a namespace that nodes may not read.
      if (!isReason(error, 'NotFound') && !isReason(error, 'Forbidden')) throw error;
    }
  }
  return passwords;
}
