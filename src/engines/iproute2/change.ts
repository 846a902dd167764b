import {
  type Device,
  deviceAlias,
  type ForwardingEntry,
  type Neighbour,
  type NetworkState,
  type ObservedLink,
  type ObservedState,
  type Route,
  routeProtocol,
  type VxlanDevice,
} from './model.ts';

/** Lines for `ip -batch` and `bridge -batch` that lead from what is to what shall be, in the order in which they are carried out. */
export interface NetworkChange {
  /** Devices: removed, made, and given their attributes. */
  readonly devices: readonly string[];
  readonly forwarding: readonly string[];
  /** Neighbours and routes. */
  readonly entries: readonly string[];
}

/** The difference; all its parts are empty when there is none. Devices and routes without our mark are left alone. Pure. */
export function compileChange(desired: NetworkState, observed: ObservedState): NetworkChange {
  const renewed = new Set(
    desired.devices
      .filter((device) => isOther(device, observed.links.get(device.name)))
      .filter(({ name }) => observed.links.has(name))
      .map(({ name }) => name),
  );
  const kept = <T extends { readonly device?: string }>(items: readonly T[]) =>
    items.filter(({ device }) => device === undefined || !renewed.has(device));
  return {
    devices: [...staleDevices(desired, observed), ...desired.devices.flatMap((d) => deviceLines(d, observed, renewed))],
    forwarding: forwardingLines(desired.forwarding, kept(observed.forwarding)),
    entries: [
      ...neighbourLines(desired.neighbours, kept(observed.neighbours)),
      ...routeLines(desired.routes, kept(observed.routes)),
    ],
  };
}

export function isEmptyChange({ devices, forwarding, entries }: NetworkChange): boolean {
  return devices.length + forwarding.length + entries.length === 0;
}

/** Whether a device must be made anew: what stands under its name has attributes that can't be changed. Pure. */
export function isOther(device: Device, link: ObservedLink | undefined): boolean {
  if (link === undefined) return true;
  // The same tunnel runs in the kernel or in a program behind a TUN device.
  if (device.kind !== 'vxlan')
    return link.kind !== 'tun' && link.kind !== (device.kind === 'ipsec' ? 'xfrm' : 'wireguard');
  const { vxlan } = link;
  return (
    vxlan === undefined ||
    vxlan.id !== device.id ||
    vxlan.port !== device.port ||
    vxlan.local !== device.local ||
    vxlan.underlay !== device.underlay ||
    vxlan.gbp !== device.gbp ||
    vxlan.learning
  );
}

function staleDevices({ devices }: NetworkState, { links }: ObservedState): readonly string[] {
  const wanted = new Set(devices.map(({ name }) => name));
  return [...links.values()]
    .filter(({ name, alias }) => alias === deviceAlias && !wanted.has(name))
    .map(({ name }) => `link delete dev ${name}`);
}

function deviceLines(device: Device, { links }: ObservedState, renewed: ReadonlySet<string>): readonly string[] {
  const { name } = device;
  const isNew = renewed.has(name) || !links.has(name);
  const link = isNew ? undefined : links.get(name);
  if (device.kind !== 'vxlan' && link === undefined) return []; // Its engine makes it.
  const lines = renewed.has(name) ? [`link delete dev ${name}`] : [];
  if (device.kind === 'vxlan') lines.push(...(link === undefined ? [addVxlan(device)] : changedMac(device, link)));
  if (link?.mtu !== device.mtu) lines.push(`link set dev ${name} mtu ${device.mtu}`);
  if (link?.alias !== deviceAlias) lines.push(`link set dev ${name} alias "${deviceAlias}"`);
  const standing = link?.addresses ?? [];
  for (const address of standing)
    if (!device.addresses.includes(address)) lines.push(`address delete ${address} dev ${name}`);
  for (const address of device.addresses) {
    if (!standing.includes(address))
      lines.push(`address add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`);
  }
  if (link?.isUp !== true) lines.push(`link set dev ${name} up`);
  return lines;
}

function addVxlan({ name, id, underlay, local, port, mac, gbp }: VxlanDevice): string {
  return `link add ${name} address ${mac} type vxlan id ${id} dev ${underlay} local ${local} dstport ${port} nolearning${gbp ? ' gbp' : ''}`;
}

function changedMac({ name, mac }: VxlanDevice, link: ObservedLink): readonly string[] {
  return link.mac === mac ? [] : [`link set dev ${name} address ${mac}`];
}

function forwardingLines(desired: readonly ForwardingEntry[], observed: readonly ForwardingEntry[]): readonly string[] {
  const line = (verb: string, { mac, device, destination }: ForwardingEntry) =>
    `fdb ${verb} ${mac} dev ${device} dst ${destination} self${verb === 'append' ? ' permanent' : ''}`;
  const { missing, surplus } = difference(desired, observed);
  return [...surplus.map((entry) => line('delete', entry)), ...missing.map((entry) => line('append', entry))];
}

function neighbourLines(desired: readonly Neighbour[], observed: readonly Neighbour[]): readonly string[] {
  const { missing, surplus } = difference(desired, observed);
  const key = ({ address, device }: Neighbour) => `${address} ${device}`;
  const replaced = new Set(missing.map(key));
  return [
    ...missing.map((n) => `neighbour replace ${n.address} lladdr ${n.mac} dev ${n.device} nud permanent`),
    ...surplus.filter((n) => !replaced.has(key(n))).map((n) => `neighbour delete ${n.address} dev ${n.device}`),
  ];
}

function routeLines(desired: readonly Route[], observed: readonly Route[]): readonly string[] {
  const standing = observed.map(withMetric);
  const { missing, surplus } = difference(desired.map(withMetric), standing);
  // One route stands under a destination and a metric: replacing it leaves no gap.
  const key = ({ destination, metric }: Route) => `${destination} ${metric}`;
  const ours = new Set(standing.map(key));
  const replaced = new Set(missing.map(key));
  return [
    ...missing.map((route) => routeLine(ours.has(key(route)) ? 'replace' : 'add', route)),
    ...surplus.filter((route) => !replaced.has(key(route))).map((route) => routeLine('delete', route)),
  ];
}

/** The metric that the kernel gives to a route without one. */
function withMetric(route: Route): Route {
  return { ...route, metric: route.metric ?? (route.destination.includes(':') ? 1024 : 0) };
}

function routeLine(
  verb: 'add' | 'replace' | 'delete',
  { type, destination, via, device, onlink, metric }: Route,
): string {
  return [
    'route',
    verb,
    ...(type === 'unicast' ? [] : [type]),
    destination,
    ...(via === undefined ? [] : ['via', via]),
    ...(device === undefined ? [] : ['dev', device]),
    `proto ${routeProtocol}`,
    ...(metric === undefined || metric === 0 ? [] : [`metric ${metric}`]),
    ...(onlink ? ['onlink'] : []),
  ].join(' ');
}

function difference<T extends object>(
  desired: readonly T[],
  observed: readonly T[],
): { readonly missing: readonly T[]; readonly surplus: readonly T[] } {
  const text = (item: T) =>
    JSON.stringify(
      Object.entries(item)
        .filter(([, value]) => value !== undefined && value !== false)
        .sort(),
    );
  const wanted = new Set(desired.map(text));
  const there = new Set(observed.map(text));
  return {
    missing: desired.filter((item) => !there.has(text(item))),
    surplus: observed.filter((item) => !wanted.has(text(item))),
  };
}
