import { rcodeName, typeName } from '../../wire/dns/constants.ts';

/*
 * What the cluster's DNS counts, under the names, labels and buckets of CoreDNS, so that its dashboards and alerts work.
 * https://coredns.io/plugins/metrics, forward, cache and hosts.
 */

/** 0.25 ms, doubled fifteen times. */
const secondsBuckets = Array.from({ length: 16 }, (_, i) => 0.00025 * 2 ** i);
const bytesBuckets = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3] as const;
/** Types that are counted by their own name; the others together, so that clients can't make series without end. */
const otherType = 'other';

class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  lines(name: string, labels: string): readonly string[] {
    let total = 0;
    const comma = labels === '' ? '' : ',';
    const lines = this.#counts.map((count, i) => {
      total += count;
      return `${name}_bucket{${labels}${comma}le="${this.#bounds[i] ?? '+Inf'}"} ${total}`;
    });
    return [...lines, `${name}_sum{${labels}} ${this.#sum}`, `${name}_count{${labels}} ${total}`];
  }
}

/** Counts by labels that are written down once. */
class Counts {
  readonly #values = new Map<string, number>();

  add(labels: string, amount = 1): void {
    this.#values.set(labels, (this.#values.get(labels) ?? 0) + amount);
  }

  lines(name: string): readonly string[] {
    return [...this.#values].map(([labels, value]) => `${name}${labels === '' ? '' : `{${labels}}`} ${value}`);
  }
}

interface Sizes {
  readonly requests: Histogram;
  readonly responses: Histogram;
}

/** What is counted of each zone at one address that is listened at. */
class ZoneMetrics {
  readonly durations = new Histogram(secondsBuckets);
  readonly sizes: Record<'udp' | 'tcp', Sizes> = {
    udp: { requests: new Histogram(bytesBuckets), responses: new Histogram(bytesBuckets) },
    tcp: { requests: new Histogram(bytesBuckets), responses: new Histogram(bytesBuckets) },
  };
  readonly requests = { udp: new Map<number, number>(), tcp: new Map<number, number>() };
  readonly responses = new Map<string, number>();
}

/** One address that is listened at. */
export class ServerMetrics {
  /** As CoreDNS writes it: `dns://10.43.0.10:53`. */
  readonly server: string;
  readonly family: '1' | '2';
  readonly zones = new Map<string, ZoneMetrics>();

  constructor(address: string, port: number) {
    const isIpv6 = address.includes(':');
    this.server = `dns://${isIpv6 ? `[${address}]` : address}:${port}`;
    this.family = isIpv6 ? '2' : '1';
  }

  /** `plugin` is which of CoreDNS' plugins would have answered: kubernetes, hosts, forward, cache. */
  answered(
    zone: string,
    protocol: 'udp' | 'tcp',
    asked: { readonly type: number; readonly bytes: number },
    answer: { readonly rcode: number; readonly bytes: number; readonly plugin: string },
    milliseconds: number,
  ): void {
    let metrics = this.zones.get(zone);
    if (metrics === undefined) {
      metrics = new ZoneMetrics();
      this.zones.set(zone, metrics);
    }
    const type = typeName(asked.type) === undefined ? -1 : asked.type;
    const requests = metrics.requests[protocol];
    requests.set(type, (requests.get(type) ?? 0) + 1);
    metrics.durations.observe(milliseconds / 1000);
    metrics.sizes[protocol].requests.observe(asked.bytes);
    metrics.sizes[protocol].responses.observe(answer.bytes);
    const code = `${answer.plugin} ${answer.rcode}`;
    metrics.responses.set(code, (metrics.responses.get(code) ?? 0) + 1);
  }
}

/** The questions that are passed on. */
export class ForwardMetrics {
  readonly requests = new Counts();
  readonly responses = new Counts();
  readonly failures = new Counts();
  readonly checkFailures = new Counts();
  readonly durations = new Map<string, Histogram>();
  checksBroken = 0;
  rejects = 0;

  answered(to: string, rcode: number, milliseconds: number): void {
    this.requests.add(`to="${to}"`);
    const labels = `rcode="${rcodeName(rcode)}",to="${to}"`;
    this.responses.add(labels);
    const duration = this.durations.get(labels) ?? new Histogram(secondsBuckets);
    duration.observe(milliseconds / 1000);
    this.durations.set(labels, duration);
  }

  failed(to: string): void {
    this.requests.add(`to="${to}"`);
    this.failures.add(`to="${to}"`);
  }

  checkFailed(to: string): void {
    this.checkFailures.add(`proxy_name="forward",to="${to}"`);
  }

  allDown(): void {
    this.checksBroken += 1;
  }
}

/** What is kept of the answers to them. */
export class CacheMetrics {
  readonly hits = { success: 0, denial: 0 };
  readonly evictions = { success: 0, denial: 0 };
  misses = 0;
  served_stale = 0;
  entries: () => { readonly success: number; readonly denial: number } = () => ({ success: 0, denial: 0 });

  evicted(isNegative: boolean): void {
    this.evictions[isNegative ? 'denial' : 'success'] += 1;
  }
}

export interface DnsMetrics {
  readonly servers: readonly ServerMetrics[];
  readonly forward: ForwardMetrics;
  readonly cache: CacheMetrics;
  hostsEntries: number;
}

/** The text form of Prometheus, version 0.0.4. */
export function renderMetrics({ servers, forward, cache, hostsEntries }: DnsMetrics): string {
  const lines: string[] = [];
  const family = (name: string, type: 'counter' | 'gauge' | 'histogram', help: string, samples: readonly string[]) =>
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples);
  const zones = servers.flatMap((server) => [...server.zones].map(([zone, metrics]) => ({ server, zone, metrics })));
  const protocols = ['udp', 'tcp'] as const;

  family(
    'coredns_dns_requests_total',
    'counter',
    'Counter of DNS requests made per zone, protocol and family.',
    zones.flatMap(({ server, zone, metrics }) =>
      protocols.flatMap((proto) =>
        [...metrics.requests[proto]].map(
          ([type, count]) =>
            `coredns_dns_requests_total{family="${server.family}",proto="${proto}",server="${server.server}",type="${typeName(type) ?? otherType}",view="",zone="${zone}"} ${count}`,
        ),
      ),
    ),
  );
  family(
    'coredns_dns_responses_total',
    'counter',
    'Counter of response status codes.',
    zones.flatMap(({ server, zone, metrics }) =>
      [...metrics.responses].map(([code, count]) => {
        const [plugin = '', rcode = '0'] = code.split(' ');
        return `coredns_dns_responses_total{plugin="${plugin}",rcode="${rcodeName(Number(rcode))}",server="${server.server}",view="",zone="${zone}"} ${count}`;
      }),
    ),
  );
  family(
    'coredns_dns_request_duration_seconds',
    'histogram',
    'Histogram of the time (in seconds) each request took per zone.',
    zones.flatMap(({ server, zone, metrics }) =>
      metrics.durations.lines(
        'coredns_dns_request_duration_seconds',
        `server="${server.server}",view="",zone="${zone}"`,
      ),
    ),
  );
  for (const [name, what] of [
    ['request', 'requests'],
    ['response', 'responses'],
  ] as const) {
    family(
      `coredns_dns_${name}_size_bytes`,
      'histogram',
      `Size of the ${name} in bytes.`,
      zones.flatMap(({ server, zone, metrics }) =>
        protocols.flatMap((proto) =>
          metrics.sizes[proto][what].lines(
            `coredns_dns_${name}_size_bytes`,
            `proto="${proto}",server="${server.server}",view="",zone="${zone}"`,
          ),
        ),
      ),
    );
  }
  const cacheLabels = `server="${servers[0]?.server ?? ''}"`;
  const byKind = (name: string, counts: { readonly success: number; readonly denial: number }) =>
    (['success', 'denial'] as const).map(
      (type) => `${name}{${cacheLabels},type="${type}",view="",zones="."} ${counts[type]}`,
    );
  const plain = (name: string, value: number) => [`${name}{${cacheLabels},view="",zones="."} ${value}`];
  const asked = cache.hits.success + cache.hits.denial + cache.misses;
  family(
    'coredns_cache_entries',
    'gauge',
    'The number of elements in the cache.',
    byKind('coredns_cache_entries', cache.entries()),
  );
  family(
    'coredns_cache_hits_total',
    'counter',
    'The count of cache hits.',
    byKind('coredns_cache_hits_total', cache.hits),
  );
  family(
    'coredns_cache_misses_total',
    'counter',
    'The count of cache misses.',
    plain('coredns_cache_misses_total', cache.misses),
  );
  family(
    'coredns_cache_requests_total',
    'counter',
    'The count of cache requests.',
    plain('coredns_cache_requests_total', asked),
  );
  family(
    'coredns_cache_served_stale_total',
    'counter',
    'The number of requests served from stale cache entries.',
    plain('coredns_cache_served_stale_total', cache.served_stale),
  );
  family(
    'coredns_cache_evictions_total',
    'counter',
    'The count of cache evictions.',
    byKind('coredns_cache_evictions_total', cache.evictions),
  );
  family(
    'coredns_forward_requests_total',
    'counter',
    'Counter of requests made per upstream.',
    forward.requests.lines('coredns_forward_requests_total'),
  );
  family(
    'coredns_forward_responses_total',
    'counter',
    'Counter of responses received per upstream.',
    forward.responses.lines('coredns_forward_responses_total'),
  );
  family(
    'coredns_forward_max_concurrent_rejects_total',
    'counter',
    'Counter of the number of queries rejected because the concurrent queries were at maximum.',
    [`coredns_forward_max_concurrent_rejects_total ${forward.rejects}`],
  );
  family(
    'coredns_forward_healthcheck_broken_total',
    'counter',
    'Counter of the number of complete failures of the healthchecks.',
    [`coredns_forward_healthcheck_broken_total ${forward.checksBroken}`],
  );
  family(
    'coredns_proxy_request_duration_seconds',
    'histogram',
    'Histogram of the time each request took.',
    [...forward.durations].flatMap(([labels, histogram]) =>
      histogram.lines('coredns_proxy_request_duration_seconds', `proxy_name="forward",${labels}`),
    ),
  );
  family(
    'coredns_proxy_healthcheck_failures_total',
    'counter',
    'Counter of the number of failed healthchecks.',
    forward.checkFailures.lines('coredns_proxy_healthcheck_failures_total'),
  );
  family('coredns_hosts_entries', 'gauge', 'The combined number of entries in hosts and Corefile.', [
    `coredns_hosts_entries ${hostsEntries}`,
  ]);
  return `${lines.join('\n')}\n`;
}
