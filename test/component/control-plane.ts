import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApiServer } from '../../src/apiserver/api-server.ts';
import type { Client } from '../../src/client/client.ts';
import { createClient } from '../../src/client/client-impl.ts';
import { createControllers } from '../../src/controllers/all.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createLog, type LogLevel } from '../../src/core/log.ts';
import { openSqliteBackend } from '../../src/datastore/sqlite/backend.ts';
import { builtinKinds } from '../../src/kube/kinds/all.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import type { Resource } from '../../src/kube/resource.ts';
import { namespaces } from '../../src/kube/resources.gen.ts';
import { isReason } from '../../src/kube/status-error.ts';
import { systemMasters, type UserInfo } from '../../src/kube/user.ts';
import { createManager, type Manager } from '../../src/runtime/manager.ts';

const admin: UserInfo = { name: 'admin', groups: [systemMasters, 'system:authenticated'] };
const systemNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];
/** Longest time that a condition may take. */
const deadlineMs = 20_000;

/** A datastore, an API server without security, and the controllers, in this process. */
export interface ControlPlane extends AsyncDisposable {
  readonly client: Client;
  readonly manager: Manager;
  /** Makes a namespace of its own. */
  namespace(): Promise<string>;
}

export async function startControlPlane(level: LogLevel = 'silent'): Promise<ControlPlane> {
  await using started = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'wherry-controllers-'));
  started.defer(() => rmSync(directory, { recursive: true, force: true }));
  const log = createLog(level);
  const backend = started.use(await openSqliteBackend({ directory }));
  const server = started.use(
    await createApiServer({
      backend,
      log,
      kinds: builtinKinds,
      serviceCidrs: ['10.43.0.0/16'],
      security: () => ({
        authenticators: [{ identify: () => null, authenticate: async () => null }],
        authorizers: [
          { decide: () => ({ allowed: true, reason: '' }), authorize: async () => ({ allowed: true, reason: '' }) },
        ],
        admission: [],
      }),
    }),
  );
  const client = createClient(server.transport(admin, 'test'));
  for (const name of systemNamespaces) await ensureNamespace(client, name);
  const manager = createManager({ client, clock: systemClock, log });
  started.defer(() => manager.stop());
  await manager.run(createControllers({ rootCaPem: 'pem', clusterCidrs: ['10.42.0.0/16'] }));
  const stack = started.move();
  let count = 0;
  return {
    client,
    manager,
    async namespace() {
      const name = `test-${++count}`;
      await ensureNamespace(client, name);
      return name;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function ensureNamespace(client: Client, name: string): Promise<void> {
  try {
    await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  } catch (thrown) {
    if (!isReason(thrown, 'AlreadyExists')) throw thrown;
  }
}

/** Resolves as soon as the objects of a namespace satisfy `condition`, looking again with each change. */
export async function waitFor<T extends KubeObject>(
  { manager }: ControlPlane,
  resource: Resource<T>,
  namespace: string | undefined,
  what: string,
  condition: (objects: readonly T[]) => boolean,
): Promise<readonly T[]> {
  const informer = manager.of(resource);
  await informer.synced;
  const met = Promise.withResolvers<readonly T[]>();
  const look = () => {
    const objects = informer.list(namespace);
    if (condition(objects)) met.resolve(objects);
  };
  using _progress = informer.onProgress(look);
  const describe = () =>
    met.reject(
      new Error(
        `not within ${deadlineMs} ms: ${what}; there is ${JSON.stringify(informer.list(namespace)).slice(0, 4000)}`,
      ),
    );
  using _deadline = systemClock.after(deadlineMs, describe);
  look();
  return await met.promise;
}
