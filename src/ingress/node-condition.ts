import type { Client } from '../client/client.ts';
import type { Clock } from '../core/clock.ts';
import { describeError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { findCondition } from '../kube/conditions.ts';
import { nodes } from '../kube/resources.gen.ts';
import { formatTime } from '../kube/time.ts';
import type { Node } from '../kube/types.gen.ts';

const type = 'IngressReady';

/** Whether Ingresses are served on a node. One that never had trouble has no condition. */
export function servesIngresses({ status }: Node): boolean {
  return findCondition(status?.conditions, type)?.status !== 'False';
}

export interface NodeConditionOptions {
  /** The API as this node. */
  readonly client: Client;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Tells on the Node when it can't serve Ingresses, so that they don't show its addresses, and when it can again. */
export class NodeCondition implements AsyncDisposable {
  readonly #options: NodeConditionOptions;
  #told: string | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: NodeConditionOptions) {
    this.#options = options;
  }

  /** Writes in the background; what could not be written is written with the next call. */
  tell(status: { readonly isWell: boolean; readonly message: string }): void {
    const { log } = this.#options;
    this.#writing = this.#writing
      .then(() => this.#write(status))
      .catch((error: unknown) =>
        log.warn('whether Ingresses are served could not be told on the Node', { error: describeError(error) }),
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }

  async #write({ isWell, message: said }: { readonly isWell: boolean; readonly message: string }): Promise<void> {
    const { client, nodeName, clock } = this.#options;
    // HAProxy puts its process number into what it says: the same trouble would be told anew with each attempt.
    const message = isWell ? 'Ingresses are served' : said.replaceAll(/ *\(\d+\)/g, '');
    const told = isWell ? '' : message;
    if (this.#told === told) return;
    const node = await client.get(nodes, { name: nodeName });
    const former = findCondition(node.status?.conditions, type);
    const status = isWell ? 'True' : 'False';
    const isSame = former === undefined ? isWell : former.status === status && (isWell || former.message === message);
    if (!isSame) {
      const now = formatTime(clock.now());
      const since = former?.status === status ? former.lastTransitionTime : now;
      const reason = isWell ? 'Serving' : 'NotServing';
      const condition = { type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime: since ?? now };
      const body = { status: { conditions: [condition] } };
      await client.patch(nodes, { name: nodeName }, { type: 'strategic', body }, { subresource: 'status' });
    }
    this.#told = told;
  }
}
