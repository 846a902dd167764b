import { randomInt } from 'node:crypto';
import { toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { type FieldError, invalid as invalidField } from '../../kube/field-error.ts';
import { canonicalIp } from '../../kube/ip-text.ts';
import type { KubeObject } from '../../kube/object.ts';
import { ipaddresses, servicecidrs, services } from '../../kube/resources.gen.ts';
import { formatTime } from '../../kube/time.ts';
import type { IPAddress, Service, ServiceCIDR, ServiceSpec } from '../../kube/types.gen.ts';
import type { Entry } from '../cache/entry.ts';
import type { WatchHub } from '../cache/hub.ts';
import { invalid } from '../errors.ts';
import { type AddressRange, type IpFamily, parseAddress } from './address-range.ts';
import { newUid } from './create.ts';
import type { Finish, ObjectDraft, WriteHooks } from './registry.ts';
import { settleFamilies } from './service-families.ts';

export interface ServiceAllocation {
  readonly hub: WatchHub;
  /** The primary family's first. */
  readonly ranges: readonly AddressRange[];
  /** Both ends included. */
  readonly nodePorts: { readonly first: number; readonly last: number };
  readonly log: Log;
  now(): number;
}

type Spec = { -readonly [K in keyof ServiceSpec]: ServiceSpec[K] };

const familyLabel = 'ipaddress.kubernetes.io/ip-family';
const managedByLabel = 'ipaddress.kubernetes.io/managed-by';
const managedBy = 'ipallocator.k8s.io';

/**
 * Gives Services their cluster IPs and node ports. A cluster IP is taken by creating the IPAddress object of its name,
 * which only one can do (KEP-1880); ports are looked up among all Services, and kept while a write is under way.
 */
export class ServiceAllocator implements WriteHooks {
  readonly #options: ServiceAllocation;
  readonly #portsInFlight = new Set<number>();

  constructor(options: ServiceAllocation) {
    this.#options = options;
  }

  async create(object: ObjectDraft, dryRun: boolean): Promise<Finish | undefined> {
    const taken = new Taken(this, object, dryRun);
    return await this.#carefully(taken, async () => {
      const spec = specOf(object);
      if (spec === undefined) return;
      this.#settle(object, spec, undefined);
      await this.#allocateIps(taken, spec, []);
      this.#allocatePorts(taken, object, spec, new Set());
    });
  }

  async update(object: ObjectDraft, old: KubeObject, dryRun: boolean): Promise<Finish | undefined> {
    const taken = new Taken(this, object, dryRun);
    const oldSpec = specOf(old);
    return await this.#carefully(taken, async () => {
      const spec = specOf(object);
      if (spec === undefined) return;
      this.#settle(object, spec, oldSpec);
      const standing = ipsOf(oldSpec);
      await this.#allocateIps(taken, spec, standing);
      this.#allocatePorts(taken, object, spec, new Set(portsOf(oldSpec)));
      const kept = new Set(ipsOf(spec));
      taken.releaseOnCommit(standing.filter((ip) => !kept.has(ip)));
    });
  }

  async deleted(object: KubeObject): Promise<void> {
    for (const ip of ipsOf(specOf(object))) await this.releaseLater(object, ip);
  }

  /** Gives an address back; when that fails now, the next start's repair does it. */
  async releaseLater(owner: KubeObject, ip: string): Promise<void> {
    try {
      await this.release(owner, ip);
    } catch (thrown) {
      const { namespace, name } = owner.metadata;
      const error = toError(thrown);
      this.#options.log.warn('an address of a Service could not be given back', { ip, namespace, name, error });
    }
  }

  /** Gives an address back, unless it is somebody else's. */
  async release(owner: KubeObject, ip: string): Promise<void> {
    const { hub } = this.#options;
    const entry = hub.resource(ipaddresses).get('', nameOf(ip));
    if (entry === undefined) return;
    const parent = (entry.object as IPAddress).spec?.parentRef;
    if (parent?.name !== owner.metadata.name || parent?.namespace !== owner.metadata.namespace) return;
    await hub.remove(ipaddresses, '', entry.name, entry.revision);
  }

  releasePorts(ports: Iterable<number>): void {
    for (const port of ports) this.#portsInFlight.delete(port);
  }

  /** After a start: takes addresses that Services have without an object, and gives back those that nobody has. */
  async repair(): Promise<void> {
    const { hub } = this.#options;
    const wanted = new Map<string, KubeObject>();
    for (const { object } of hub.resource(services).all()) {
      for (const ip of ipsOf(specOf(object))) wanted.set(nameOf(ip), object);
    }
    for (const entry of [...hub.resource(ipaddresses).all()]) {
      const { metadata, spec } = entry.object as IPAddress;
      if (metadata.labels?.[managedByLabel] !== managedBy) continue;
      const owner = wanted.get(entry.name);
      const isOwners =
        owner?.metadata.name === spec?.parentRef?.name && owner?.metadata.namespace === spec?.parentRef?.namespace;
      if (owner !== undefined && isOwners) wanted.delete(entry.name);
      else await hub.remove(ipaddresses, '', entry.name, entry.revision);
    }
    for (const [ip, owner] of wanted) await this.#take(owner, ip);
  }

  /** Makes the ServiceCIDR `kubernetes`, which says where cluster IPs come from (KEP-1880). */
  async announce(): Promise<void> {
    const { hub, ranges } = this.#options;
    const name = 'kubernetes';
    const cidrs = ranges.map(({ cidr }) => cidr);
    const standing = hub.resource(servicecidrs).get('', name);
    if (standing !== undefined) {
      await this.#extend(standing, cidrs);
      return;
    }
    const now = formatTime(this.#options.now());
    const condition = {
      type: 'Ready',
      status: 'True',
      reason: '',
      message: 'Kubernetes Service CIDR is ready',
      lastTransitionTime: now,
    };
    const object: ServiceCIDR & KubeObject = {
      kind: servicecidrs.kind,
      apiVersion: 'networking.k8s.io/v1',
      metadata: { name, uid: newUid(), creationTimestamp: now },
      spec: { cidrs },
      status: { conditions: [condition] },
    };
    await hub.put(servicecidrs, '', name, 0, object);
  }

  /** A cluster that has got a second family says so; anything else that differs is told, for Services have such addresses. */
  async #extend(standing: Entry, cidrs: readonly string[]): Promise<void> {
    const { hub, log } = this.#options;
    const object = standing.object as ServiceCIDR & KubeObject;
    const before = object.spec?.cidrs ?? [];
    if (before.join() === cidrs.join()) return;
    if (before.length === 1 && before[0] === cidrs[0]) {
      const extended: ServiceCIDR & KubeObject = { ...object, spec: { cidrs } };
      await hub.put(servicecidrs, '', standing.name, standing.revision, extended);
      return;
    }
    log.warn('the ServiceCIDR kubernetes names other ranges than --service-cidr', { before, cidrs });
  }

  async #carefully(taken: Taken, allocate: () => Promise<void>): Promise<Finish> {
    try {
      await allocate();
      return taken;
    } catch (thrown) {
      taken.rollback();
      throw thrown;
    }
  }

  async #allocateIps(taken: Taken, spec: Spec, standing: readonly string[]): Promise<void> {
    if (spec.type === 'ExternalName' || spec.clusterIP === 'None') return;
    const given = spec.clusterIPs ?? (spec.clusterIP === undefined || spec.clusterIP === '' ? [] : [spec.clusterIP]);
    const ips: string[] = [];
    for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
      const wanted = given[index];
      // An address that stands is never exchanged: validation refuses that, in words of its own.
      const isSettled = wanted !== undefined && (standing.includes(wanted) || standing[index] !== undefined);
      if (isSettled && wanted !== '') ips.push(wanted);
      else if (wanted !== undefined && wanted !== '') ips.push(await this.#takeGiven(taken, spec, wanted));
      else ips.push(await this.#takeAny(taken, family as IpFamily));
    }
    if (ips.length === 0) return;
    const [first] = ips;
    if (first !== undefined) spec.clusterIP = first;
    spec.clusterIPs = ips;
  }

  async #takeGiven(taken: Taken, spec: Spec, ip: string): Promise<string> {
    const refuse = (why: string) =>
      invalid(services, taken.owner.metadata.name ?? '', [
        invalidField('spec.clusterIPs', spec.clusterIPs ?? [ip], `failed to allocate IP ${ip}: ${why}`),
      ]);
    const family = parseAddress(ip)?.family;
    const range = this.#options.ranges.find((one) => one.family === family);
    if (range === undefined || !range.has(ip)) {
      const valid = range?.cidr ?? this.#options.ranges[0]?.cidr ?? '';
      throw refuse(`the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${valid}`);
    }
    if (!(await this.#takeFor(taken, ip))) throw refuse('provided IP is already allocated');
    return ip;
  }

  async #takeAny(taken: Taken, family: IpFamily): Promise<string> {
    const range = this.#options.ranges.find((one) => one.family === family);
    // A dry run need not find a free one: it shows an address that no Service can have.
    if (taken.dryRun && range !== undefined) return range.network;
    const cache = this.#options.hub.resource(ipaddresses);
    for (const ip of range?.candidates() ?? []) {
      if (ip === range?.firstAddress || cache.get('', ip) !== undefined) continue;
      if (await this.#takeFor(taken, ip)) return ip;
    }
    throw invalid(services, taken.owner.metadata.name ?? '', [
      invalidField('spec.clusterIPs', [], 'failed to allocate a serviceIP: range is full'),
    ]);
  }

  async #takeFor(taken: Taken, ip: string): Promise<boolean> {
    if (taken.dryRun) return this.#options.hub.resource(ipaddresses).get('', nameOf(ip)) === undefined;
    if (!(await this.#take(taken.owner, ip))) return false;
    taken.ips.push(ip);
    return true;
  }

  async #take(owner: KubeObject, ip: string): Promise<boolean> {
    const { hub } = this.#options;
    const { namespace = '', name = '' } = owner.metadata;
    const object: IPAddress & KubeObject = {
      kind: ipaddresses.kind,
      apiVersion: 'networking.k8s.io/v1',
      metadata: {
        name: nameOf(ip),
        uid: newUid(),
        creationTimestamp: formatTime(this.#options.now()),
        labels: { [familyLabel]: parseAddress(ip)?.family ?? 'IPv4', [managedByLabel]: managedBy },
      },
      spec: { parentRef: { resource: 'services', namespace, name } },
    };
    return (await hub.put(ipaddresses, '', nameOf(ip), 0, object)).ok;
  }

  #settle(object: ObjectDraft, spec: Spec, old: Spec | undefined): void {
    const configured = this.#options.ranges.map((range) => range.family);
    const errors = settleFamilies(spec, old, configured);
    if (errors.length > 0) throw invalid(services, object.metadata.name ?? '', errors);
  }

  #allocatePorts(taken: Taken, object: ObjectDraft, spec: Spec, standing: ReadonlySet<number>): void {
    const errors: FieldError[] = [];
    const own = new Set(standing);
    const take = (port: number, field: string) => {
      // A dry run takes any port, as upstream's does.
      if (own.has(port) || taken.dryRun) return;
      const { first, last } = this.#options.nodePorts;
      if (port < first || port > last) {
        const why = `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
        errors.push(invalidField(field, port, why));
      } else if (this.#isTaken(port, object)) {
        errors.push(invalidField(field, port, 'provided port is already allocated'));
      } else {
        own.add(port);
        this.#portsInFlight.add(port);
        taken.ports.push(port);
      }
    };
    if (needsNodePort(spec)) {
      const ports = (spec.ports ?? []).map((port) => ({ ...port }));
      spec.ports = ports;
      for (const [index, port] of ports.entries()) {
        if (port.nodePort) take(port.nodePort, `spec.ports[${index}].nodePort`);
      }
      for (const port of ports) {
        if (port.nodePort) continue;
        // TCP and UDP of one port share a node port.
        const twin = ports.find(
          (other) => other !== port && other.port === port.port && other.nodePort && other.protocol !== port.protocol,
        );
        port.nodePort = twin?.nodePort ?? this.#freePort(taken, object, own);
      }
    }
    if (spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local') {
      if (spec.healthCheckNodePort) take(spec.healthCheckNodePort, 'spec.healthCheckNodePort');
      else spec.healthCheckNodePort = this.#freePort(taken, object, own);
    }
    if (errors.length > 0) throw invalid(services, object.metadata.name ?? '', errors);
  }

  #freePort(taken: Taken, object: ObjectDraft, own: Set<number>): number {
    const { first, last } = this.#options.nodePorts;
    // Likewise a port that no Service can have.
    if (taken.dryRun) {
      const port = last + 2 + taken.ports.length;
      taken.ports.push(port);
      return port;
    }
    const used = this.#portsOfOthers(object);
    const size = last - first + 1;
    const reserved = staticBand(size);
    const offset = randomInt(size - reserved);
    for (let step = 0; step < size; step += 1) {
      const position =
        step < size - reserved ? reserved + ((offset + step) % (size - reserved)) : step - (size - reserved);
      const port = first + position;
      if (own.has(port) || used.has(port) || this.#portsInFlight.has(port)) continue;
      own.add(port);
      if (!taken.dryRun) this.#portsInFlight.add(port);
      taken.ports.push(port);
      return port;
    }
    throw invalid(services, object.metadata.name ?? '', [
      invalidField('spec.ports', '', 'failed to allocate a nodePort: range is full'),
    ]);
  }

  #isTaken(port: number, object: ObjectDraft): boolean {
    return this.#portsInFlight.has(port) || this.#portsOfOthers(object).has(port);
  }

  #portsOfOthers(object: ObjectDraft): ReadonlySet<number> {
    const used = new Set<number>();
    const { namespace, name } = object.metadata;
    for (const entry of this.#options.hub.resource(services).all()) {
      if (entry.namespace === namespace && entry.name === name) continue;
      for (const port of portsOf(specOf(entry.object))) used.add(port);
    }
    return used;
  }
}

/** Ports at the lower end that are left to those who choose by hand, while there are others (KEP-3668). */
function staticBand(size: number): number {
  return size <= 16 ? 0 : Math.min(128, Math.max(16, Math.floor(size / 32)));
}

/** What one write has taken so far. */
class Taken implements Finish {
  readonly owner: KubeObject;
  readonly dryRun: boolean;
  readonly ips: string[] = [];
  readonly ports: number[] = [];
  readonly #allocator: ServiceAllocator;
  #toRelease: readonly string[] = [];

  constructor(allocator: ServiceAllocator, owner: ObjectDraft, dryRun: boolean) {
    this.#allocator = allocator;
    this.owner = owner;
    this.dryRun = dryRun;
  }

  releaseOnCommit(ips: readonly string[]): void {
    this.#toRelease = ips;
  }

  async commit(): Promise<void> {
    this.#allocator.releasePorts(this.ports);
    for (const ip of this.#toRelease) await this.#allocator.releaseLater(this.owner, ip);
  }

  rollback(): void {
    if (this.dryRun) return;
    this.#allocator.releasePorts(this.ports);
    for (const ip of this.ips.splice(0)) void this.#allocator.releaseLater(this.owner, ip);
  }
}

function specOf(object: KubeObject | ObjectDraft): Spec | undefined {
  return (object as Service).spec as Spec | undefined;
}

/** The name of an address' object: its canonical form. */
function nameOf(ip: string): string {
  return canonicalIp(ip)?.text ?? ip;
}

function ipsOf(spec: Spec | undefined): readonly string[] {
  if (spec === undefined || spec.clusterIP === 'None') return [];
  const ips = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  return ips.filter((ip) => ip !== '' && ip !== 'None');
}

function needsNodePort(spec: Spec): boolean {
  return spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
}

function portsOf(spec: Spec | undefined): readonly number[] {
  if (spec === undefined) return [];
  const ports = (spec.ports ?? []).map((port) => port.nodePort ?? 0);
  return [...ports, spec.healthCheckNodePort ?? 0].filter((port) => port !== 0);
}
