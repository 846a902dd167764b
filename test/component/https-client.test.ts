import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createClient } from '../../src/client/client-impl.ts';
import { createHttpsTransport } from '../../src/client/https-transport.ts';
import { createInformer } from '../../src/client/informer-impl.ts';
import { loadKubeconfig } from '../../src/client/kubeconfig.ts';
import { systemClock } from '../../src/core/clock.ts';
import { TransientError } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/log.ts';
import { openSqliteBackend } from '../../src/datastore/sqlite/backend.ts';
import { configmaps } from '../../src/kube/resources.gen.ts';
import { isReason } from '../../src/kube/status-error.ts';
import type { ConfigMap } from '../../src/kube/types.gen.ts';
import { startOracleServer } from '../compliance/oracle-composition.ts';
import { selfSigned } from '../compliance/oracle-server.ts';

const stack = new AsyncDisposableStack();
let kubeconfig: string;
let restart: () => Promise<void>;

before(async () => {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-https-client-'));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const tls = selfSigned(directory);
  const backend = stack.use(await openSqliteBackend({ directory: join(directory, 'db') }));
  let server = await startOracleServer({ backend, tls, log: silentLog, port: 0 });
  const { port, token } = server;
  stack.defer(() => server[Symbol.asyncDispose]());
  restart = async () => {
    await server[Symbol.asyncDispose]();
    server = await startOracleServer({ backend, tls, log: silentLog, port });
  };
  kubeconfig = join(directory, 'kubeconfig.yaml');
  writeFileSync(join(directory, 'token'), `${token}\n`);
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'one', user: 'admin' } }],
      clusters: [
        { name: 'one', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority': tls.caFile } },
      ],
      users: [{ name: 'admin', user: { tokenFile: 'token' } }],
    }),
  );
});
after(async () => await stack.disposeAsync());

function configMap(name: string): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' } };
}

test('objects are made, read, listed, patched and deleted over TLS with a token from a file', async () => {
  using transport = createHttpsTransport(loadKubeconfig(kubeconfig));
  const client = createClient(transport);
  const key = { namespace: 'default', name: 'one' };
  const made = await client.create(configmaps, configMap('one'));
  assert.ok(made.metadata.uid);
  await client.patch(configmaps, key, { type: 'merge', body: { data: { a: '1' } } });
  const applied = await client.patch(
    configmaps,
    key,
    { type: 'apply', body: { ...configMap('one'), data: { b: '2' } } },
    { fieldManager: 'test', force: true },
  );
  assert.deepEqual(applied.data, { a: '1', b: '2' });
  const list = await client.list(configmaps, { namespace: 'default', fieldSelector: 'metadata.name=one' });
  assert.deepEqual(
    list.items.map(({ kind, metadata }) => [kind, metadata.name]),
    [['ConfigMap', 'one']],
  );
  await client.delete(configmaps, key);
  await assert.rejects(
    client.get(configmaps, key),
    (thrown) => isReason(thrown, 'NotFound') && thrown.httpCode === 404,
  );
});

test('an informer over TLS lives through a restart of the server without missing a change', async () => {
  using transport = createHttpsTransport(loadKubeconfig(kubeconfig));
  const client = createClient(transport);
  await using informer = createInformer(
    client,
    configmaps,
    { namespace: 'default' },
    { clock: systemClock, log: silentLog },
  );
  await informer.synced;
  const named = async (name: string) => {
    const met = Promise.withResolvers<void>();
    const look = () => {
      if (informer.get(`default/${name}`)) met.resolve();
    };
    using _progress = informer.onProgress(look);
    using _limit = systemClock.after(15_000, () => met.reject(new Error(`${name} was not seen`)));
    look();
    await met.promise;
  };
  await client.create(configmaps, configMap('before'));
  await named('before');
  await restart();
  await client.create(configmaps, configMap('after'));
  await named('after');
});

test('a server that is not there is a TransientError, one with a foreign certificate too', async () => {
  const options = loadKubeconfig(kubeconfig);
  using nowhere = createHttpsTransport({ ...options, server: 'https://127.0.0.1:1' });
  await assert.rejects(nowhere.call({ method: 'GET', path: '/version' }), TransientError);
  const { ca: _, ...withoutCa } = options;
  using foreign = createHttpsTransport(withoutCa);
  await assert.rejects(foreign.call({ method: 'GET', path: '/version' }), { code: 'API_UNREACHABLE' });
});

test('a wrong token is Unauthorized', async () => {
  using transport = createHttpsTransport({ ...loadKubeconfig(kubeconfig), token: () => 'wrong' });
  await assert.rejects(createClient(transport).list(configmaps), (thrown) => isReason(thrown, 'Unauthorized'));
});

test('a call that its caller gives up rejects with the reason, and a watch just ends', async () => {
  using transport = createHttpsTransport(loadKubeconfig(kubeconfig));
  const client = createClient(transport);
  const reason = new Error('enough');
  await assert.rejects(client.list(configmaps, { signal: AbortSignal.abort(reason) }), reason);
  const abort = new AbortController();
  const watch = client.watch(configmaps, { signal: abort.signal, sendInitialEvents: true });
  for await (const event of watch) if (event.type === 'BOOKMARK') abort.abort();
});
