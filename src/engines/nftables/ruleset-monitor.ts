import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import { follow } from '../process/follow.ts';

/** Pause before a monitor that ended is started again. */
const restartMs = 1_000;

/** One transaction, whoever made it. Tables are `ip wherry`, family and name. */
export interface Transaction {
  readonly tables: ReadonlySet<string>;
  /** What was written into the set `written` of a table: its owner's own mark (see RuleTable). */
  readonly stamps: ReadonlyMap<string, number>;
}

export interface RulesetMonitorOptions {
  readonly clock: Clock;
  readonly log: Log;
  onTransaction(transaction: Transaction): void;
  /** Some transactions were not seen: the kernel had too many, or the program ended and runs again now. */
  onLost(): void;
}

/** Tells of every change of the kernel's nftables rules, by `nft monitor`. Costs nothing while nothing changes. */
export class RulesetMonitor implements Disposable {
  readonly #options: RulesetMonitorOptions;
  #running: Disposable;

  constructor(options: RulesetMonitorOptions) {
    this.#options = options;
    this.#running = this.#start();
  }

  [Symbol.dispose](): void {
    this.#running[Symbol.dispose]();
  }

  #start(): Disposable {
    const { clock, log, onLost, onTransaction } = this.#options;
    return follow('nft', ['monitor'], {
      onLine: createTransactionReader(onTransaction, onLost),
      onEnd: (why) => {
        log.warn('changes of rules are not watched for a moment', { why });
        this.#running = clock.after(restartMs, () => {
          this.#running = this.#start();
          onLost();
        });
      },
    });
  }
}

/** Reads what `nft monitor` prints, line by line. */
export function createTransactionReader(
  onTransaction: (transaction: Transaction) => void,
  onLost: () => void,
): (line: string) => void {
  let tables = new Set<string>();
  let stamps = new Map<string, number>();
  return (line) => {
    if (line.startsWith('# new generation')) {
      const transaction = { tables, stamps };
      tables = new Set();
      stamps = new Map();
      onTransaction(transaction);
      return;
    }
    if (line.startsWith('# ERROR')) onLost();
    const [verb, what, family, table, set, ...rest] = line.split(' ', 8);
    if (verb?.startsWith('#') || family === undefined || table === undefined) return;
    const key = `${family} ${table}`;
    tables.add(key);
    if (verb !== 'add' || what !== 'element' || set !== 'written') return;
    const number = Number(rest[1]);
    if (Number.isInteger(number)) stamps.set(key, number);
  };
}
