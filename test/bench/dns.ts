/**
 * The cluster's DNS as a node runs it, in a thread of its own, under dnsperf: how many questions a second, what one costs,
 * how long the slowest of a hundred takes, and what becomes of that while the main thread is busy.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { decode, encode } from 'dns-packet';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { run } from '../../src/engines/process/run.ts';
import { configurationOf } from '../../src/network/dns/custom-config.ts';
import { NameServer } from '../../src/network/dns/name-server.ts';
import type { Order, Report, StartData } from '../../src/network/dns/protocol.ts';
import { resolve } from '../../src/network/dns/records.ts';
import { ReplyWriter } from '../../src/network/dns/reply.ts';
import type { ServiceRecords } from '../../src/network/dns/service-records.ts';
import { ZoneData } from '../../src/network/dns/zone-data.ts';
import { parseQuery } from '../../src/wire/dns/query.ts';
import { startDnsUpstream } from '../testbed/dns-upstream.ts';
import { report } from './report.ts';

const serviceCount = 1_000;
const runs = 5;
const secondsOfRun = 3;
/** Load under which delays are measured, questions a second. */
const steadyRate = 5_000;

const records: ServiceRecords[] = Array.from({ length: serviceCount }, (_, i) => {
  const isHeadless = i % 10 === 0;
  const hosts = Array.from({ length: 10 }, (_, n) => ({
    ...{ hostname: `svc-${i}-${n}`, isNamed: true, address: `10.42.${i % 250}.${n}` },
    ports: [{ name: 'http', protocol: 'tcp', port: 8080 }],
  }));
  return {
    ...{
      namespace: `ns-${i % 20}`,
      name: `svc-${i}`,
      kind: isHeadless ? 'Headless' : 'ClusterIP',
      externalName: '',
      hosts,
    },
    ips: isHeadless ? [] : [`10.43.${Math.floor(i / 250)}.${i % 250}`],
    ports: [{ name: 'http', protocol: 'tcp', port: 80 }],
  };
});

const each = (name: (i: number) => string) => Array.from({ length: serviceCount }, (_, i) => name(i)).join('\n');
const questions = {
  'cluster names': each((i) => `svc-${i}.ns-${i % 20}.svc.cluster.local A`),
  'misses of search paths': each((i) => `www${i}.example.com.ns-${i % 20}.svc.cluster.local A`),
  'cached names outside': each((i) => `www${i % 500}.example.com A`),
};

interface Measured {
  readonly perSecond: number;
  readonly processorUs: number;
  readonly slowest: number;
}

/** Runs dnsperf; with a rate, the delay that 99 of 100 answers stay below, in ms. */
async function dnsperf(port: number, file: string, rate?: number): Promise<Measured> {
  const limits = rate === undefined ? [] : ['-Q', String(rate), '-v'];
  const before = process.cpuUsage();
  const { stdout } = await run(
    'dnsperf',
    ['-s', '127.0.0.1', '-p', String(port), '-d', file, '-c', '8', '-l', String(secondsOfRun), ...limits],
    {
      timeoutMs: 60_000,
      outputBytesMax: 64 * 1024 * 1024,
    },
  );
  const { user, system } = process.cpuUsage(before);
  const completed = Number(/Queries completed:\s+(\d+)/.exec(stdout)?.[1]);
  const lost = Number(/Queries lost:\s+(\d+)/.exec(stdout)?.[1]);
  if (completed === 0 || lost > 0) throw new Error(`dnsperf lost ${lost} of ${completed + lost} questions`);
  const delays = [...stdout.matchAll(/^> \w+ \S+ \w+ ([\d.]+)$/gm)]
    .map(([, seconds]) => Number(seconds) * 1000)
    .sort((a, b) => a - b);
  return {
    perSecond: Number(/Queries per second:\s+([\d.]+)/.exec(stdout)?.[1]),
    processorUs: (user + system) / completed,
    slowest: delays[Math.floor(delays.length * 0.99)] ?? Number.NaN,
  };
}

/** Keeps this thread busy for 20 ms of every 40, as an API server under load does. */
function busyThread(): Disposable {
  const timer = setInterval(() => {
    const end = performance.now() + 20;
    while (performance.now() < end);
  }, 40);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

async function startThread(upstreamPort: number): Promise<{ readonly port: number } & AsyncDisposable> {
  const workerData: StartData = { addresses: ['127.0.0.1'], port: 0, zone: 'cluster.local' };
  const worker = new Worker(new URL('../../src/network/dns/worker.ts', import.meta.url), { workerData, execArgv: [] });
  const say = (order: Order) => worker.postMessage(order);
  const port = await new Promise<number>((done, fail) => {
    worker.on('error', fail);
    worker.on('message', (said: Report) => {
      if (said.kind === 'listening') done(said.ports[0] ?? 0);
    });
    say({ kind: 'services', set: records, removed: [] });
    say({ kind: 'configure', configuration: configurationOf([], [], [{ host: '127.0.0.1', port: upstreamPort }]) });
    say({ kind: 'listen' });
  });
  return {
    port,
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}

/** What reading a question and writing its answer costs, by our codec and by the package that it replaced, in µs. */
function codec(): void {
  const message = encode({
    type: 'query',
    id: 7,
    flags: 0x0100,
    questions: [{ type: 'A', name: 'svc-1.ns-1.svc.cluster.local', class: 'IN' }],
  });
  const data = new ZoneData(['cluster', 'local']);
  for (const one of records) data.set(one);
  const writer = new ReplyWriter();
  const ours = () => {
    const parsed = parseQuery(message);
    if (parsed.kind !== 'query') throw new Error('the question is not read');
    const found = resolve(parsed.query.labels, parsed.query.type, data);
    if (found === null) throw new Error('the name is not found');
    writer.records(message, parsed.query, 'udp', { rcode: 0, ...found, authority: undefined });
  };
  const theirs = () => {
    const { questions = [], id = 0 } = decode(message);
    const name = questions[0]?.name ?? '';
    encode({
      type: 'response',
      id,
      flags: 0x8580,
      questions,
      answers: [{ type: 'A', name, ttl: 5, data: '10.43.0.1' }],
    });
  };
  for (const [what, once] of [
    ['read, look up and write with src/wire/dns', ours],
    ['read and write with dns-packet', theirs],
  ] as const) {
    const values = Array.from({ length: runs }, () => {
      const count = 50_000;
      const before = process.cpuUsage();
      for (let i = 0; i < count; i += 1) once();
      const { user, system } = process.cpuUsage(before);
      return (user + system) / count;
    });
    report(what, ' µs', values);
  }
}

codec();
const folder = await mkdtemp(path.join(tmpdir(), 'wherry-bench-dns-'));
await using upstream = await startDnsUpstream();
try {
  for (const [what, text] of Object.entries(questions)) {
    await using thread = await startThread(upstream.port);
    const file = path.join(folder, 'questions');
    await writeFile(file, `${text}\n`);
    await dnsperf(thread.port, file);
    const full: Measured[] = [];
    const steady: Measured[] = [];
    for (let i = 0; i < runs; i += 1) {
      full.push(await dnsperf(thread.port, file));
      steady.push(await dnsperf(thread.port, file, steadyRate));
    }
    report(
      `${what}: questions a second`,
      '/s',
      full.map(({ perSecond }) => perSecond),
    );
    report(
      `${what}: processor time of the server a question`,
      ' µs',
      full.map(({ processorUs }) => processorUs),
    );
    report(
      `${what}: 99th percentile at ${steadyRate}/s`,
      ' ms',
      steady.map(({ slowest }) => slowest),
    );
  }
  const file = path.join(folder, 'questions');
  await writeFile(file, `${questions['cluster names']}\n`);
  await using thread = await startThread(upstream.port);
  await using inThread = new NameServer({
    ...{
      addresses: ['127.0.0.1'],
      port: 0,
      zone: 'cluster.local',
      clock: systemClock,
      log: silentLog,
      onLoops: () => {},
    },
  });
  for (const one of records) inThread.data.set(one);
  await inThread.listen();
  using _ = busyThread();
  for (const [what, port] of [
    ['in a thread of its own', thread.port],
    ['in the busy thread', inThread.ports[0] ?? 0],
  ] as const) {
    const values: number[] = [];
    for (let i = 0; i < runs; i += 1) values.push((await dnsperf(port, file, 1_000)).slowest);
    report(`99th percentile at 1000/s while the main thread is busy, ${what}`, ' ms', values);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
