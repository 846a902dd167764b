import { isObject } from '../../core/json.ts';
import { CommandError, run } from '../process/run.ts';
import {
  type ForwardingEntry,
  type Neighbour,
  type ObservedLink,
  type ObservedState,
  type Route,
  routeProtocol,
} from './model.ts';

type JsonRecord = Readonly<Record<string, unknown>>;

/** Reads what the kernel has: all links, our routes, and the permanent entries of `devices`. */
export async function observeNetwork(devices: ReadonlySet<string>): Promise<ObservedState> {
  const protocol = String(routeProtocol);
  const [links, routes4, routes6, neighbours, forwarding] = await Promise.all([
    observeLinks(),
    readJson('ip', ['-j', '-4', 'route', 'show', 'table', 'main', 'proto', protocol]),
    readJson('ip', ['-j', '-6', 'route', 'show', 'table', 'main', 'proto', protocol]),
    readJson('ip', ['-j', 'neighbour', 'show', 'nud', 'permanent']),
    readJson('bridge', ['-j', 'fdb', 'show']),
  ]);
  return {
    links,
    routes: [...routes4, ...routes6].map(parseRoute),
    neighbours: neighbours.map(parseNeighbour).filter(({ device }) => devices.has(device)),
    forwarding: forwarding.flatMap(parseForwarding).filter(({ device }) => devices.has(device)),
  };
}

/** All interfaces of this network namespace with their addresses, by name. */
export async function observeLinks(): Promise<ReadonlyMap<string, ObservedLink>> {
  const [links, addresses] = await Promise.all([
    readJson('ip', ['-j', '-d', 'link', 'show']),
    readJson('ip', ['-j', 'address', 'show']),
  ]);
  const addressesOf = new Map(addresses.map((link) => [text(link, 'ifname'), parseAddresses(link)]));
  const found = links.map((link) => parseLink(link, addressesOf.get(text(link, 'ifname')) ?? []));
  return new Map(found.map((link) => [link.name, link]));
}

/** Which of some addresses are on a link of this machine, so that packets need no gateway to get there. */
export async function directlyReachable(addresses: readonly string[]): Promise<ReadonlySet<string>> {
  if (addresses.length === 0) return new Set();
  // An address that no route leads to makes its line fail; the others are answered all the same.
  const input = addresses.map((address) => `route get ${address}\n`).join('');
  const stdout = await run('ip', ['-j', '-force', '-batch', '-'], { input }).then(
    (result) => result.stdout,
    (thrown: unknown) => {
      if (thrown instanceof CommandError && thrown.exitCode !== null) return thrown.stdout;
      throw thrown;
    },
  );
  const answers = stdout
    .split('\n')
    .filter((line) => line.startsWith('['))
    .flatMap((line) => records(JSON.parse(line)));
  return new Set(
    answers
      .filter((route) => route['gateway'] === undefined && route['via'] === undefined)
      .map((route) => text(route, 'dst')),
  );
}

async function readJson(command: string, args: readonly string[]): Promise<readonly JsonRecord[]> {
  const { stdout } = await run(command, args);
  return stdout.trim() === '' ? [] : records(JSON.parse(stdout));
}

// iproute2 prints an empty object for what a filter left out.
function records(value: unknown): readonly JsonRecord[] {
  return Array.isArray(value) ? value.filter(isObject).filter((item) => Object.keys(item).length > 0) : [];
}

function text(record: JsonRecord, name: string): string {
  const value = record[name];
  return typeof value === 'string' ? value : '';
}

function number(record: JsonRecord, name: string): number {
  const value = record[name];
  return typeof value === 'number' ? value : 0;
}

function flags(record: JsonRecord): readonly unknown[] {
  return Array.isArray(record['flags']) ? record['flags'] : [];
}

function parseAddresses(link: JsonRecord): readonly string[] {
  return records(link['addr_info'])
    .filter((address) => text(address, 'scope') !== 'link')
    .map((address) => `${text(address, 'local')}/${number(address, 'prefixlen')}`);
}

/** One element of `ip -j -d link show`. */
export function parseLink(link: JsonRecord, addresses: readonly string[]): ObservedLink {
  const info = isObject(link['linkinfo']) ? link['linkinfo'] : {};
  const data = isObject(info['info_data']) ? info['info_data'] : {};
  const kind = text(info, 'info_kind');
  return {
    name: text(link, 'ifname'),
    mtu: number(link, 'mtu'),
    mac: text(link, 'address'),
    isUp: flags(link).includes('UP'),
    kind,
    alias: text(link, 'ifalias'),
    addresses,
    ...(kind !== 'vxlan'
      ? {}
      : {
          vxlan: {
            id: number(data, 'id'),
            port: number(data, 'port'),
            local: text(data, 'local') || text(data, 'local6'),
            underlay: text(data, 'link'),
            learning: data['learning'] !== false,
            gbp: data['gbp'] === true,
          },
        }),
  };
}

/** One element of `ip -j route show`. */
export function parseRoute(route: JsonRecord): Route {
  const destination = text(route, 'dst');
  const isIPv6 = destination.includes(':');
  const bare = destination.includes('/') || destination === 'default';
  const via = text(route, 'gateway');
  return {
    type: route['type'] === 'unreachable' ? 'unreachable' : 'unicast',
    destination: bare ? destination : `${destination}/${isIPv6 ? 128 : 32}`,
    ...(via === '' ? {} : { via }),
    // IPv6 hangs routes that lead nowhere on the loopback interface.
    ...(text(route, 'dev') === '' || route['type'] === 'unreachable' ? {} : { device: text(route, 'dev') }),
    ...(flags(route).includes('onlink') ? { onlink: true } : {}),
    ...(typeof route['metric'] === 'number' ? { metric: route['metric'] } : {}),
  };
}

function parseNeighbour(entry: JsonRecord): Neighbour {
  return { device: text(entry, 'dev'), address: text(entry, 'dst'), mac: text(entry, 'lladdr') };
}

function parseForwarding(entry: JsonRecord): readonly ForwardingEntry[] {
  const destination = text(entry, 'dst');
  if (destination === '' || !/permanent/.test(text(entry, 'state'))) return [];
  return [{ device: text(entry, 'ifname'), mac: text(entry, 'mac'), destination }];
}
