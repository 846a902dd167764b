import { readFileSync } from 'node:fs';
import os from 'node:os';
import { errorCode } from '../core/errors.ts';
import { familyOf, type IpFamily } from './address-ranges.ts';

/** What the defaults of options are taken from. */
export interface Machine {
  readonly hostname: string;
  /** Addresses by which others may reach it, the likeliest first: those of the default route's interface lead. */
  readonly addresses: readonly MachineAddress[];
}

export interface MachineAddress {
  readonly address: string;
  readonly interface: string;
  /** The network that it lies in, 192.168.1.10/24. */
  readonly cidr: string;
}

/** Interfaces that container engines and pod networks make. */
const virtual = /^(cni|veth|docker|podman|virbr|br-|flannel|cali|tunl|kube|wherry|wg-)/;

/** Looks at the network interfaces of this machine. */
export function observeMachine(): Machine {
  const found = Object.entries(os.networkInterfaces()).flatMap(([name, entries]) =>
    (entries ?? [])
      .filter(({ internal, address }) => !internal && !virtual.test(name) && !/^fe80:/i.test(address))
      .map(({ address, cidr, netmask, family }) => ({
        address,
        interface: name,
        cidr: cidr ?? `${address}/${family === 'IPv4' ? prefixOfMask(netmask) : 128}`,
      })),
  );
  const leaving = defaultInterfaces();
  const isFirst = ({ address, interface: name }: MachineAddress) => leaving[familyOf(address)] === name;
  return { hostname: os.hostname(), addresses: [...found.filter(isFirst), ...found.filter((one) => !isFirst(one))] };
}

/** The first address of a family; loopback only where there is no other of IPv4. */
export function addressOf(machine: Machine, family: IpFamily): string | undefined {
  const found = machine.addresses.find(({ address }) => familyOf(address) === family)?.address;
  return found ?? (family === 'IPv4' ? '127.0.0.1' : undefined);
}

function defaultInterfaces(): Readonly<Record<IpFamily, string | undefined>> {
  return {
    IPv4: defaultInterface4(readTable('/proc/net/route')),
    IPv6: defaultInterface6(readTable('/proc/net/ipv6_route')),
  };
}

/** The interface of the default route with the least metric in the text of /proc/net/route. Pure. */
export function defaultInterface4(table: string): string | undefined {
  // Interface, destination, gateway, flags, reference count, use, metric, mask.
  return least(
    lines(table).flatMap((fields) => {
      const [name = '', destination, , , , , metric = '', mask] = fields;
      return destination === '00000000' && mask === '00000000' ? [{ name, metric: Number(metric) }] : [];
    }),
  );
}

/** The same for the text of /proc/net/ipv6_route. Pure. */
export function defaultInterface6(table: string): string | undefined {
  // Destination, its prefix, source, its prefix, next hop, metric, reference count, use, flags, interface.
  return least(
    lines(table).flatMap((fields) => {
      const [destination = '', prefix, , , , metric = '', , , , name = ''] = fields;
      return /^0{32}$/.test(destination) && prefix === '00' && name !== 'lo'
        ? [{ name, metric: Number.parseInt(metric, 16) }]
        : [];
    }),
  );
}

function least(routes: readonly { readonly name: string; readonly metric: number }[]): string | undefined {
  return routes.toSorted((a, b) => a.metric - b.metric)[0]?.name;
}

function lines(table: string): readonly (readonly string[])[] {
  return table.split('\n').map((line) => line.trim().split(/\s+/));
}

function readTable(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    // A kernel without this family has no such table.
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

function prefixOfMask(mask: string): number {
  return mask
    .split('.')
    .map((part) => Number(part).toString(2).replaceAll('0', '').length)
    .reduce((sum, bits) => sum + bits, 0);
}
