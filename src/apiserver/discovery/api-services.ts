import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/client-impl.ts';
import type { Transport } from '../../client/transport.ts';
import { toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { apiservices } from '../../kube/resources.gen.ts';
import { StatusError } from '../../kube/status-error.ts';
import type { APIService } from '../../kube/types.gen.ts';
import type { WatchHub } from '../cache/hub.ts';
import type { KindRegistry } from '../kind-registry.ts';
import type { CatalogGroup } from './catalog.ts';
import { priorityOf } from './priorities.ts';

export interface ApiServicesOptions {
  readonly hub: WatchHub;
  readonly kinds: KindRegistry;
  readonly groups: () => readonly CatalogGroup[];
  readonly log: Log;
  readonly transport: Transport;
}

/** On APIServices that the server keeps itself: `onstart` for built-in groups, `true` for those of custom resources. */
const managedLabel = 'kube-aggregator.kubernetes.io/automanaged';

/**
 * Keeps an APIService for each group version that this server serves itself, as kube-aggregator does: made when it is
 * missing, and deleted when the custom resources behind it are gone. What users made is left alone.
 */
export class ApiServices implements AsyncDisposable {
  readonly #options: ApiServicesOptions;
  readonly #client: Client;
  readonly #subscription: Disposable;
  readonly #stop = new AbortController();
  #isDirty = false;
  #working: Promise<void> | null = null;

  private constructor(options: ApiServicesOptions) {
    this.#options = options;
    this.#client = createClient(options.transport);
    this.#subscription = options.kinds.subscribe(() => this.#look());
  }

  /** Resolves when there is one for each group version. A server that serves no APIServices keeps none. */
  static async start(options: ApiServicesOptions): Promise<ApiServices | undefined> {
    if (options.kinds.of(apiservices) === undefined) return undefined;
    const services = new ApiServices(options);
    services.#look();
    await services.#working;
    return services;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#subscription[Symbol.dispose]();
    await this.#working;
  }

  #look(): void {
    this.#isDirty = true;
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    await Promise.resolve();
    while (this.#isDirty && !this.#stop.signal.aborted) {
      this.#isDirty = false;
      try {
        await this.#sync();
      } catch (thrown) {
        if (this.#stop.signal.aborted) break;
        this.#options.log.error('the APIServices cannot be kept', { error: toError(thrown) });
      }
    }
    this.#working = null;
  }

  async #sync(): Promise<void> {
    const wanted = new Map(this.#options.groups().flatMap(servicesOf));
    const standing = this.#options.hub.resource(apiservices).all();
    const missing = [...wanted].filter(([name]) => !standing.some((entry) => entry.name === name));
    const left = standing.filter(({ name, object }) => {
      return object.metadata.labels?.[managedLabel] !== undefined && !wanted.has(name);
    });
    const { signal } = this.#stop;
    await Promise.all([
      ...missing.map(([, service]) => unless(409, this.#client.create(apiservices, service, { signal }))),
      ...left.map(({ name }) => unless(404, this.#client.delete(apiservices, { name }, { signal }))),
    ]);
  }
}

// Another server was faster.
async function unless(code: number, write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (thrown) {
    if (!(thrown instanceof StatusError) || thrown.httpCode !== code) throw thrown;
  }
}

function servicesOf({ name: group, versions }: CatalogGroup): readonly (readonly [string, APIService])[] {
  // What serves the APIServices themselves has none.
  if (group === apiservices.group) return [];
  return versions.map(({ version, resources }) => {
    const name = `${version}.${group}`;
    const priority = priorityOf(group, version);
    const isCustom = resources.every((one) => one.isCustom);
    const service: APIService = {
      kind: 'APIService',
      apiVersion: 'apiregistration.k8s.io/v1',
      metadata: { name, labels: { [managedLabel]: isCustom ? 'true' : 'onstart' } },
      spec: {
        ...(group === '' ? {} : { group }),
        version,
        groupPriorityMinimum: priority.group,
        versionPriority: priority.version,
      },
    };
    return [name, service];
  });
}
