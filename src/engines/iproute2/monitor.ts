import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import { follow } from '../process/follow.ts';

/** Milliseconds before a monitor that ended is started again. */
const restartMs = 1000;

const programs = [
  ['ip', ['-o', 'monitor', 'link', 'address', 'route', 'neigh']],
  ['bridge', ['-o', 'monitor', 'fdb']],
] as const;

/** Calls `onLine` for each change of links, addresses, routes, neighbours and forwarding entries, as ip(8) and bridge(8) print it. */
export function watchNetwork(options: MonitorOptions): Disposable {
  return watch(programs, options);
}

/** Calls `onLine` for each change of links alone. */
export function watchLinks(options: MonitorOptions): Disposable {
  return watch([['ip', ['-o', 'monitor', 'link']]], options);
}

interface MonitorOptions {
  readonly clock: Clock;
  readonly log: Log;
  onLine(line: string): void;
}

function watch(commands: readonly (readonly [string, readonly string[]])[], options: MonitorOptions): Disposable {
  const { clock, log, onLine } = options;
  const stack = new DisposableStack();
  for (const [command, args] of commands) {
    let current: Disposable = { [Symbol.dispose]: () => {} };
    const start = () => {
      current = follow(command, args, {
        onLine,
        onEnd(why) {
          log.warn('the kernel is not watched for a moment', { error: why });
          current = clock.after(restartMs, start);
        },
      });
    };
    start();
    stack.defer(() => current[Symbol.dispose]());
  }
  return stack;
}
