import type { RequestInfo } from './request.ts';

/** Upper bounds of the duration histogram, seconds. */
const buckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 8, 16, 32, 60] as const;

interface Series {
  readonly labels: string;
  count: number;
  seconds: number;
  readonly buckets: number[];
}

/** What `/metrics` says beside the requests: a name, its help and type, and the samples when asked. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  samples(): Iterable<{ readonly labels: Readonly<Record<string, string>>; readonly value: number }>;
}

/** Counts requests in the words of upstream's metrics, and renders everything in Prometheus' text form. */
export class RequestMetrics {
  readonly #totals = new Map<string, number>();
  readonly #durations = new Map<string, Series>();
  readonly #gauges: Gauge[] = [];

  add(gauge: Gauge): void {
    this.#gauges.push(gauge);
  }

  observe(info: RequestInfo | undefined, code: number, milliseconds: number): void {
    const verb = (info?.verb ?? 'get').toUpperCase();
    const resource = info?.isResource === true ? info.resource : '';
    const target = `group="${info?.group ?? ''}",resource="${resource}",subresource="${info?.subresource ?? ''}",verb="${verb}",version="${info?.version ?? ''}"`;
    const total = `code="${code}",${target}`;
    this.#totals.set(total, (this.#totals.get(total) ?? 0) + 1);
    if (verb === 'WATCH' || code === 404) return;
    let series = this.#durations.get(target);
    if (series === undefined) {
      series = { labels: target, count: 0, seconds: 0, buckets: buckets.map(() => 0) };
      this.#durations.set(target, series);
    }
    const seconds = milliseconds / 1000;
    series.count += 1;
    series.seconds += seconds;
    for (let index = 0; index < buckets.length; index += 1) {
      if (seconds <= (buckets[index] ?? 0)) series.buckets[index] = (series.buckets[index] ?? 0) + 1;
    }
  }

  render(): string {
    const lines = [
      '# HELP apiserver_request_total Counter of apiserver requests broken out for each verb, group, version, resource and HTTP response code.',
      '# TYPE apiserver_request_total counter',
    ];
    for (const [labels, value] of this.#totals) lines.push(`apiserver_request_total{${labels}} ${value}`);
    const name = 'apiserver_request_duration_seconds';
    lines.push(`# HELP ${name} Response latency distribution in seconds for each verb, group, version and resource.`);
    lines.push(`# TYPE ${name} histogram`);
    for (const series of this.#durations.values()) {
      for (const [index, bound] of buckets.entries()) {
        lines.push(`${name}_bucket{${series.labels},le="${bound}"} ${series.buckets[index]}`);
      }
      lines.push(`${name}_bucket{${series.labels},le="+Inf"} ${series.count}`);
      lines.push(`${name}_sum{${series.labels}} ${series.seconds}`);
      lines.push(`${name}_count{${series.labels}} ${series.count}`);
    }
    for (const gauge of this.#gauges) {
      lines.push(`# HELP ${gauge.name} ${gauge.help}`, `# TYPE ${gauge.name} ${gauge.type}`);
      for (const { labels, value } of gauge.samples()) {
        const text = Object.entries(labels).map(([key, label]) => `${key}=${JSON.stringify(label)}`);
        lines.push(`${gauge.name}${text.length === 0 ? '' : `{${text.join(',')}}`} ${value}`);
      }
    }
    return `${lines.join('\n')}\n`;
  }
}
