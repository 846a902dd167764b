/**
 * Requests through the ingress, beside HAProxy configured by hand for the same one upstream, and the upstream asked directly, over loopback in
 * one run; the ways take turns, and ratios are of neighbouring measurements. The ingress has a thousand other Ingresses at the same time. Then what a
 * change costs: until a new endpoint answers, and until a new Ingress does.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '../../src/core/clock.ts';
import { createLog } from '../../src/core/log.ts';
import { Haproxy } from '../../src/engines/haproxy/haproxy.ts';
import { readTlsSecret } from '../../src/ingress/certificates.ts';
import { ingressClasses } from '../../src/ingress/classes.ts';
import { makeDefaultCertificate } from '../../src/ingress/default-certificate.ts';
import { planIngress } from '../../src/ingress/plan.ts';
import type { EndpointSlice, Ingress, Service } from '../../src/kube/types.gen.ts';
import { eventually, runCommand } from '../testbed/kubectl.ts';
import { report } from './report.ts';

const runs = 7;
const seconds = 2;
const connections = 64;
const others = 1_000;
const ports = { upstream: 17_101, second: 17_102, byHand: 17_111, http: 17_121, https: 17_122 };
const host = `s${others / 2}.bench.test`;
const folder = mkdtempSync(path.join(tmpdir(), 'wherry-bench-ingress-'));
const children: ChildProcess[] = [];
const standard = readTlsSecret(makeDefaultCertificate(Date.now()));
const defaultCertificate = standard.ok ? standard.pem : '';
const haproxy = new Haproxy({
  ...{
    folder: path.join(folder, 'ours'),
    runFolder: path.join(folder, 'run'),
    clock: systemClock,
    log: createLog('error'),
  },
});

try {
  await measure();
} finally {
  await haproxy.stop();
  for (const child of children) {
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGTERM');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  mkdirSync(path.join(folder, 'ours'));
  const timeouts = 'defaults\n mode http\n timeout client 60s\n timeout server 60s\n timeout connect 5s\n';
  const answers = (port: number) =>
    `frontend f${port}\n bind 127.0.0.1:${port}\n http-request return status 200 content-type text/plain string "hello from ${port}"\n`;
  start('upstream', `${timeouts}${answers(ports.upstream)}${answers(ports.second)}`);
  // As an administrator writes it for one site, with what upstreams of the ingress are told too.
  const headers = [
    ...['X-Forwarded-For %[src]', 'X-Real-Ip %[src]', 'X-Forwarded-Host %[req.hdr(host)]'],
    ...[`X-Forwarded-Port ${ports.byHand}`, 'X-Forwarded-Proto http'],
  ];
  start(
    'by-hand',
    `${timeouts}frontend web\n bind 127.0.0.1:${ports.byHand}\n${headers.map((one) => ` http-request set-header ${one}\n`).join('')} use_backend site if { req.hdr(host) -i ${host} }\nbackend site\n server s1 127.0.0.1:${ports.upstream}\n`,
  );
  const began = performance.now();
  await haproxy.apply(configuration([ports.upstream], others));
  report(`first start with ${others} Ingresses and as many Services`, ' ms', [performance.now() - began]);
  const ways = { direct: ports.upstream, 'HAProxy by hand': ports.byHand, ingress: ports.http };
  for (const port of Object.values(ways)) await answered(port, ports.upstream);
  const rates: Record<keyof typeof ways, number[]> = { direct: [], 'HAProxy by hand': [], ingress: [] };
  const costs: Record<keyof typeof ways, number[]> = { direct: [], 'HAProxy by hand': [], ingress: [] };
  const processes = { direct: pidOf(0), 'HAProxy by hand': pidOf(1), ingress: await workerPid() };
  for (let run = 0; run < runs; run++)
    for (const name of ['direct', 'HAProxy by hand', 'ingress'] as const) {
      const before = processorMicroseconds(processes[name]);
      const { perSecond, count } = await requests(ways[name]);
      rates[name].push(perSecond);
      costs[name].push((processorMicroseconds(processes[name]) - before) / count);
    }
  for (const [name, values] of Object.entries(rates))
    report(`${name}, ${connections} connections, requests/s`, '', values);
  const ratio = (a: readonly number[], b: readonly number[]) =>
    a.map((value, index) => (100 * value) / (b[index] ?? Number.NaN));
  for (const [name, values] of Object.entries(costs)) report(`${name}, processor time a request`, ' µs', values);
  report('HAProxy by hand of ingress, processor time a request', ' %', ratio(costs['HAProxy by hand'], costs.ingress));
  report('ingress of HAProxy by hand', ' %', ratio(rates.ingress, rates['HAProxy by hand']));
  report('ingress of direct', ' %', ratio(rates.ingress, rates.direct));
  const changes: number[] = [];
  const reloads: number[] = [];
  for (let run = 0; run < runs; run++) {
    const [from, to] = run % 2 === 0 ? [ports.upstream, ports.second] : [ports.second, ports.upstream];
    const begun = performance.now();
    const applied = await haproxy.apply(configuration([to], others));
    await answered(ports.http, to);
    changes.push(performance.now() - begun);
    if (applied !== 'updated') throw new Error(`an endpoint that went from ${from} to ${to} was ${applied}`);
  }
  const last = runs % 2 === 0 ? ports.upstream : ports.second;
  for (let run = 1; run <= runs; run++) {
    const begun = performance.now();
    await haproxy.apply(configuration([last], others + run));
    await answered(ports.http, last, `s${others + run - 1}.bench.test`);
    reloads.push(performance.now() - begun);
  }
  report(`another endpoint answers, of ${others} Ingresses`, ' ms', changes);
  report(`another Ingress answers, after ${others}`, ' ms', reloads);
  report(`memory of HAProxy's worker with ${others} Ingresses`, ' MB', [await workerMegabytes()]);
}

function start(name: string, configuration: string): void {
  const file = path.join(folder, `${name}.cfg`);
  writeFileSync(file, configuration);
  // In a session of its own, as the ingress' is: the kernel may share processors out by session (sched_autogroup).
  const options: SpawnOptions = { stdio: ['ignore', 'ignore', 'inherit'], detached: true };
  children.push(spawn('haproxy', ['-f', file], options));
}

/** So many Ingresses, each with a host and a Service of its own. */
function configuration(endpoints: readonly number[], count: number) {
  const ingresses = Array.from({ length: count }, (_, index): Ingress => {
    const backend = { service: { name: `s${index}`, port: { number: 80 } } };
    return {
      ...{ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' },
      metadata: { name: `i${index}`, namespace: 'bench', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: {
        ingressClassName: 'wherry',
        rules: [{ host: `s${index}.bench.test`, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
      },
    };
  });
  const service: Service = {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 's', namespace: 'bench' } },
    spec: { ports: [{ port: 80 }] },
  };
  const slices = endpoints.map(
    (port): EndpointSlice => ({
      ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', metadata: { name: 's' } },
      ...{ endpoints: [{ addresses: ['127.0.0.1'] }], ports: [{ port }] },
    }),
  );
  const { config } = planIngress({
    ...{ ingresses, classes: ingressClasses, service: () => service, slices: () => slices },
    ...{ certificate: () => undefined, nowMs: Date.now(), ports: { http: ports.http, https: ports.https } },
  });
  return { ...config, defaultCertificate, nameServers: [] };
}

/** Waits until the upstream of this port is who answers. */
async function answered(port: number, upstream: number, name = host): Promise<void> {
  await eventually(`port ${port} answers`, 30_000, async () =>
    (await page(port, name)) === `hello from ${upstream}` ? true : undefined,
  );
}

function page(port: number, name: string): Promise<string> {
  return new Promise((resolve) => {
    const asked = get({ host: '127.0.0.1', port, agent: false, headers: { host: name } }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve(body));
    });
    asked.on('error', () => resolve(''));
  });
}

async function requests(port: number): Promise<{ readonly perSecond: number; readonly count: number }> {
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '-H', `Host: ${host}`, `http://127.0.0.1:${port}/`];
  const { stdout } = await runCommand('wrk', args);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout);
  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1]);
  return { perSecond: number(/Requests\/sec:\s+([\d.]+)/), count: number(/(\d+) requests in/) };
}

/** Of a process so far: what a busy machine does to the clock it does not do to this. */
function processorMicroseconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  // User and system time, in hundredths of a second (proc(5)).
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

function pidOf(child: number): number {
  return children[child]?.pid ?? 0;
}

async function workerPid(): Promise<number> {
  const master = readFileSync(path.join(folder, 'ours/haproxy.pid'), 'utf8').trim();
  const { stdout } = await runCommand('ps', ['-o', 'pid=', '--ppid', master]);
  return Math.max(...stdout.trim().split('\n').map(Number));
}

async function workerMegabytes(): Promise<number> {
  const status = readFileSync(`/proc/${await workerPid()}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1000;
}
