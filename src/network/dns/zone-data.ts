import ipaddr from 'ipaddr.js';
import type { Labels } from '../../wire/dns/name.ts';
import type { ServiceRecords } from './service-records.ts';

/** An address in the bytes of its record. */
export interface Address {
  readonly bytes: Uint8Array;
  readonly isIpv6: boolean;
}

/** A Service as it is answered: what a question needs is ready to be written. */
export interface ServiceEntry {
  readonly records: ServiceRecords;
  readonly addresses: readonly Address[];
  /** Endpoints by hostname. */
  readonly hosts: ReadonlyMap<string, readonly HostEntry[]>;
  /** `NAME.NAMESPACE.svc.ZONE`. */
  readonly labels: Labels;
}

export interface HostEntry {
  readonly hostname: string;
  readonly isNamed: boolean;
  readonly address: Address;
  readonly key: string;
  readonly ports: ServiceRecords['ports'];
}

/** Null for what is no address. */
export function parseAddress(text: string): Address | null {
  const isIpv6 = text.includes(':');
  if (isIpv6 ? !ipaddr.IPv6.isValid(text) : !ipaddr.IPv4.isValidFourPartDecimal(text)) return null;
  return { bytes: Uint8Array.from(ipaddr.parse(text.replace(/%.*$/, '')).toByteArray()), isIpv6 };
}

/** Equal for equal addresses, however they were written. */
export function addressKey(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** The cluster's names in memory: Services by namespace and name, and by address. Changes count at once. */
export class ZoneData {
  readonly zone: Labels;
  readonly #namespaces = new Set<string>();
  readonly #services = new Map<string, Map<string, ServiceEntry>>();
  readonly #byAddress = new Map<string, Set<ServiceEntry>>();

  constructor(zone: Labels) {
    this.zone = zone;
  }

  service(namespace: string, name: string): ServiceEntry | undefined {
    return this.#services.get(namespace)?.get(name);
  }

  /** Services that have the address, or an endpoint with it. */
  withAddress(key: string): Iterable<ServiceEntry> {
    return this.#byAddress.get(key) ?? [];
  }

  hasNamespace(name: string): boolean {
    return this.#namespaces.has(name) || this.#services.has(name);
  }

  get serviceCount(): number {
    let count = 0;
    for (const services of this.#services.values()) count += services.size;
    return count;
  }

  setNamespace(name: string, exists: boolean): void {
    if (exists) this.#namespaces.add(name);
    else this.#namespaces.delete(name);
  }

  set(records: ServiceRecords): void {
    this.remove(records.namespace, records.name);
    const entry = entryOf(records, this.zone);
    const services = this.#services.get(records.namespace) ?? new Map<string, ServiceEntry>();
    services.set(records.name, entry);
    this.#services.set(records.namespace, services);
    for (const key of addressKeys(entry)) {
      const entries = this.#byAddress.get(key) ?? new Set<ServiceEntry>();
      entries.add(entry);
      this.#byAddress.set(key, entries);
    }
  }

  remove(namespace: string, name: string): void {
    const services = this.#services.get(namespace);
    const entry = services?.get(name);
    if (services === undefined || entry === undefined) return;
    services.delete(name);
    if (services.size === 0) this.#services.delete(namespace);
    for (const key of addressKeys(entry)) {
      const entries = this.#byAddress.get(key);
      entries?.delete(entry);
      if (entries?.size === 0) this.#byAddress.delete(key);
    }
  }
}

function entryOf(records: ServiceRecords, zone: Labels): ServiceEntry {
  const hosts = new Map<string, HostEntry[]>();
  for (const { hostname, isNamed, address: text, ports } of records.hosts) {
    const address = parseAddress(text);
    if (address === null) continue;
    const key = addressKey(address.bytes);
    const known = hosts.get(hostname) ?? [];
    // One that moves between slices, or has its ports in two, is in both for a while.
    const same = known.findIndex((host) => host.key === key);
    const all = same < 0 ? ports : [...new Set([...(known[same]?.ports ?? []), ...ports])];
    known.splice(same < 0 ? known.length : same, 1, { hostname, isNamed, address, key, ports: all });
    hosts.set(hostname, known);
  }
  const own = records.ips.map(parseAddress).filter((address) => address !== null);
  return {
    records,
    addresses: records.kind === 'Headless' ? distinctAddresses(hosts) : own,
    hosts,
    labels: [records.name, records.namespace, 'svc', ...zone],
  };
}

function distinctAddresses(hosts: ReadonlyMap<string, readonly HostEntry[]>): readonly Address[] {
  const byKey = new Map<string, Address>();
  for (const entries of hosts.values()) for (const { key, address } of entries) byKey.set(key, address);
  return [...byKey.values()];
}

function addressKeys(entry: ServiceEntry): Set<string> {
  const keys = new Set(entry.addresses.map(({ bytes }) => addressKey(bytes)));
  for (const hosts of entry.hosts.values()) for (const { key } of hosts) keys.add(key);
  return keys;
}
