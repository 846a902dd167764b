/**
 * Speed of the API over TLS with keep-alive, on a machine shared with the client: GET, LIST, durable CREATE and PATCH
 * by wrk, delivery to watchers by a client of our own. Every figure is the median of several runs.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { eventually, runCommand } from '../testbed/kubectl.ts';
import { report } from './report.ts';

const root = path.join(import.meta.dirname, '../..');
const runs = 5;
const seconds = 4;
const port = 16_443;
const padding = 'x'.repeat(700);

const folder = mkdtempSync(path.join(tmpdir(), 'wherry-bench-api-'));
const dataDir = path.join(folder, 'data');
const kubeconfig = path.join(folder, 'kubeconfig.yaml');

const server = spawn(
  path.join(root, 'wherry'),
  [
    'server',
    '--disable-agent',
    '--data-dir',
    dataDir,
    '--https-listen-port',
    String(port),
    '--write-kubeconfig',
    kubeconfig,
  ],
  { stdio: ['ignore', 'ignore', 'inherit'] },
);
try {
  await measure();
} finally {
  const ended = new Promise((resolve) => server.once('close', resolve));
  server.kill('SIGTERM');
  await ended;
  rmSync(folder, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  await eventually('the server is ready', 60_000, async () => {
    const status = await runCommand(path.join(root, 'wherry'), ['status', '--data-dir', dataDir]);
    return status.status === 0 || undefined;
  });
  const config = parse(readFileSync(kubeconfig, 'utf8'));
  const decode = (text: string) => Buffer.from(text, 'base64').toString();
  const identity = {
    ca: decode(config.clusters[0].cluster['certificate-authority-data']),
    cert: decode(config.users[0].user['client-certificate-data']),
    key: decode(config.users[0].user['client-key-data']),
  };
  const agent = new https.Agent({ ...identity, keepAlive: true, maxSockets: 16 });
  const call = (method: string, url: string, body?: object, type = 'application/json') =>
    request(agent, method, url, body, type);
  await call('POST', '/api/v1/namespaces', { metadata: { name: 'bench' } });
  await call('POST', '/api/v1/namespaces/bench/serviceaccounts', { metadata: { name: 'bench' } });
  await call('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: 'bench' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', namespace: 'bench', name: 'bench' }],
  });
  const { status } = await call('POST', '/api/v1/namespaces/bench/serviceaccounts/bench/token', {
    spec: { expirationSeconds: 3600 },
  });
  const token = status.token;
  const base = '/api/v1/namespaces/bench/configmaps';
  for (let i = 0; i < 500; i++) await call('POST', base, { metadata: { name: `c${i}` }, data: { padding } });

  report('GET of 1 KiB, wrk, 16 connections', '/s', await repeat(() => wrk(`${base}/c0`, token)));
  report('LIST of 500 x 1 KiB, wrk, 16 connections', '/s', await repeat(() => wrk(base, token)));
  let run = 0;
  const writes = (method: string, type: string, request: string) => () =>
    wrk(base, token, script(method, type, run++, request));
  report(
    'durable CREATE of 1 KiB, wrk, 16 connections',
    '/s',
    await repeat(
      writes(
        'POST',
        'application/json',
        `"${base}", '{"metadata":{"name":"n' .. run .. '-' .. n .. '"},"data":{"padding":"${padding}"}}'`,
      ),
    ),
  );
  report(
    'merge PATCH of 1 KiB, wrk, 16 connections',
    '/s',
    await repeat(
      writes(
        'PATCH',
        'application/merge-patch+json',
        `"${base}/c" .. n % 500, '{"data":{"count":"' .. run .. '-' .. n .. '"}}'`,
      ),
    ),
  );
  report('delivery to 100 watchers, 99th percentile', ' ms', await repeat(() => delivery(identity, call)));
}

function request(
  agent: https.Agent,
  method: string,
  url: string,
  body?: object,
  type?: string,
): Promise<{ status: { token: string } }> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = payload === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(payload) };
    const outgoing = https.request({ host: '127.0.0.1', port, path: url, method, agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if ((response.statusCode ?? 500) >= 300) reject(new Error(`${method} ${url}: ${text.slice(0, 300)}`));
        else resolve(JSON.parse(text));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(payload);
  });
}

async function repeat(once: () => Promise<number>): Promise<number[]> {
  const values: number[] = [];
  for (let i = 0; i < runs; i++) values.push(await once());
  return values;
}

/** A wrk script whose requests are all different: `request` is Lua for path and body, with the number `n` of the request. */
function script(method: string, contentType: string, run: number, request: string): string {
  return `local run, n = ${run}, 0
local function format(path, body) return wrk.format("${method}", path, nil, body) end
wrk.headers["Content-Type"] = "${contentType}"
function request()
  n = n + 1
  return format(${request})
end
`;
}

async function wrk(url: string, token: string, lua?: string): Promise<number> {
  const file = path.join(folder, 'requests.lua');
  if (lua !== undefined) writeFileSync(file, lua);
  const args = [
    '-t1',
    '-c16',
    `-d${seconds}s`,
    '-H',
    `Authorization: Bearer ${token}`,
    ...(lua === undefined ? [] : ['-s', file]),
    `https://127.0.0.1:${port}${url}`,
  ];
  const { stdout, stderr } = await runCommand('wrk', args);
  if (/Non-2xx/.test(stdout)) throw new Error(`wrk: ${stdout}`);
  const found = /Requests\/sec:\s+([\d.]+)/.exec(stdout);
  if (found === null) throw new Error(`wrk: ${stdout}${stderr}`);
  return Number(found[1]);
}

/** Milliseconds from the request of a durable change to its line at each of 100 watchers, one change at a time. */
async function delivery(
  identity: { ca: string; cert: string; key: string },
  call: (method: string, url: string, body?: object, type?: string) => Promise<unknown>,
): Promise<number> {
  const watchers = 100;
  const warmUp = 20;
  const changes = 200;
  const agent = new https.Agent({ ...identity, maxSockets: watchers });
  const name = `w${Math.floor(performance.now())}`;
  const delays: number[] = [];
  const sentAt = new Map<string, number>();
  const streams = await Promise.all(
    Array.from(
      { length: watchers },
      () =>
        new Promise<https.Agent>((resolve, reject) => {
          const url = `/api/v1/namespaces/bench/configmaps?watch=1&fieldSelector=metadata.name%3D${name}`;
          https
            .get({ host: '127.0.0.1', port, path: url, agent }, (response) => {
              response.setEncoding('utf8');
              response.on('data', (text: string) => {
                for (const [, tick = ''] of text.matchAll(/"tick":"(\d+)"/g))
                  delays.push(performance.now() - (sentAt.get(tick) ?? 0));
              });
              resolve(agent);
            })
            .on('error', (error) => (delays.length === 0 ? reject(error) : undefined));
        }),
    ),
  );
  await call('POST', '/api/v1/namespaces/bench/configmaps', { metadata: { name } });
  for (let i = 1; i <= warmUp + changes; i++) {
    sentAt.set(String(i), performance.now());
    await call(
      'PATCH',
      `/api/v1/namespaces/bench/configmaps/${name}`,
      { data: { tick: String(i) } },
      'application/merge-patch+json',
    );
    await eventually('every watcher has the change', 5_000, async () =>
      delays.length >= i * watchers ? true : undefined,
    );
  }
  for (const stream of streams) stream.destroy();
  const measured = delays.slice(warmUp * watchers).sort((a, b) => a - b);
  return measured[Math.floor(measured.length * 0.99)] ?? 0;
}
