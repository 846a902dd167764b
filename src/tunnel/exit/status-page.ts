import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from '../../core/node-http.ts';
import { listenError } from './door.ts';
import type { Exit } from './exit.ts';

/** What stands on the status page, as data. */
export interface ExitSnapshot {
  readonly clients: readonly {
    readonly name: string;
    readonly address: string;
    readonly token: string;
    readonly streams: number;
    readonly idleConnections: number;
    readonly routes: readonly { readonly id: string; readonly state: string; readonly message: string }[];
  }[];
  readonly tokens: readonly {
    readonly name: string;
    readonly active: number;
    readonly connections: number | null;
    readonly bandwidth: number | null;
    readonly streams: number;
    readonly refused: number;
    readonly bytesFromUsers: number;
    readonly bytesToUsers: number;
  }[];
}

export function snapshotOf(exit: Exit): ExitSnapshot {
  return {
    clients: exit.sessions().map((session) => ({
      name: session.facts.name,
      address: session.facts.address,
      token: session.token.name,
      streams: session.streams,
      idleConnections: session.idleConnections,
      routes: session.verdicts.map((verdict) => ({
        id: verdict.id,
        state: verdict.state,
        message: verdict.state === 'refused' ? verdict.message : '',
      })),
    })),
    tokens: exit.accounts.list().map((account) => ({
      name: account.spec.name,
      active: account.active,
      connections: account.spec.connections ?? null,
      bandwidth: account.spec.bandwidth ?? null,
      streams: account.streams,
      refused: account.refused,
      bytesFromUsers: account.bytesFromUsers,
      bytesToUsers: account.bytesToUsers,
    })),
  };
}

/** The exit's figures in Prometheus' text format. */
export function metricsText(exit: Exit): string {
  const { clients, tokens } = snapshotOf(exit);
  const { counts, httpCounts } = exit;
  const lines: string[] = [];
  const add = (
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    samples: readonly (readonly [string, number])[],
  ) => {
    lines.push(`# HELP wherry_tunnel_${name} ${help}`, `# TYPE wherry_tunnel_${name} ${type}`);
    for (const [labels, value] of samples) lines.push(`wherry_tunnel_${name}${labels} ${value}`);
  };
  const byToken = (pick: (token: ExitSnapshot['tokens'][number]) => number) =>
    tokens.map((token) => [`{token=${quote(token.name)}}`, pick(token)] as const);
  add('clients', 'gauge', 'Clients that are connected.', [['', clients.length]]);
  add('routes', 'gauge', 'Host names and ports that are served.', [['', exit.routes().length]]);
  add(
    'streams',
    'gauge',
    'Requests, connections and flows at the moment.',
    byToken(({ active }) => active),
  );
  add(
    'streams_total',
    'counter',
    'Requests, connections and flows.',
    byToken(({ streams }) => streams),
  );
  add(
    'streams_refused_total',
    'counter',
    'Such as were refused because of their limit.',
    byToken(({ refused }) => refused),
  );
  add(
    'received_bytes_total',
    'counter',
    'Bytes from users, of streams that are over.',
    byToken((t) => t.bytesFromUsers),
  );
  add(
    'sent_bytes_total',
    'counter',
    'Bytes to users, of streams that are over.',
    byToken((t) => t.bytesToUsers),
  );
  add('sessions_total', 'counter', 'Clients that came.', [['', counts.sessions]]);
  add('sessions_dead_total', 'counter', 'Clients that went silent.', [['', counts.deadSessions]]);
  add('wrong_tokens_total', 'counter', 'Attempts with a wrong token.', [['', counts.wrongTokens]]);
  add('blocked_attempts_total', 'counter', 'Attempts of addresses that are kept out.', [['', counts.blockedAttempts]]);
  add(
    'http_answers_total',
    'counter',
    'Answers that the exit gave itself.',
    Object.entries(httpCounts).map(([status, count]) => [`{code=${quote(status)}}`, count] as const),
  );
  return `${lines.join('\n')}\n`;
}

function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}

/** Serves the page, /status.json, /metrics and /healthz, without encryption: for this machine or a private network. */
export async function serveStatus(
  exit: Exit,
  host: string,
  port: number,
): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((request, response) => answer(exit, request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(listenError(cause, 'tcp', host, port)));
    server.listen({ host, port }, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function answer(exit: Exit, { method, url }: IncomingMessage, response: ServerResponse): void {
  const pages: Readonly<Record<string, () => readonly [type: string, body: string]>> = {
    '/': () => ['text/html; charset=utf-8', page(snapshotOf(exit))],
    '/status.json': () => ['application/json', `${JSON.stringify(snapshotOf(exit), null, 2)}\n`],
    '/metrics': () => ['text/plain; version=0.0.4; charset=utf-8', metricsText(exit)],
    '/healthz': () => ['text/plain', 'ok\n'],
  };
  const find =
    Object.hasOwn(pages, url ?? '') && (method === 'GET' || method === 'HEAD') ? pages[url ?? ''] : undefined;
  if (find === undefined) {
    response.writeHead(404, { 'Content-Type': 'text/plain' }).end('there are /, /status.json, /metrics and /healthz\n');
    return;
  }
  const [type, body] = find();
  response.writeHead(200, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'",
  });
  response.end(body);
}

function page({ clients, tokens }: ExitSnapshot): string {
  const clientRows = clients.flatMap((client) =>
    client.routes.map((route) => [client.name, client.address, client.token, route.id, route.state, route.message]),
  );
  const tokenRows = tokens.map((token) => [
    token.name,
    `${token.active}${token.connections === null ? '' : ` of ${token.connections}`}`,
    token.bandwidth === null ? 'no limit' : `${token.bandwidth} bytes/s`,
    String(token.streams),
    String(token.refused),
  ]);
  return `<!doctype html><html lang="en"><head><title>Wherry tunnel</title><meta charset="utf-8"><style>
body { font-family: sans-serif; margin: 2em } table { border-collapse: collapse } td, th { border: 1px solid #bbb; padding: .3em .8em; text-align: left }
</style></head><body><h1>Wherry tunnel</h1>
<p>${clients.length} ${clients.length === 1 ? 'client' : 'clients'}</p>
${table(['client', 'address', 'token', 'route', 'state', ''], clientRows)}
<h2>Tokens</h2>
${table(['token', 'streams', 'bandwidth', 'streams so far', 'refused'], tokenRows)}
</body></html>
`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: string, texts: readonly string[]) =>
    texts.map((text) => `<${tag}>${escapeHtml(text)}</${tag}>`).join('');
  return `<table><tr>${cells('th', head)}</tr>\n${rows.map((row) => `<tr>${cells('td', row)}</tr>`).join('\n')}</table>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
