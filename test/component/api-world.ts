import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApiServer, createApiServer } from '../../src/apiserver/api-server.ts';
import type { Security } from '../../src/apiserver/chain.ts';
import type { ServerLimits } from '../../src/apiserver/http/server.ts';
import { silentLog } from '../../src/core/log.ts';
import type { Backend } from '../../src/datastore/backend.ts';
import { openSqliteBackend } from '../../src/datastore/sqlite/backend.ts';
import { builtinKinds } from '../../src/kube/kinds/all.ts';
import type { UserInfo } from '../../src/kube/user.ts';
import { selfSigned } from '../compliance/oracle-server.ts';

/** Who has the token `good`. */
export const admin: UserInfo = { name: 'admin', groups: ['system:masters'] };
/** Where the ConfigMaps of the tests are. */
export const maps = '/api/v1/namespaces/default/configmaps';

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of a test are looked at freely.
  readonly body: any;
}

/** An API server on a real loopback socket, over SQLite in a directory of its own. */
export class World implements AsyncDisposable {
  readonly server: ApiServer;
  readonly port: number;
  readonly ca: Buffer;
  readonly #backend: Backend;
  readonly #directory: string;
  readonly #agent: Agent;

  private constructor(server: ApiServer, port: number, ca: Buffer, backend: Backend, directory: string) {
    this.server = server;
    this.port = port;
    this.ca = ca;
    this.#backend = backend;
    this.#directory = directory;
    this.#agent = new Agent({ keepAlive: true, ca, maxSockets: 32 });
  }

  static async start(limits: Partial<ServerLimits> = {}): Promise<World> {
    const directory = await mkdtemp(join(tmpdir(), 'wherry-apiserver-'));
    const { cert, key } = selfSigned(directory);
    const backend = await openSqliteBackend({ directory: join(directory, 'db') });
    const server = await createApiServer({
      backend,
      log: silentLog,
      kinds: builtinKinds,
      serviceCidrs: ['10.43.0.0/24'],
      tls: { cert, key },
      limits,
      security: () => tokens,
    });
    const port = await server.listen('127.0.0.1', 0);
    return new World(server, port, cert, backend, directory);
  }

  call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = { authorization: 'Bearer good' },
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.port, path, method, agent: this.#agent };
      const bytes = typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body);
      const type: Record<string, string> = bytes === undefined ? {} : { 'content-type': 'application/json' };
      const sent = request({ ...options, headers: { ...type, ...headers } }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const isPlain = response.headers['content-encoding'] === undefined;
          const isJson = isPlain && response.headers['content-type']?.startsWith('application/json') === true;
          const isOne = isJson && !path.includes('watch=');
          const parsed: unknown = isOne && text !== '' ? JSON.parse(text) : undefined;
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body: parsed });
        });
      });
      sent.on('error', reject);
      sent.end(bytes);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.#agent.destroy();
    await this.#backend[Symbol.asyncDispose]();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

const tokens: Security = {
  authenticators: [
    {
      authenticate: async ({ authorization }) => {
        if (authorization === 'Bearer good') return admin;
        return authorization === 'Bearer guest' ? { name: 'guest', groups: [] } : null;
      },
    },
  ],
  authorizers: [{ authorize: async ({ user }) => ({ allowed: user.name === 'admin', reason: '' }) }],
  admission: [],
};

/** A ConfigMap as a client sends it. */
export function configMap(
  name: string,
  data: Readonly<Record<string, string>> = {},
  labels: Readonly<Record<string, string>> = {},
) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels }, data };
}
