import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApiServer, createApiServer } from '../../src/apiserver/api-server.ts';
import type { TlsMaterial } from '../../src/apiserver/http/server.ts';
import { ensureBootstrapObjects } from '../../src/apiserver/rbac/bootstrap.ts';
import { ClusterSecurity } from '../../src/apiserver/security.ts';
import type { Client } from '../../src/client/client.ts';
import { createClient } from '../../src/client/client-impl.ts';
import { silentLog } from '../../src/core/log.ts';
import { openSqliteBackend } from '../../src/datastore/sqlite/backend.ts';
import { builtinKinds } from '../../src/kube/kinds/all.ts';
import { namespaces, serviceaccounts } from '../../src/kube/resources.gen.ts';
import { apiServerUser, type UserInfo } from '../../src/kube/user.ts';

/** An API server with the whole of its security and no controllers, in this process, on a datastore of its own. */
export interface SecuredServer extends AsyncDisposable {
  readonly server: ApiServer;
  readonly security: ClusterSecurity;
  /** As the superuser. */
  readonly client: Client;
  as(user: UserInfo): Client;
  /** Makes a namespace with its default service account. */
  namespace(name: string, labels?: Readonly<Record<string, string>>): Promise<void>;
}

/** `tls`: with it the server can be told to listen. */
export async function startSecuredServer(tls?: TlsMaterial): Promise<SecuredServer> {
  await using started = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'wherry-secured-'));
  started.defer(() => rmSync(directory, { recursive: true, force: true }));
  const backend = started.use(await openSqliteBackend({ directory }));
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const found: ClusterSecurity[] = [];
  const server = started.use(
    await createApiServer({
      backend,
      ...(tls === undefined ? {} : { tls }),
      log: silentLog,
      kinds: builtinKinds,
      serviceCidrs: ['10.43.0.0/16'],
      security: (context) => {
        const options = {
          issuer: 'https://issuer',
          serviceAccountKey: privateKey,
          staticTokens: new Map(),
          anonymous: true,
        };
        const security = started.use(new ClusterSecurity(context, { ...options, externalUrl: 'https://localhost' }));
        found.push(security);
        return security.security;
      },
    }),
  );
  const [security] = found;
  if (security === undefined) throw new Error('the server asked for no security');
  security.serveOn(server);
  const client = createClient(server.transport(apiServerUser));
  await ensureBootstrapObjects(client);
  const stack = started.move();
  return {
    server,
    security,
    client,
    as: (user) => createClient(server.transport(user)),
    async namespace(name, labels = {}) {
      await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
      const metadata = { namespace: name, name: 'default' };
      await client.create(serviceaccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
