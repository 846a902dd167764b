import type { UserInfo } from '../../kube/user.ts';
import type { Call } from '../answer.ts';
import type { ServedKind } from '../kind-registry.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';

/** What is being done to an object, for admission. */
export interface Attempt {
  readonly call: Call;
  readonly served: ServedKind;
  readonly operation: AdmissionRequest['operation'];
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly dryRun: boolean;
}

/** Runs the admission plugins in their fixed order. */
export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins;
  }

  request(
    attempt: Attempt,
    object: Record<string, unknown> | null,
    old: Readonly<Record<string, unknown>> | null,
  ): AdmissionRequest {
    const { call, served, operation, name, options, dryRun } = attempt;
    const user: UserInfo = call.user;
    const info = call.info.name === name ? call.info : { ...call.info, name };
    return { operation, user, info, kind: served.kind, object, old, options, dryRun, warn: (text) => call.warn(text) };
  }

  /** Plugins change `request.object` in place. Throws StatusError to refuse. */
  async mutate(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.#plugins) {
      if (plugin.admit !== undefined && plugin.handles(request)) await plugin.admit(request);
    }
  }

  /** Plugins only look. Throws StatusError to refuse. */
  async validate(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.#plugins) {
      if (plugin.validate !== undefined && plugin.handles(request)) await plugin.validate(request);
    }
  }
}
