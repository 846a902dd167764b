import { networkInterfaces } from 'node:os';
import type { Transport } from '../client/transport.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Backend } from '../datastore/backend.ts';
import type { Kind } from '../kube/kind.ts';
import type { UsageSource } from '../kube/resource-metrics.ts';
import { builtinResources } from '../kube/resources.gen.ts';
import { findSchema } from '../kube/schema/builtin.ts';
import type { Schema } from '../kube/schema/schema.ts';
import { apiServerUser, type UserInfo } from '../kube/user.ts';
import { CachedReader } from './cache/cluster-reader.ts';
import { WatchHub } from './cache/hub.ts';
import type { Security } from './chain.ts';
import { componentStatusResource } from './component-status.ts';
import { CustomResources } from './custom-resources/custom-resources.ts';
import { ApiServices } from './discovery/api-services.ts';
import { Discovery } from './discovery/discovery.ts';
import type { Dispatcher, VirtualResource } from './dispatch.ts';
import { Health } from './health.ts';
import { HttpServer, type ServerLimits, type TlsMaterial } from './http/server.ts';
import { InProcessTransport } from './in-process.ts';
import { KindRegistry, ServedKind } from './kind-registry.ts';
import { RequestMetrics } from './metrics.ts';
import { OpenApi } from './openapi/openapi.ts';
import type { ClusterReader } from './reader.ts';
import { AdmissionChain } from './registry/admission-chain.ts';
import { addBuiltinSubresources, bindingsResource } from './registry/builtin-subresources.ts';
import { builtinHooks } from './registry/hooks.ts';
import type { Registry } from './registry/registry.ts';
import type { ServiceAllocator } from './registry/service-ip.ts';
import { resourceMetrics } from './resource-metrics/resource-metrics.ts';
import { RouteTable, SubresourceTable } from './routes.ts';
import { startHooks } from './start-hooks.ts';
import { serveVersion } from './version.ts';

/** What the security of a server may build on: it is made after the caches and before the first request. */
export interface SecurityContext {
  readonly reader: ClusterReader;
  readonly kinds: KindRegistry;
  /** The API as a user of the process sees it. */
  transport(user: UserInfo): Transport;
}

export interface ApiServerOptions {
  /** Stays the caller's: it is not disposed with the server. */
  readonly backend: Backend;
  readonly kinds: readonly Kind[];
  readonly security: (context: SecurityContext) => Security;
  /** IPv4 and/or IPv6, e.g. `10.43.0.0/16`, the primary one first. */
  readonly serviceCidrs: readonly string[];
  /** Node ports, both ends included; 30000-32767 when absent. */
  readonly nodePorts?: { readonly first: number; readonly last: number };
  /** Needed to listen; without it the server is in process only. */
  readonly tls?: TlsMaterial;
  /** Bounds of the HTTPS side that differ from the usual ones. */
  readonly limits?: Partial<ServerLimits>;
  /** Seconds that Events are kept; an hour when absent. */
  readonly eventTtlSeconds?: number;
  readonly log: Log;
  readonly clock?: Clock;
}

/** A Kubernetes API server. Disposing ends it: watches are closed, requests get a short time to finish. */
export interface ApiServer extends AsyncDisposable {
  readonly reader: ClusterReader;
  readonly hub: WatchHub;
  readonly kinds: KindRegistry;
  readonly routes: RouteTable;
  readonly subresources: SubresourceTable;
  readonly registry: Registry;
  readonly health: Health;
  readonly metrics: RequestMetrics;
  /** Serves a kind; its schema is looked up in the facts unless given (custom resources). */
  serve(kind: Kind, schema?: Schema): ServedKind;
  /** Serves a resource that is not stored, e.g. a review. */
  serveVirtual(resource: VirtualResource): void;
  /** Serves metrics.k8s.io with what `source` measures. */
  serveResourceMetrics(source: UsageSource): void;
  /** Begins to accept HTTPS connections; resolves with the port (`port` 0 lets the system choose). */
  listen(host: string, port: number): Promise<number>;
  replaceTls(tls: TlsMaterial): void;
  /** The API for callers of this process, as `user`. */
  transport(user: UserInfo, userAgent?: string): Transport;
}

/** Time that requests get to finish when the server ends. */
const shutdownGraceMs = 5000;

/** Reads the datastore in and puts the server together. It listens when it is told to. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { backend, log } = options;
  const clock = options.clock ?? systemClock;
  const hub = await WatchHub.start({ backend, clock, log });
  const kinds = new KindRegistry();
  kinds.change(options.kinds.map((kind) => servedOf(hub, kind, builtinSchema(kind))));
  const server = new Server(options, clock, hub, kinds);
  await server.services.repair();
  await server.services.announce();
  await server.serveCustomResources();
  return server;
}

function servedOf(hub: WatchHub, kind: Kind, schema: Schema): ServedKind {
  return new ServedKind(kind, schema, hub.resource(kind.storage?.resource ?? kind.resource));
}

const anything: Schema = { type: 'any', atomic: false };

function builtinSchema(kind: Kind): Schema {
  const { typeName } = kind.resource;
  return (typeName === null ? undefined : findSchema(typeName)) ?? anything;
}

// Clients can't connect to the address that stands for all.
function reachable(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host.includes(':') ? `[${host}]` : host;
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.0.1';
}

class Server implements ApiServer {
  readonly reader: ClusterReader;
  readonly hub: WatchHub;
  readonly kinds: KindRegistry;
  readonly routes = new RouteTable();
  readonly subresources = new SubresourceTable();
  readonly registry: Registry;
  readonly health = new Health();
  readonly metrics = new RequestMetrics();
  readonly discovery: Discovery;
  /** Hands out cluster IPs and node ports. */
  readonly services: ServiceAllocator;
  readonly #options: ApiServerOptions;
  readonly #clock: Clock;
  readonly #security: Security;
  readonly #dispatcher: Dispatcher;
  readonly #virtual = new Map<string, VirtualResource>();
  readonly #shutdown = new AbortController();
  readonly #openApi: OpenApi;
  #address = 'localhost';
  #customResources: CustomResources | undefined;
  #apiServices: ApiServices | undefined;
  #http: HttpServer | undefined;

  constructor(options: ApiServerOptions, clock: Clock, hub: WatchHub, kinds: KindRegistry) {
    this.#options = options;
    this.#clock = clock;
    this.hub = hub;
    this.kinds = kinds;
    this.reader = new CachedReader(kinds);
    this.#security = options.security({ reader: this.reader, kinds, transport: (user) => this.transport(user) });
    const { serviceCidrs, nodePorts, eventTtlSeconds } = options;
    const { hooks, services } = builtinHooks({
      hub,
      clock,
      log: options.log,
      serviceCidrs,
      nodePorts,
      eventTtlSeconds,
    });
    this.services = services;
    const admission = new AdmissionChain(this.#security.admission);
    this.registry = { hub, kinds, admission, clock, hooks };
    this.#dispatcher = {
      registry: this.registry,
      kinds,
      routes: this.routes,
      subresources: this.subresources,
      virtual: this.#virtual,
    };
    addBuiltinSubresources(this.registry, this.subresources);
    this.serveVirtual(bindingsResource(this.registry));
    this.serveVirtual(componentStatusResource(hub));
    this.discovery = new Discovery({
      kinds,
      routes: this.routes,
      builtin: options.kinds.length === 0 ? [] : builtinResources,
      others: () =>
        [...this.#virtual.values()].flatMap(({ discovered }) => (discovered?.typeName === null ? discovered : [])),
      serverAddress: () => this.#address,
    });
    this.#openApi = new OpenApi({ kinds, routes: this.routes, clock, groups: () => this.discovery.groups });
    this.#serveRoutes();
  }

  serve(kind: Kind, schema?: Schema): ServedKind {
    const served = servedOf(this.hub, kind, schema ?? builtinSchema(kind));
    this.kinds.change([served]);
    return served;
  }

  async serveCustomResources(): Promise<void> {
    const transport = this.transport(apiServerUser);
    const { hub, kinds } = this;
    const { log } = this.#options;
    this.#customResources = await CustomResources.start({ hub, kinds, clock: this.#clock, log, transport });
    this.#apiServices = await ApiServices.start({ kinds, groups: () => this.discovery.groups, hub, log, transport });
  }

  serveVirtual(resource: VirtualResource): void {
    this.#virtual.set(`${resource.group}/${resource.version}/${resource.plural}`, resource);
  }

  serveResourceMetrics(source: UsageSource): void {
    for (const resource of resourceMetrics(this.kinds, source, () => this.#clock.now())) this.serveVirtual(resource);
    this.discovery.refresh();
  }

  async listen(host: string, port: number): Promise<number> {
    const { tls, log, limits } = this.#options;
    if (tls === undefined) throw new Error('the API server has no certificate to listen with');
    this.#http ??= new HttpServer({
      dispatcher: this.#dispatcher,
      security: this.#security,
      clock: this.#clock,
      log,
      tls,
      metrics: this.metrics,
      ...(limits === undefined ? {} : { limits }),
    });
    const bound = await this.#http.listen(host, port);
    this.#address = `${reachable(host)}:${bound}`;
    return bound;
  }

  replaceTls(tls: TlsMaterial): void {
    this.#http?.replaceTls(tls);
  }

  transport(user: UserInfo, userAgent = 'wherry'): Transport {
    const { log } = this.#options;
    const shutdown = this.#shutdown.signal;
    return new InProcessTransport(
      { dispatcher: this.#dispatcher, security: this.#security, log, userAgent, shutdown },
      user,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http?.close(shutdownGraceMs);
    await this.#apiServices?.[Symbol.asyncDispose]();
    await this.#customResources?.[Symbol.asyncDispose]();
    this.#openApi[Symbol.dispose]();
    this.discovery[Symbol.dispose]();
    this.#shutdown.abort();
    await this.hub[Symbol.asyncDispose]();
  }

  #serveRoutes(): void {
    serveVersion(this.routes);
    this.health.add({ name: 'ping', check: () => undefined });
    this.health.add({ name: 'log', check: () => undefined });
    const datastore = async () => {
      await this.hub.backend.currentRevision();
    };
    this.health.add({ name: 'loopback-serving-certificate', check: () => undefined }, ['/livez', '/healthz']);
    this.health.add({ name: 'etcd', check: datastore });
    this.health.add({ name: 'etcd-readiness', check: datastore }, ['/readyz']);
    this.health.add({ name: 'informer-sync', check: () => undefined }, ['/readyz']);
    const started = () => {
      if (this.#http === undefined) throw new Error('not finished');
    };
    for (const name of startHooks) this.health.add({ name, check: started });
    const ending = () => {
      if (this.#shutdown.signal.aborted) throw new Error('process is shutting down');
    };
    this.health.add({ name: 'shutdown', check: ending }, ['/readyz']);
    this.health.serveOn(this.routes);
    this.metrics.add({
      name: 'apiserver_storage_objects',
      help: 'Number of stored objects at the time of last check split by kind.',
      type: 'gauge',
      samples: () =>
        [...this.hub.resources].map(({ group, plural, size }) => ({
          labels: { resource: group === '' ? plural : `${plural}.${group}` },
          value: size,
        })),
    });
    const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores' };
    this.routes.add('/metrics', {
      handle: () => ({ type: 'raw', code: 200, headers, body: this.metrics.render() }),
    });
  }
}
