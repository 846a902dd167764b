import { matchesLabelSelector } from '../../kube/label-selector.ts';
import type { LabelSelector } from '../../kube/types.gen.ts';
import { type Family, formatAddress, parseAddress } from './address.ts';
import { type AddressRange, formatRange } from './address-range.ts';
import { capacityOf, isBuggy, isUsable, type Pool, poolOf } from './pool.ts';

/** What a Service asks for, as far as its addresses depend on it. */
export interface AddressRequest {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly namespaceLabels: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** spec.ipFamilies: the first is the one that a Service of one family gets. */
  readonly families: readonly Family[];
  readonly familyPolicy: 'SingleStack' | 'PreferDualStack' | 'RequireDualStack';
  /** `TCP/80`: Services that share an address have none in common. */
  readonly ports: readonly string[];
  /** loadBalancerIPs annotation or spec.loadBalancerIP. */
  readonly addresses: readonly string[];
  /** address-pool annotation. */
  readonly pool: string | undefined;
  /** allow-shared-ip annotation; empty: shares with nobody. */
  readonly sharingKey: string;
  /** Equal for Services whose traffic may arrive at the same nodes: the selector with externalTrafficPolicy Local, else empty. */
  readonly backendKey: string;
  /** What its status says now. */
  readonly current: readonly string[];
}

export type Allocation =
  | { readonly ok: true; readonly addresses: readonly string[]; readonly pool: string }
  | {
      readonly ok: false;
      readonly message: string;
      /** No pool is for the Service, and it asks for none. */
      readonly noPool?: boolean;
    };

/**
 * Gives each Service its addresses. Pure: who has addresses that are still right keeps them; then those get a second one
 * who may have one of each family; then the others get theirs, in the order given. So an address is never given twice, and
 * moves only when its Service or its pool ask for it.
 */
export function allocate(pools: readonly Pool[], requests: readonly AddressRequest[]): ReadonlyMap<string, Allocation> {
  const uses = new AddressUses();
  const allocations = new Map<string, Allocation>();
  const kept: [AddressRequest, Pool][] = [];
  const waiting: AddressRequest[] = [];
  for (const request of requests) {
    const pool = poolToStayIn(pools, request, uses);
    if (pool === undefined) waiting.push(request);
    else {
      uses.add(request, request.current);
      kept.push([request, pool]);
    }
  }
  for (const [request, pool] of kept) {
    const added = missingFamilies(pool, request)
      .map((family) => freeAddress(pool, family, request, uses))
      .filter((address) => address !== undefined);
    const addresses = [...request.current, ...added];
    if (request.familyPolicy === 'RequireDualStack' && addresses.length < 2) {
      uses.remove(request, request.current);
      waiting.push(request);
      continue;
    }
    uses.add(request, added);
    allocations.set(request.key, { ok: true, addresses, pool: pool.name });
  }
  for (const request of waiting) {
    const found = find(pools, request, uses);
    if (found.ok) uses.add(request, found.addresses);
    allocations.set(request.key, found);
  }
  return allocations;
}

/** The pool of the addresses that a Service has, when it may keep them all. */
function poolToStayIn(pools: readonly Pool[], request: AddressRequest, uses: AddressUses): Pool | undefined {
  const { current } = request;
  const [first = ''] = current;
  const pool = poolOf(pools, first);
  if (pool === undefined || !current.every((address) => poolOf(pools, address) === pool)) return undefined;
  if (request.addresses.length > 0 && !sameAddresses(request.addresses, current)) return undefined;
  if (request.pool !== undefined && request.pool !== pool.name) return undefined;
  if (request.addresses.length === 0 && request.pool === undefined && !admits(pool, request)) return undefined;
  if (!mayKeepFamilies(request)) return undefined;
  return current.every((address) => uses.obstacle(request, address) === undefined) ? pool : undefined;
}

function mayKeepFamilies(request: AddressRequest): boolean {
  const standing = request.current.map(familyOf);
  if (request.addresses.length > 0) return familiesFit(request, standing);
  if (request.familyPolicy === 'SingleStack') return standing.length === 1 && standing[0] === request.families[0];
  return standing.every((family) => request.families.includes(family));
}

function missingFamilies(pool: Pool, request: AddressRequest): readonly Family[] {
  if (request.addresses.length > 0) return [];
  const standing = request.current.map(familyOf);
  return wantedFamilies(pool, request).filter((family) => !standing.includes(family));
}

function familyOf(address: string): Family {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

function find(pools: readonly Pool[], request: AddressRequest, uses: AddressUses): Allocation {
  if (request.addresses.length > 0) return requested(pools, request, uses);
  if (request.pool !== undefined) {
    const pool = pools.find(({ name }) => name === request.pool);
    if (pool === undefined) return refused(`there is no address pool ${JSON.stringify(request.pool)}`);
    return fromPool(pool, request, uses) ?? refused(exhausted([pool], request));
  }
  const candidates = candidatesOf(pools, request);
  for (const pool of candidates) {
    const found = fromPool(pool, request, uses);
    if (found !== undefined) return found;
  }
  if (candidates.length > 0) return refused(exhausted(candidates, request));
  if (pools.length === 0) return { ok: false, message: 'there is no address pool', noPool: true };
  return {
    ok: false,
    noPool: true,
    message: `no address pool is for this Service by itself: ${pools.map(({ name }) => name).join(', ')} give addresses to those that ask, or to others`,
  };
}

// The addresses that the Service names, all of one pool, one a family.
function requested(pools: readonly Pool[], request: AddressRequest, uses: AddressUses): Allocation {
  const found: string[] = [];
  let from: Pool | undefined;
  for (const text of request.addresses) {
    const parsed = parseAddress(text);
    if (parsed === undefined) return refused(`the address ${JSON.stringify(text)} that it asks for is none`);
    const address = formatAddress(parsed.family, parsed.value);
    const pool = poolOf(pools, address);
    if (pool === undefined) return refused(outside(pools, address));
    if (request.pool !== undefined && pool.name !== request.pool) {
      return refused(
        `it asks for the address ${address} and the pool ${request.pool}, but ${address} is in the pool ${pool.name}`,
      );
    }
    if (from !== undefined && pool !== from) {
      return refused(`the addresses that it asks for are in different pools: ${from.name} and ${pool.name}`);
    }
    const obstacle = uses.obstacle(request, address);
    if (obstacle !== undefined) return refused(obstacle);
    from = pool;
    found.push(address);
  }
  if (from === undefined) return refused('it asks for no address');
  const families = found.map(familyOf);
  if (new Set(families).size < families.length) return refused('it asks for two addresses of one family');
  if (!familiesFit(request, families)) {
    return refused(`it asks for ${families.join(' and ')}, but its families are ${request.families.join(' and ')}`);
  }
  return { ok: true, addresses: found, pool: from.name };
}

// One address for each family that the Service gets here; undefined when one that it must have is missing.
function fromPool(pool: Pool, request: AddressRequest, uses: AddressUses): Allocation | undefined {
  const addresses = wantedFamilies(pool, request)
    .map((family) => freeAddress(pool, family, request, uses))
    .filter((address) => address !== undefined);
  const needed = request.familyPolicy === 'RequireDualStack' ? 2 : 1;
  return addresses.length < needed ? undefined : { ok: true, addresses, pool: pool.name };
}

function freeAddress(pool: Pool, family: Family, request: AddressRequest, uses: AddressUses): string | undefined {
  // One who may share comes to those who share with him, wherever a free address may be.
  const shared = uses.sharedBy(request).find((address) => {
    const parsed = parseAddress(address);
    return parsed?.family === family && isUsable(pool, family, parsed.value);
  });
  if (shared !== undefined) return shared;
  for (const range of pool.ranges) {
    if (range.family !== family) continue;
    const address = uses.firstFree(range, pool.avoidBuggyIPs);
    if (address !== undefined) return address;
  }
  return undefined;
}

/** The families that a Service gets from a pool: those that it wants and the pool has. */
function wantedFamilies(pool: Pool, { families, familyPolicy }: AddressRequest): readonly Family[] {
  const [first = 'IPv4'] = families;
  if (familyPolicy === 'SingleStack') return [first];
  const all: readonly Family[] = families.length > 1 ? families : [first];
  return familyPolicy === 'RequireDualStack' ? all : all.filter((family) => capacityOf(pool, family) > 0n);
}

function familiesFit({ families, familyPolicy }: AddressRequest, found: readonly Family[]): boolean {
  if (!found.every((family) => families.includes(family))) return false;
  if (familyPolicy === 'RequireDualStack') return found.length === 2;
  return familyPolicy === 'PreferDualStack' || found.length === 1;
}

/** Pools for this Service: those that are meant for it by priority, then those for everybody. */
function candidatesOf(pools: readonly Pool[], request: AddressRequest): readonly Pool[] {
  const able = pools.filter((pool) => pool.autoAssign && admits(pool, request));
  const rank = ({ allocateTo }: Pool) => allocateTo?.priority || Number.MAX_SAFE_INTEGER;
  const meant = able.filter(({ allocateTo }) => allocateTo !== undefined).sort((a, b) => rank(a) - rank(b));
  return [...meant, ...able.filter(({ allocateTo }) => allocateTo === undefined)];
}

function admits({ allocateTo }: Pool, request: AddressRequest): boolean {
  if (allocateTo === undefined) return true;
  const { namespaces, namespaceSelectors, serviceSelectors } = allocateTo;
  const namesNamespaces = namespaces.length > 0 || namespaceSelectors.length > 0;
  const isInNamespace =
    namespaces.includes(request.namespace) || matchesAny(namespaceSelectors, request.namespaceLabels);
  if (namesNamespaces && !isInNamespace) return false;
  return serviceSelectors.length === 0 || matchesAny(serviceSelectors, request.labels);
}

function matchesAny(selectors: readonly LabelSelector[], labels: Readonly<Record<string, string>>): boolean {
  return selectors.some((selector) => matchesLabelSelector(selector, labels));
}

function sameAddresses(requested: readonly string[], current: readonly string[]): boolean {
  const normal = (text: string) => {
    const parsed = parseAddress(text);
    return parsed === undefined ? text : formatAddress(parsed.family, parsed.value);
  };
  const wanted = requested.map(normal).sort();
  const standing = current.map(normal).sort();
  return wanted.length === standing.length && wanted.every((address, index) => address === standing[index]);
}

function refused(message: string): Allocation {
  return { ok: false, message };
}

function exhausted(pools: readonly Pool[], request: AddressRequest): string {
  const needed = request.familyPolicy === 'RequireDualStack' ? request.families : request.families.slice(0, 1);
  const missing = needed.filter((family) => pools.every((pool) => capacityOf(pool, family) === 0n));
  const names = pools.map((pool) => `${pool.name} (${describe(pool)})`).join(', ');
  if (missing.length > 0) return `no ${missing.join(' and no ')} address is in ${names}`;
  return `no address is free in ${names}`;
}

function outside(pools: readonly Pool[], address: string): string {
  if (pools.length === 0) return `the address ${address} that it asks for is in no pool: there is none`;
  const names = pools.map((pool) => `${pool.name} has ${describe(pool)}`).join('; ');
  return `the address ${address} that it asks for is in no pool: ${names}`;
}

function describe(pool: Pool): string {
  return pool.ranges.length === 0 ? 'no valid range' : pool.ranges.map(formatRange).join(', ');
}

interface Use {
  readonly key: string;
  readonly sharingKey: string;
  readonly backendKey: string;
  readonly ports: ReadonlySet<string>;
}

/** Who has which address. */
class AddressUses {
  readonly #uses = new Map<string, Use[]>();
  readonly #bySharingKey = new Map<string, Set<string>>();
  readonly #searched = new Map<AddressRange, bigint>();

  /** The first address of a range that nobody has. */
  firstFree(range: AddressRange, avoidBuggyIPs: boolean): string | undefined {
    // What was found taken once is not looked at again: little of it comes free while addresses are given.
    for (let value = this.#searched.get(range) ?? range.first; value <= range.last; value += 1n) {
      this.#searched.set(range, value);
      if (avoidBuggyIPs && isBuggy(range.family, value)) continue;
      const address = formatAddress(range.family, value);
      if (!this.#uses.has(address)) return address;
    }
    this.#searched.set(range, range.last + 1n);
    return undefined;
  }

  add({ key, sharingKey, backendKey, ports }: AddressRequest, addresses: readonly string[]): void {
    for (const address of addresses) {
      const uses = this.#uses.get(address) ?? [];
      uses.push({ key, sharingKey, backendKey, ports: new Set(ports) });
      this.#uses.set(address, uses);
      if (sharingKey === '') continue;
      const shared = this.#bySharingKey.get(sharingKey) ?? new Set();
      this.#bySharingKey.set(sharingKey, shared.add(address));
    }
  }

  remove({ key }: AddressRequest, addresses: readonly string[]): void {
    for (const address of addresses) {
      const left = (this.#uses.get(address) ?? []).filter((use) => use.key !== key);
      if (left.length === 0) this.#uses.delete(address);
      else this.#uses.set(address, left);
    }
  }

  /** Addresses in use that this Service may use too. */
  sharedBy(request: AddressRequest): readonly string[] {
    const addresses = request.sharingKey === '' ? [] : [...(this.#bySharingKey.get(request.sharingKey) ?? [])];
    return addresses.filter((address) => this.#uses.has(address) && this.obstacle(request, address) === undefined);
  }

  /** Why a Service can't have an address; undefined when it can. */
  obstacle(request: AddressRequest, address: string): string | undefined {
    for (const use of this.#uses.get(address) ?? []) {
      if (use.key === request.key) continue;
      if (request.sharingKey === '' || use.sharingKey !== request.sharingKey) {
        return `the address ${address} belongs to the Service ${use.key}, and the two have no allow-shared-ip key in common`;
      }
      const port = request.ports.find((one) => use.ports.has(one));
      if (port !== undefined) return `the Service ${use.key} has the port ${port} of the shared address ${address}`;
      if (use.backendKey !== request.backendKey) {
        return `the Service ${use.key}, which has the address ${address}, has another externalTrafficPolicy or, with Local, other pods`;
      }
    }
    return undefined;
  }
}
