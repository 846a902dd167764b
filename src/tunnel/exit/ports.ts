import { errorCode, WherryError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { RouteTable } from './route-table.ts';
import type { ExitSession } from './session.ts';
import { openTcpPort } from './tcp-port.ts';
import { openUdpPort } from './udp-port.ts';

/** The public ports that are open: those that the route table has, once `settle` has resolved. */
export class PublicPorts implements AsyncDisposable {
  readonly #routes: RouteTable<ExitSession>;
  readonly #address: string;
  readonly #log: Log;
  readonly #open = new Map<string, AsyncDisposable>();

  constructor(routes: RouteTable<ExitSession>, address: string, log: Log) {
    this.#routes = routes;
    this.#address = address;
    this.#log = log;
  }

  /** Closes what nobody serves, opens what somebody serves, and returns why which could not be opened. One call at a time. */
  async settle(): Promise<ReadonlyMap<string, WherryError>> {
    const wanted = this.#routes.ports();
    const failures = new Map<string, WherryError>();
    for (const [key, port] of this.#open) {
      if (wanted.has(key)) continue;
      this.#open.delete(key);
      await port[Symbol.asyncDispose]();
    }
    for (const key of wanted) {
      if (this.#open.has(key)) continue;
      try {
        this.#open.set(key, await this.#listen(key));
      } catch (error) {
        this.#routes.revoke(key);
        const isOurs = error instanceof WherryError;
        failures.set(
          key,
          isOurs
            ? error
            : new WherryError(errorCode(error) ?? 'TUNNEL_LISTEN', `${key} can't be opened`, { cause: error }),
        );
      }
    }
    return failures;
  }

  #listen(key: string): Promise<AsyncDisposable> {
    const [protocol, text] = key.split('/');
    const kind = protocol === 'udp' ? 'udp' : 'tcp';
    const port = Number(text);
    const holders = () => this.#routes.forPort(kind, port);
    const options = { address: this.#address, port, holders, log: this.#log };
    return kind === 'udp' ? openUdpPort(options) : openTcpPort(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const port of open) await port[Symbol.asyncDispose]();
  }
}
