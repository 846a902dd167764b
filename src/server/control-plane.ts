import path from 'node:path';
import type { Duplex } from 'node:stream';
import { textAnswer } from '../apiserver/answer.ts';
import { type ApiServer, createApiServer } from '../apiserver/api-server.ts';
import { ensureExtensionAuthentication } from '../apiserver/authn/extension-config.ts';
import { ensureBootstrapObjects } from '../apiserver/rbac/bootstrap.ts';
import { ClusterSecurity } from '../apiserver/security.ts';
import { createNodeConnector, type NodeConnector } from '../apiserver/streaming/node-connector.ts';
import { addStreamingSubresources } from '../apiserver/streaming/streaming.ts';
import { versionInfo } from '../apiserver/version.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/client-impl.ts';
import { createControllers } from '../controllers/all.ts';
import { reconcileKubernetesService } from '../controllers/kubernetes-service.ts';
import { assert } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Backend } from '../datastore/backend.ts';
import { openSqliteBackend } from '../datastore/sqlite/backend.ts';
import { builtinKinds } from '../kube/kinds/all.ts';
import { apiServerUser, type UserInfo } from '../kube/user.ts';
import { createEventRecorder } from '../runtime/event-recorder.ts';
import { createManager, type Manager } from '../runtime/manager.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { familyOf, nthAddress, urlHost } from './address-ranges.ts';
import { startCompaction } from './compaction.ts';
import { componentUser } from './component-user.ts';
import { startDiskReserve } from './disk-reserve.ts';
import { Gate } from './join/gate.ts';
import { addControllerMetrics, addDatastoreMetrics, addProcessMetrics, addSchedulerMetrics } from './metrics.ts';
import type { ServerOptions } from './options.ts';
import type { Paths } from './paths.ts';
import { writeKubeconfig } from './pki/kubeconfig.ts';
import { ensurePki, type Pki } from './pki/pki.ts';
import { createRequestSigner } from './pki/request-signer.ts';
import type { Progress } from './progress.ts';

export interface ControlPlaneOptions {
  readonly options: ServerOptions;
  readonly paths: Paths;
  readonly progress: Progress;
  readonly clock: Clock;
  readonly log: Log;
}

/** Datastore, API server, controllers and scheduler of this process. Disposing stops them in the reverse order. */
export interface ControlPlane extends AsyncDisposable {
  readonly api: ApiServer;
  readonly pki: Pki;
  /** The API as the cluster's superuser, for what the process itself needs. */
  readonly client: Client;
  readonly manager: Manager;
  /** Who may be a node. */
  readonly gate: Gate;
  /** The way to the kubelet API of every node. */
  readonly connector: NodeConnector;
  /** The API as one of the cluster's own users. */
  clientFor(user: UserInfo): Client;
  /** From now on requests for this node's pods go to the agent in this process, without a socket. */
  attachNode(nodeName: string, connect: () => Duplex): void;
}

/** Starts the control plane; resolves when it serves. */
export async function startControlPlane(context: ControlPlaneOptions): Promise<ControlPlane> {
  const { options, paths, progress, clock, log } = context;
  const stack = new AsyncDisposableStack();
  try {
    const pki = await progress.step(
      'Certificates',
      () => preparePki(options, paths, clock),
      () => paths.tls,
    );
    const backend = await progress.step(
      'Datastore',
      () => openSqliteBackend({ directory: paths.db, clock, log: log.child({ room: 'datastore' }) }),
      () => `SQLite in ${paths.db}`,
    );
    stack.use(backend);
    stack.use(
      startDiskReserve({
        folder: path.dirname(paths.db),
        clock,
        log: log.child({ room: 'datastore' }),
        onStatus: (problem) =>
          progress.report('Datastore', problem === null ? 'running' : 'failed', problem ?? `SQLite in ${paths.db}`),
      }),
    );
    const { api, security } = await progress.step(
      'API server',
      () => startApi(context, backend, pki),
      () => advertised(options),
    );
    stack.use(security);
    stack.use(api);
    // Public: with it and a join token's hash a machine knows that it speaks to the right server.
    const authority = textAnswer(200, pki.serverAuthority.certificate);
    api.routes.add('/cacerts', { methods: ['GET'], handle: () => authority });
    const clientFor = (user: UserInfo) => createClient(api.transport(user, userAgentOf(user)));
    const client = clientFor(apiServerUser);
    const signer = createRequestSigner(pki, clock);
    const { clusterCidrs } = options;
    const gate = new Gate({ client, clock, signer, clusterCidrs, version: versionInfo.gitVersion });
    gate.serveOn(api.routes);
    const localNodes = new Map<string, () => Duplex>();
    const connector = createNodeConnector({
      tls: () => ({
        cert: pki.apiServerClient.certificate,
        key: pki.apiServerClient.key,
        ca: pki.serverAuthority.certificate,
      }),
      local: (name) => localNodes.get(name)?.(),
    });
    addStreamingSubresources(api.subresources, {
      reader: api.reader,
      security: security.security,
      nodes: connector,
    });
    stack.use(startCompaction({ backend, clock, log: log.child({ room: 'datastore' }) }));
    await progress.step('First objects', async () => {
      await ensureBootstrapObjects(client);
      await ensureExtensionAuthentication(client, {
        clientAuthority: pki.clientAuthority.certificate,
        requestHeaderAuthority: pki.requestHeaderAuthority.certificate,
        allowedNames: ['system:auth-proxy'],
      });
      const [serviceCidr = ''] = options.serviceCidrs;
      const clusterIP = nthAddress(serviceCidr, 1);
      // The Service is of the primary family alone, as upstream's.
      const addresses = options.nodeIps.filter((ip) => familyOf(ip) === familyOf(serviceCidr));
      await reconcileKubernetesService(client, { clusterIP, addresses, port: options.httpsListenPort });
    });
    const manager = createManager({
      client,
      // Each controller acts as a service account of its own, with no more rights than it needs.
      clientFor: (name) => clientFor(componentUser(name)),
      clock,
      log: log.child({ room: 'controllers' }),
    });
    stack.use(manager);
    addProcessMetrics(api.metrics);
    addDatastoreMetrics(api.metrics, paths.db);
    addControllerMetrics(api.metrics, manager);
    await progress.step('Controllers', () =>
      manager.run(
        createControllers({
          rootCaPem: pki.serverAuthority.certificate,
          clusterCidrs: options.clusterCidrs,
          nodeMaskSizeIPv4: options.nodeCidrMaskSizeIpv4,
          nodeMaskSizeIPv6: options.nodeCidrMaskSizeIpv6,
          certificateSigner: signer,
          signServiceAccountToken: async (account, secret) => security.issuer.secretToken(account, secret),
        }),
      ),
    );
    await progress.step('Scheduler', async () => {
      const user: UserInfo = { name: 'system:kube-scheduler', groups: ['system:authenticated'] };
      const schedulerClient = clientFor(user);
      const room = log.child({ room: 'scheduler' });
      const events = stack.use(
        createEventRecorder({ client: schedulerClient, clock, log: room, component: 'default-scheduler' }),
      );
      const context = { client: schedulerClient, informers: manager, events, clock, log: room };
      const scheduler = stack.use(new Scheduler(context));
      await scheduler.start();
      addSchedulerMetrics(api.metrics, scheduler);
    });
    const owned = stack.move();
    return {
      api,
      pki,
      client,
      manager,
      gate,
      connector,
      clientFor,
      attachNode: (nodeName, connect) => localNodes.set(nodeName, connect),
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** Where others reach the API. */
function advertised({ nodeIps, httpsListenPort }: ServerOptions): string {
  return `https://${urlHost(nodeIps[0] ?? '')}:${httpsListenPort}`;
}

function userAgentOf(user: UserInfo): string {
  return user.name.slice(user.name.lastIndexOf(':') + 1);
}

async function preparePki(options: ServerOptions, paths: Paths, clock: Clock): Promise<Pki> {
  const pki = await ensurePki({
    directory: paths.tls,
    subjectAltNames: [options.nodeName, ...options.nodeIps, ...options.nodeExternalIps, ...options.tlsSan],
    serviceAddresses: options.serviceCidrs.map((range) => nthAddress(range, 1)),
    clusterDomain: options.clusterDomain,
    nowMs: clock.now(),
  });
  const host = options.bindAddress === '0.0.0.0' || options.bindAddress === '::' ? '127.0.0.1' : options.bindAddress;
  const server = `https://${urlHost(host)}:${options.httpsListenPort}`;
  const file = { server, authority: pki.serverAuthority.certificate, client: pki.admin, name: 'default' };
  await writeKubeconfig(options.writeKubeconfig, file, options.writeKubeconfigMode);
  return pki;
}

interface StartedApi {
  readonly api: ApiServer;
  readonly security: ClusterSecurity;
}

async function startApi({ options, clock, log }: ControlPlaneOptions, backend: Backend, pki: Pki): Promise<StartedApi> {
  let security: ClusterSecurity | undefined;
  const api = await createApiServer({
    backend,
    kinds: builtinKinds,
    security: (context) => {
      security = new ClusterSecurity(context, {
        issuer: `https://kubernetes.default.svc.${options.clusterDomain}`,
        serviceAccountKey: pki.serviceAccounts.privateKey,
        staticTokens: new Map(),
        anonymous: true,
        externalUrl: advertised(options),
        clock,
      });
      return security.security;
    },
    serviceCidrs: options.serviceCidrs,
    tls: { cert: pki.apiServer.certificate, key: pki.apiServer.key, clientCa: pki.clientAuthority.certificate },
    clock,
    log: log.child({ room: 'apiserver' }),
  });
  try {
    assert(security !== undefined, 'the API server has asked for its security');
    security.serveOn(api);
    await api.listen(options.bindAddress, options.httpsListenPort);
    return { api, security };
  } catch (cause) {
    await api[Symbol.asyncDispose]();
    throw cause;
  }
}
