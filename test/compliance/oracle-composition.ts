import { type ApiServer, createApiServer } from '../../src/apiserver/api-server.ts';
import type { Security } from '../../src/apiserver/chain.ts';
import type { TlsMaterial } from '../../src/apiserver/http/server.ts';
import type { Log } from '../../src/core/log.ts';
import type { Backend } from '../../src/datastore/backend.ts';
import { builtinKinds } from '../../src/kube/kinds/all.ts';
import { isReason } from '../../src/kube/status-error.ts';
import { systemMasters, type UserInfo } from '../../src/kube/user.ts';

export interface OracleServerOptions {
  readonly backend: Backend;
  readonly tls: TlsMaterial;
  readonly log: Log;
  readonly port: number;
}

export interface OracleServer extends AsyncDisposable {
  readonly server: ApiServer;
  readonly port: number;
  readonly token: string;
}

const token = 'oracle-admin';
const admin: UserInfo = { name: 'admin', groups: [systemMasters, 'system:authenticated'] };
const namespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** The API server with all that answers requests, and nothing that acts on objects. */
export async function startOracleServer(options: OracleServerOptions): Promise<OracleServer> {
  const { backend, tls, log } = options;
  const server = await createApiServer({
    backend,
    log,
    tls,
    kinds: builtinKinds,
    serviceCidrs: ['10.43.0.0/16'],
    security: () => tokenOnly(),
  });
  await seed(server);
  const port = await server.listen('127.0.0.1', options.port);
  return { server, port, token, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

function tokenOnly(): Security {
  const identify = ({ authorization }: { readonly authorization: string | undefined }) =>
    authorization === `Bearer ${token}` ? admin : null;
  return {
    authenticators: [{ identify, authenticate: async (credentials) => identify(credentials) }],
    authorizers: [
      {
        decide: ({ user }) => ({ allowed: user.groups.includes(systemMasters), reason: '' }),
        authorize: async ({ user }) => ({ allowed: user.groups.includes(systemMasters), reason: '' }),
      },
    ],
    admission: [],
  };
}

async function seed(server: ApiServer): Promise<void> {
  const transport = server.transport(admin, 'seed');
  for (const name of namespaces) {
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    try {
      await transport.call({ method: 'POST', path: '/api/v1/namespaces', body });
    } catch (thrown) {
      if (!isReason(thrown, 'AlreadyExists')) throw thrown;
    }
  }
}
