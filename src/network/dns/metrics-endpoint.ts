import { describeError, WherryError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { createServer } from '../../core/node-http.ts';

const requestMs = 10_000;
const connectionsMax = 50;

/** Serves `text` at /metrics, as CoreDNS does on port 9153. Throws WherryError DNS_METRICS_LISTEN. */
export async function serveMetrics(options: {
  readonly address: string;
  readonly port: number;
  readonly text: () => Promise<string>;
  readonly log: Log;
}): Promise<AsyncDisposable> {
  const { address, port, text, log } = options;
  const server = createServer({ requestTimeout: requestMs, headersTimeout: requestMs }, (request, response) => {
    if (request.url?.split('?')[0] !== '/metrics' || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(404).end();
      return;
    }
    text().then(
      (body) => response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body),
      (error: unknown) => response.writeHead(503).end(`${describeError(error)}\n`),
    );
  });
  server.maxConnections = connectionsMax;
  await new Promise<void>((done, fail) => {
    server.once('error', (cause) =>
      fail(
        new WherryError(
          'DNS_METRICS_LISTEN',
          `the metrics of the cluster DNS can't be served on ${address} port ${port}`,
          {
            cause,
            hint: `find the program that holds port ${port} on all addresses (ss -lntp 'sport = :${port}')`,
          },
        ),
      ),
    );
    server.listen(port, address, done);
  });
  server.on('error', (error) => log.warn('the metrics endpoint of the cluster DNS failed', { error }));
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}
