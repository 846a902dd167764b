import { matchesLabelSelector } from '../kube/label-selector.ts';
import type { KubeObject } from '../kube/object.ts';
import type { LabelSelector } from '../kube/types.gen.ts';
import { type BgpConfiguration, bgpConfiguration } from './bgp/configuration.ts';
import { metallbNamespace } from './metallb/kinds.ts';
import type {
  AdvertisementSpec,
  BFDProfile,
  BGPAdvertisement,
  BGPPeer,
  Community,
  IPAddressPool,
  L2Advertisement,
} from './metallb/types.ts';
import { type AddressRange, formatRange, parseAddressRange, rangesOverlap } from './pools/address-range.ts';
import type { Pool } from './pools/pool.ts';

/** The objects that make up the configuration, of all namespaces, and those that an older ConfigMap stands for. */
export interface ConfigurationInput {
  readonly pools: readonly IPAddressPool[];
  readonly l2Advertisements: readonly L2Advertisement[];
  readonly bgpAdvertisements: readonly BGPAdvertisement[];
  readonly bgpPeers: readonly BGPPeer[];
  readonly bfdProfiles: readonly BFDProfile[];
  readonly communities: readonly Community[];
}

/** Something of an object that is left out, and why. All else of it stays in force. */
export interface Problem {
  readonly object: KubeObject;
  /** E.g. `spec.addresses[1]`. */
  readonly field: string;
  readonly message: string;
}

/** Nodes that an advertisement is made from, and the pools that it is of. */
export interface Scope {
  readonly pools: ReadonlySet<string>;
  /** Empty: all nodes. */
  readonly nodeSelectors: readonly LabelSelector[];
}

export interface Layer2Advertisement extends Scope {
  readonly name: string;
  /** Empty: all interfaces. */
  readonly interfaces: readonly string[];
}

/** The valid whole: what is in force. */
export interface Configuration {
  readonly pools: readonly Pool[];
  readonly layer2: readonly Layer2Advertisement[];
  readonly bgp: BgpConfiguration;
  readonly problems: readonly Problem[];
}

/** Collects what is wrong with objects. */
export type Report = (object: KubeObject, field: string, message: string) => void;

/**
 * Reads the configuration whole. Nothing throws: an item that is malformed, overlaps an older one, or points to nothing is
 * left out and told by name, and all else is in force (DESIGN, idea 3). Objects count in the order in which they were made.
 */
export function configurationOf(input: ConfigurationInput): Configuration {
  const problems: Problem[] = [];
  const report: Report = (object, field, message) => problems.push({ object, field, message });
  const counted = <T extends KubeObject>(objects: readonly T[]) => inNamespace(objects, report);
  const pools = poolsOf(counted(input.pools), report);
  const layer2 = counted(input.l2Advertisements).map(
    (advertisement): Layer2Advertisement => ({
      ...scopeOf(advertisement, advertisement.spec ?? {}, pools, report),
      name: advertisement.metadata.name ?? '',
      interfaces: advertisement.spec?.interfaces ?? [],
    }),
  );
  const bgp = bgpConfiguration(
    {
      advertisements: counted(input.bgpAdvertisements),
      peers: counted(input.bgpPeers),
      bfdProfiles: counted(input.bfdProfiles),
      communities: counted(input.communities),
      scopeOf: (advertisement) => scopeOf(advertisement, advertisement.spec ?? {}, pools, report),
      pools,
    },
    report,
  );
  return { pools, layer2, bgp, problems };
}

// Who may write elsewhere does not get to decide over the network of all.
function inNamespace<T extends KubeObject>(objects: readonly T[], report: Report): readonly T[] {
  const counted: T[] = [];
  for (const object of objects) {
    if (object.metadata.namespace === metallbNamespace) counted.push(object);
    else report(object, 'metadata.namespace', `only objects in the namespace ${metallbNamespace} count`);
  }
  return counted.sort(byAge);
}

function byAge(a: KubeObject, b: KubeObject): number {
  const text = ({ metadata }: KubeObject) => `${metadata.creationTimestamp ?? ''} ${metadata.name ?? ''}`;
  return text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0;
}

function poolsOf(objects: readonly IPAddressPool[], report: Report): readonly Pool[] {
  const taken: { readonly pool: string; readonly range: AddressRange }[] = [];
  const names = new Set<string>();
  const pools: Pool[] = [];
  for (const object of objects) {
    const name = object.metadata.name ?? '';
    // Only a ConfigMap's pool can have the name of another.
    if (names.has(name)) {
      report(object, 'metadata.name', `there is another pool ${JSON.stringify(name)}`);
      continue;
    }
    names.add(name);
    const ranges: AddressRange[] = [];
    for (const [index, text] of object.spec.addresses.entries()) {
      const range = parseAddressRange(text);
      const field = `spec.addresses[${index}]`;
      if (typeof range === 'string') {
        report(object, field, range);
        continue;
      }
      const other = taken.find((one) => rangesOverlap(one.range, range));
      if (other !== undefined) {
        const where = other.pool === name ? 'the same pool' : `the pool ${other.pool}`;
        report(object, field, `${range.text} overlaps ${formatRange(other.range)} of ${where}`);
        continue;
      }
      taken.push({ pool: name, range });
      ranges.push(range);
    }
    const { autoAssign = true, avoidBuggyIPs = false, serviceAllocation } = object.spec;
    pools.push({
      ...{ name, labels: object.metadata.labels ?? {}, ranges, autoAssign, avoidBuggyIPs },
      allocateTo: serviceAllocation && {
        priority: serviceAllocation.priority ?? 0,
        namespaces: serviceAllocation.namespaces ?? [],
        namespaceSelectors: serviceAllocation.namespaceSelectors ?? [],
        serviceSelectors: serviceAllocation.serviceSelectors ?? [],
      },
    });
  }
  return pools;
}

// No pool named and none selected: all of them.
function scopeOf(object: KubeObject, spec: AdvertisementSpec, pools: readonly Pool[], report: Report): Scope {
  const { ipAddressPools = [], ipAddressPoolSelectors = [], nodeSelectors = [] } = spec;
  for (const [index, name] of ipAddressPools.entries()) {
    if (!pools.some((pool) => pool.name === name)) {
      report(object, `spec.ipAddressPools[${index}]`, `there is no pool ${JSON.stringify(name)}`);
    }
  }
  const isChoosy = ipAddressPools.length > 0 || ipAddressPoolSelectors.length > 0;
  const chosen = pools.filter(
    (pool) =>
      !isChoosy ||
      ipAddressPools.includes(pool.name) ||
      ipAddressPoolSelectors.some((selector) => matchesLabelSelector(selector, pool.labels)),
  );
  return { pools: new Set(chosen.map(({ name }) => name)), nodeSelectors };
}
