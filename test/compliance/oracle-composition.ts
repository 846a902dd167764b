import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { type ApiServer, createApiServer } from '../../src/apiserver/api-server.ts';
import type { TlsMaterial } from '../../src/apiserver/http/server.ts';
import { ensureBootstrapObjects } from '../../src/apiserver/rbac/bootstrap.ts';
import { ClusterSecurity } from '../../src/apiserver/security.ts';
import { createNodeConnector } from '../../src/apiserver/streaming/node-connector.ts';
import { addStreamingSubresources } from '../../src/apiserver/streaming/streaming.ts';
import { createClient } from '../../src/client/client-impl.ts';
import type { Log } from '../../src/core/log.ts';
import type { Backend } from '../../src/datastore/backend.ts';
import { builtinKinds } from '../../src/kube/kinds/all.ts';
import { apiServerUser, systemMasters, type UserInfo } from '../../src/kube/user.ts';

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

const newRsaKey = promisify(generateKeyPair);
const token = 'oracle-admin';
const admin: UserInfo = { name: 'admin', uid: 'admin', groups: [systemMasters, 'system:authenticated'] };

/** The API server with all that answers requests, and nothing that acts on objects. */
export async function startOracleServer(options: OracleServerOptions): Promise<OracleServer> {
  const { backend, tls, log } = options;
  const { privateKey } = await newRsaKey('rsa', { modulusLength: 2048 });
  const issuer = 'https://kubernetes.default.svc';
  let security: ClusterSecurity | undefined;
  const server = await createApiServer({
    backend,
    log,
    tls,
    kinds: builtinKinds,
    serviceCidrs: ['10.96.0.0/16'],
    security: (context) => {
      security = new ClusterSecurity(context, {
        issuer,
        serviceAccountKey: privateKey,
        staticTokens: new Map([[token, admin]]),
        anonymous: true,
        externalUrl: 'https://127.0.0.1:6443',
      });
      return security.security;
    },
  });
  security?.serveOn(server);
  if (security !== undefined) {
    // There are no nodes: only what the server itself decides is asked of these.
    const nodes = createNodeConnector({ tls: () => ({ ...tls, ca: tls.cert }) });
    addStreamingSubresources(server.subresources, { reader: server.reader, nodes, security: security.security });
  }
  await ensureBootstrapObjects(createClient(server.transport(apiServerUser)));
  const port = await server.listen('127.0.0.1', options.port);
  return { server, port, token, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
