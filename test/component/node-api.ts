import { mkdir } from 'node:fs/promises';
import { type ApiServer, createApiServer } from '../../src/apiserver/api-server.ts';
import type { TlsMaterial } from '../../src/apiserver/http/server.ts';
import type { Client } from '../../src/client/client.ts';
import { createClient } from '../../src/client/client-impl.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { Log } from '../../src/core/log.ts';
import { openSqliteBackend } from '../../src/datastore/sqlite/backend.ts';
import { builtinKinds } from '../../src/kube/kinds/all.ts';
import { namespaces } from '../../src/kube/resources.gen.ts';
import { isReason } from '../../src/kube/status-error.ts';
import { systemMasters, type UserInfo } from '../../src/kube/user.ts';
import { createSharedInformers, type SharedInformers } from '../../src/runtime/shared-informers.ts';

const admin: UserInfo = { name: 'admin', groups: [systemMasters, 'system:authenticated'] };

/** A datastore and an API server without security and without controllers, in this process: what a node agent speaks to. */
export interface NodeApi extends AsyncDisposable {
  readonly client: Client;
  readonly informers: SharedInformers;
  readonly server: ApiServer;
}

/** What a client over HTTPS shows to be the administrator. */
export const adminToken = 'admin';

/** `directory` holds the datastore and is the caller's to remove. With `tls` the server can listen. */
export async function startApi(directory: string, log: Log, tls?: TlsMaterial): Promise<NodeApi> {
  await mkdir(directory, { recursive: true });
  const backend = await openSqliteBackend({ directory });
  const everything = { allowed: true, reason: '' };
  const identify = ({ authorization }: { readonly authorization: string | undefined }) =>
    authorization === `Bearer ${adminToken}` ? admin : null;
  const server = await createApiServer({
    backend,
    log,
    kinds: builtinKinds,
    serviceCidrs: ['10.43.0.0/16'],
    ...(tls === undefined ? {} : { tls }),
    security: () => ({
      authenticators: [{ identify, authenticate: async (credentials) => identify(credentials) }],
      authorizers: [{ decide: () => everything, authorize: async () => everything }],
      admission: [],
    }),
  });
  const client = createClient(server.transport(admin, 'test'));
  for (const name of ['default', 'test', 'kube-node-lease'])
    await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }).catch((thrown) => {
      if (!isReason(thrown, 'AlreadyExists')) throw thrown;
    });
  const informers = createSharedInformers(client, { clock: systemClock, log });
  return {
    client,
    informers,
    server,
    async [Symbol.asyncDispose]() {
      await informers[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await backend[Symbol.asyncDispose]();
    },
  };
}
