import { createServer, type Socket } from 'node:net';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { OpenNotice } from '../../wire/tunnel-frames.ts';
import { joinFramed } from '../framed-join.ts';
import { reset } from '../join.ts';
import { listenError } from './door.ts';
import { plainAddress } from './forwarded.ts';
import type { Holder } from './route-table.ts';
import type { ExitSession } from './session.ts';

/** Connections of one public port; further ones are closed. */
const connectionsMax = 20_000;

export interface PublicPortOptions {
  readonly address: string;
  readonly port: number;
  /** Who serves it at the moment, the one whose turn it is first. */
  holders(): readonly Holder<ExitSession>[];
  readonly log: Log;
}

/** A public TCP port, open until it is disposed; running connections belong to the sessions that serve them. Throws as listenError says. */
export async function openTcpPort(options: PublicPortOptions): Promise<AsyncDisposable> {
  const { address, port } = options;
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
  server.maxConnections = connectionsMax;
  server.on('connection', (user) => void serve(user, options));
  await new Promise<void>((resolve, reject) => {
    const onError = (cause: Error) => reject(listenError(cause, 'tcp', address, port));
    server.once('error', onError);
    server.listen({ host: address, port, exclusive: true }, () => {
      server.off('error', onError);
      resolve();
    });
  });
  server.on('error', (error) => options.log.warn('a public port failed', { port, error: describeError(error) }));
  return {
    [Symbol.asyncDispose]() {
      // The port is free at once; the callback would wait for the last connection.
      server.close();
      return Promise.resolve();
    },
  };
}

async function serve(user: Socket, { port, holders, log }: PublicPortOptions): Promise<void> {
  // An error before the connection has a partner; afterwards joinFramed listens too.
  user.on('error', () => {});
  user.setKeepAlive(true, 15_000);
  const notice: Omit<OpenNotice, 'route'> = {
    kind: 'tcp',
    source: { address: plainAddress(user.remoteAddress), port: user.remotePort ?? 0 },
    destination: { address: plainAddress(user.localAddress), port },
  };
  if (user.remoteAddress === undefined) return;
  let failure: unknown;
  for (const { session, route } of holders()) {
    const place = session.facts.account.admit();
    if (place === undefined) break;
    try {
      const stream = await session.open({ ...notice, route });
      if (user.destroyed) {
        stream.destroy();
        place[Symbol.dispose]();
        return;
      }
      await joinFramed(user, stream, session.facts.account.rates);
      place[Symbol.dispose]();
      return;
    } catch (error) {
      place[Symbol.dispose]();
      failure = error;
    }
  }
  if (failure !== undefined) log.debug('a connection failed', { port, error: describeError(failure) });
  reset(user);
}
