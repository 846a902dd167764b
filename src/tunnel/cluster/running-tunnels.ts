import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { Trust } from '../client/dial.ts';
import { TunnelClient, type TunnelStatus } from '../client/tunnel-client.ts';
import { parseRemote } from '../remote.ts';
import type { Upstream } from '../upstream.ts';
import type { TunnelPlan } from './plan.ts';

/** How to reach an exit, all of it checked. */
export interface TunnelAccess {
  readonly remote: string;
  readonly insecure: boolean;
  readonly trust: Trust;
  readonly token: string;
}

interface Running {
  readonly access: string;
  readonly client: TunnelClient;
  plan: TunnelPlan;
}

export interface RunningTunnelsOptions {
  /** For people at the exit: the name of this machine. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** The tunnels that this process runs, by the names of their Tunnels. Disposing ends them all. */
export class RunningTunnels implements AsyncDisposable {
  readonly #options: RunningTunnelsOptions;
  readonly #running = new Map<string, Running>();
  /** Called when a tunnel's status has changed. */
  onChange: (name: string) => void = () => {};

  constructor(options: RunningTunnelsOptions) {
    this.#options = options;
  }

  /** Makes a tunnel run as said. Another exit or token makes it connect anew; other routes don't. Throws WherryError. */
  async apply(name: string, access: TunnelAccess, plan: TunnelPlan): Promise<void> {
    const remote = parseRemote(access.remote, access.insecure);
    const key = JSON.stringify(access);
    const standing = this.#running.get(name);
    if (standing?.access === key) {
      standing.plan = plan;
      standing.client.setUpstreams(plan.upstreams);
      return;
    }
    await this.remove(name);
    const client = new TunnelClient({
      ...{ remote, trust: access.trust, token: access.token, name: this.#options.name, clock: this.#options.clock },
      upstreams: plan.upstreams satisfies readonly Upstream[],
      log: this.#options.log.child({ tunnel: name }),
      onStatus: () => this.onChange(name),
    });
    this.#running.set(name, { access: key, client, plan });
  }

  async remove(name: string): Promise<void> {
    const standing = this.#running.get(name);
    if (standing === undefined) return;
    this.#running.delete(name);
    await standing.client[Symbol.asyncDispose]();
    this.onChange(name);
  }

  status(name: string): TunnelStatus | undefined {
    return this.#running.get(name)?.client.status;
  }

  plan(name: string): TunnelPlan | undefined {
    return this.#running.get(name)?.plan;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.onChange = () => {};
    await Promise.all([...this.#running.keys()].map((name) => this.remove(name)));
  }
}
