/** The entry of the thread that answers the cluster's names: it holds them, the sockets, and what other servers said. */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../core/assert.ts';
import { systemClock } from '../../core/clock.ts';
import { describeError, errorCode, toError, WherryError } from '../../core/errors.ts';
import type { Log, LogFields } from '../../core/log.ts';
import { NameServer } from './name-server.ts';
import type { Order, Report, StartData } from './protocol.ts';

const port = parentPort;
assert(port !== null, 'this file runs as a worker thread');
const start: StartData = workerData;
const say = (report: Report) => port.postMessage(report);

const server = new NameServer({
  ...start,
  clock: systemClock,
  log: logTo('dns'),
  onLoops: (servers) => say({ kind: 'loops', servers }),
});

port.on('message', (order: Order) => void obey(order));

async function obey(order: Order): Promise<void> {
  switch (order.kind) {
    case 'configure':
      server.configure(order.configuration);
      return;
    case 'services':
      for (const { namespace, name } of order.removed) server.data.remove(namespace, name);
      for (const records of order.set) server.data.set(records);
      return;
    case 'namespaces':
      for (const name of order.removed) server.data.setNamespace(name, false);
      for (const name of order.added) server.data.setNamespace(name, true);
      return;
    case 'listen':
      try {
        await server.listen();
        say({ kind: 'listening', ports: server.ports });
      } catch (thrown) {
        const hint = thrown instanceof WherryError ? thrown.hint : undefined;
        say({ kind: 'refused', code: errorCode(thrown) ?? 'DNS_LISTEN', message: describeError(thrown), hint });
      }
      return;
    case 'metrics':
      say({ kind: 'metrics', id: order.id, text: server.metrics() });
      return;
    case 'stop':
      await server[Symbol.asyncDispose]();
      say({ kind: 'stopped' });
      port?.close();
  }
}

/** The log belongs to the main thread: lines go there as data, errors as their text. */
function logTo(room: string): Log {
  const line =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields: LogFields = {}) => {
      const { error, ...rest } = fields;
      const said = error === undefined ? rest : { ...rest, error: describeError(toError(error)) };
      say({ kind: 'log', level, message, fields: said });
    };
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: () => logTo(room),
  };
}
