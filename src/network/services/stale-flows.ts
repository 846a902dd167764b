import type { Flow } from '../../engines/conntrack/conntrack.ts';
import type { HostPortRule } from '../../engines/nftables/service-rules.ts';
import type { PlannedPort } from './plan.ts';

/** Where UDP packets for a Service or a host port arrive, and who may answer. */
export interface UdpFront {
  /** Absent: any address of the node. */
  readonly address: string | undefined;
  readonly port: number;
  /** `address port` of each endpoint that still serves. */
  readonly serving: ReadonlySet<string>;
}

export function frontsOfPort(rule: PlannedPort): readonly UdpFront[] {
  if (rule.protocol !== 'udp') return [];
  const serving = new Set(rule.serving.map((e) => `${e.address} ${e.port}`));
  const addresses = [...(rule.clusterIp === undefined ? [] : [rule.clusterIp]), ...rule.externalIps];
  return [
    ...addresses.map((address) => ({ address, port: rule.port, serving })),
    ...(rule.nodePort === undefined ? [] : [{ address: undefined, port: rule.nodePort, serving }]),
  ];
}

export function frontsOfHostPorts(ports: readonly HostPortRule[]): readonly UdpFront[] {
  return ports
    .filter(({ protocol }) => protocol === 'udp')
    .map((p) => ({ address: p.hostIp, port: p.hostPort, serving: new Set([`${p.address} ${p.port}`]) }));
}

/**
 * The fronts of one address family. UDP knows no end of a connection: the kernel would send a client that goes on
 * to an endpoint that is gone for as long as it sends. What this finds stale must be forgotten.
 */
export class UdpFronts {
  readonly #byOwner = new Map<string, readonly UdpFront[]>();
  readonly #fronts = new Map<string, UdpFront>();
  /** Fronts that are gone, until their flows are looked through. */
  readonly #gone = new Map<string, UdpFront>();
  #isChanged = false;

  /** Something changed since the last `take`. */
  get isChanged(): boolean {
    return this.#isChanged;
  }

  set(owner: string, fronts: readonly UdpFront[]): void {
    const former = this.#byOwner.get(owner) ?? [];
    if (former.length === 0 && fronts.length === 0) return;
    if (!isSame(former, fronts)) this.#isChanged = true;
    for (const front of former) {
      this.#fronts.delete(keyOf(front.address, front.port));
      this.#gone.set(keyOf(front.address, front.port), { ...front, serving: new Set() });
    }
    for (const front of fronts) {
      this.#fronts.set(keyOf(front.address, front.port), front);
      this.#gone.delete(keyOf(front.address, front.port));
    }
    if (fronts.length === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, fronts);
  }

  /** Begins a look through the flows: what changes from now on needs another one. */
  take(): { stale(flows: readonly Flow[], nodeAddresses: ReadonlySet<string>): readonly Flow[] } {
    const gone = new Map(this.#gone);
    this.#gone.clear();
    this.#isChanged = false;
    return {
      stale: (flows, nodeAddresses) => flows.filter((flow) => this.#isStale(flow, gone, nodeAddresses)),
    };
  }

  #isStale(flow: Flow, gone: ReadonlyMap<string, UdpFront>, nodeAddresses: ReadonlySet<string>): boolean {
    const { destination, destinationPort: port, answering, answeringPort } = flow;
    const isRewritten = destination !== answering || port !== answeringPort;
    const at = (key: string) => this.#fronts.get(key) ?? gone.get(key);
    const byAddress = at(keyOf(destination, port));
    // A node port is meant by any address of the node; unless it was rewritten, only those known show that.
    const front = byAddress ?? (isRewritten || nodeAddresses.has(destination) ? at(keyOf(undefined, port)) : undefined);
    if (front === undefined) return false;
    if (!isRewritten) return front.serving.size > 0;
    return !front.serving.has(`${answering} ${answeringPort}`);
  }
}

function keyOf(address: string | undefined, port: number): string {
  return `${address ?? '*'} ${port}`;
}

function isSame(a: readonly UdpFront[], b: readonly UdpFront[]): boolean {
  const text = (fronts: readonly UdpFront[]) =>
    JSON.stringify(fronts.map(({ address, port, serving }) => [address, port, [...serving]]));
  return text(a) === text(b);
}
