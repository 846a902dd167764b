/** Question types that are counted by their own name; the others together, so that clients can't make series without end. */
const knownTypes = new Set(['A', 'AAAA', 'CNAME', 'HTTPS', 'MX', 'NS', 'PTR', 'SOA', 'SRV', 'SVCB', 'TXT']);
/** RFC 1035 4.1.1 and RFC 2136 2.2. */
const rcodeNames = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

export interface DnsSample<L extends string> {
  readonly labels: Readonly<Record<L, string>>;
  readonly value: number;
}

/** Counts questions by zone, protocol and type, and answers by zone and code; `.` is the zone of what is passed on. */
export class DnsCounts {
  readonly #requests = new Map<string, { labels: Record<'zone' | 'proto' | 'type', string>; value: number }>();
  readonly #responses = new Map<string, { labels: Record<'zone' | 'rcode', string>; value: number }>();

  request(zone: string, proto: 'udp' | 'tcp', type: string): void {
    const known = knownTypes.has(type) ? type : 'other';
    const key = `${zone} ${proto} ${known}`;
    const sample = this.#requests.get(key) ?? { labels: { zone, proto, type: known }, value: 0 };
    sample.value++;
    this.#requests.set(key, sample);
  }

  /** `code` is the answer's RCODE. */
  response(zone: string, code: number): void {
    const rcode = rcodeNames[code] ?? 'other';
    const key = `${zone} ${rcode}`;
    const sample = this.#responses.get(key) ?? { labels: { zone, rcode }, value: 0 };
    sample.value++;
    this.#responses.set(key, sample);
  }

  get requests(): Iterable<DnsSample<'zone' | 'proto' | 'type'>> {
    return this.#requests.values();
  }

  get responses(): Iterable<DnsSample<'zone' | 'rcode'>> {
    return this.#responses.values();
  }
}
