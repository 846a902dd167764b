import { types } from '../../wire/dns/constants.ts';
import { type Labels, lowerCase, parseName } from '../../wire/dns/name.ts';
import type { ResourceRecord } from '../../wire/dns/writer.ts';
import { addressOfReverseName, type Resolution } from './records.ts';
import { type Address, addressKey, parseAddress } from './zone-data.ts';

/** A line of hosts(5). */
export interface HostLine {
  readonly address: string;
  readonly names: readonly string[];
}

/** Lines that are no hosts are told, the others count. */
export function parseHosts(source: string): {
  readonly lines: readonly HostLine[];
  readonly malformed: readonly string[];
} {
  const lines: HostLine[] = [];
  const malformed: string[] = [];
  for (const raw of source.split('\n')) {
    const [address, ...names] = raw.replace(/#.*$/, '').trim().split(/\s+/);
    if (address === undefined || address === '') continue;
    if (parseAddress(address) === null || names.length === 0 || names.some((name) => parseName(name) === null))
      malformed.push(raw.trim());
    else lines.push({ address, names });
  }
  return { lines, malformed };
}

/** Names with fixed addresses, both ways. */
export class HostsTable {
  readonly #ttl: number;
  readonly #byName = new Map<string, Address[]>();
  readonly #byAddress = new Map<string, Labels[]>();

  constructor(lines: readonly HostLine[], ttl: number, reverse = true) {
    this.#ttl = ttl;
    for (const { address: text, names } of lines) {
      const address = parseAddress(text);
      if (address === null) continue;
      for (const name of names) {
        const labels = parseName(name);
        if (labels === null) continue;
        push(this.#byName, labels.map(lowerCase).join('.'), address);
        if (reverse) push(this.#byAddress, addressKey(address.bytes), labels);
      }
    }
  }

  get size(): number {
    return this.#byName.size;
  }

  /** Null: the name is not among them. */
  resolve(labels: Labels, type: number): Resolution | null {
    if (this.#byName.size === 0) return null;
    const addresses = this.#byName.get(labels.join('.'));
    if (addresses !== undefined) {
      const answers: ResourceRecord[] = [];
      for (const { bytes, isIpv6 } of addresses) {
        const own = isIpv6 ? types.AAAA : types.A;
        if (type === own || type === types.ANY) answers.push(this.#record(labels, own, { kind: 'bytes', bytes }));
      }
      return { exists: true, answers, additionals: [] };
    }
    if (type !== types.PTR || labels.at(-1) !== 'arpa') return null;
    const bytes = addressOfReverseName(labels);
    const targets = bytes === null ? undefined : this.#byAddress.get(addressKey(bytes));
    if (targets === undefined) return null;
    return {
      exists: true,
      answers: targets.map((target) => this.#record(labels, types.PTR, { kind: 'name', target })),
      additionals: [],
    };
  }

  #record(name: Labels, type: number, data: ResourceRecord['data']): ResourceRecord {
    return { name, type, ttl: this.#ttl, data };
  }
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
