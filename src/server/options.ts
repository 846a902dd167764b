import os from 'node:os';
import ipaddr from 'ipaddr.js';
import { WherryError } from '../core/errors.ts';
import type { LogLevel } from '../core/log.ts';

/**
 * What `wherry server` was told, after flags, the configuration file and defaults were joined. Names are k3s's.
 */
export interface ServerOptions {
  readonly dataDir: string;
  readonly writeKubeconfig: string;
  /** Permission bits, e.g. 0o600. */
  readonly writeKubeconfigMode: number;
  readonly httpsListenPort: number;
  readonly bindAddress: string;
  readonly nodeName: string;
  /** The address under which pods and other machines reach this node. */
  readonly nodeIp: string;
  readonly tlsSan: readonly string[];
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  readonly clusterDns: string;
  readonly clusterDomain: string;
  /** Components that the user does without: `local-storage`, `coredns` (cluster DNS), `metrics-server`, ... */
  readonly disable: readonly string[];
  readonly disableAgent: boolean;
  readonly token: string | undefined;
  /** Socket of a containerd that Wherry does not start itself. */
  readonly containerRuntimeEndpoint: string | undefined;
  readonly defaultLocalStoragePath: string;
  readonly logLevel: LogLevel;
}

/** What the user gave; every member as it came from the command line or the YAML file. */
export type RawOptions = Readonly<Record<string, unknown>>;

export const defaultDataDir = '/var/lib/wherry';
export const defaultConfigFile = '/etc/wherry/config.yaml';

/** Names that --disable takes: Wherry's own components under k3s's names. */
export const componentNames = [
  'local-storage',
  'coredns',
  'metrics-server',
  'servicelb',
  'traefik',
  'network-policy',
] as const;

/**
 * Checks and completes what the user gave. `machine` is what this machine offers for the defaults.
 * Throws WherryError with code INVALID_OPTION that names the option and what it takes.
 */
export function resolveOptions(raw: RawOptions, machine: Machine): ServerOptions {
  const dataDir = text(raw, 'data-dir') ?? defaultDataDir;
  const clusterCidr = cidr(raw, 'cluster-cidr') ?? '10.42.0.0/16';
  const serviceCidr = cidr(raw, 'service-cidr') ?? '10.43.0.0/16';
  if (overlaps(clusterCidr, serviceCidr)) {
    throw bad(
      'service-cidr',
      `${serviceCidr} overlaps --cluster-cidr ${clusterCidr}`,
      'give the two ranges no address in common',
    );
  }
  const clusterDns = address(raw, 'cluster-dns') ?? nthAddress(serviceCidr, 10);
  if (!contains(serviceCidr, clusterDns)) {
    throw bad(
      'cluster-dns',
      `${clusterDns} is not in --service-cidr ${serviceCidr}`,
      'choose an address of that range',
    );
  }
  return {
    dataDir,
    writeKubeconfig: text(raw, 'write-kubeconfig') ?? '/etc/wherry/kubeconfig.yaml',
    writeKubeconfigMode: mode(raw, 'write-kubeconfig-mode') ?? 0o600,
    httpsListenPort: port(raw, 'https-listen-port') ?? 6443,
    bindAddress: address(raw, 'bind-address') ?? '0.0.0.0',
    nodeName: nodeName(raw, machine),
    nodeIp: address(raw, 'node-ip') ?? machine.address,
    tlsSan: list(raw, 'tls-san'),
    clusterCidr,
    serviceCidr,
    clusterDns,
    clusterDomain: text(raw, 'cluster-domain') ?? 'cluster.local',
    disable: components(raw),
    disableAgent: flag(raw, 'disable-agent'),
    token: text(raw, 'token'),
    containerRuntimeEndpoint: text(raw, 'container-runtime-endpoint'),
    defaultLocalStoragePath: text(raw, 'default-local-storage-path') ?? `${dataDir}/storage`,
    logLevel: flag(raw, 'debug') ? 'debug' : 'info',
  };
}

/** What the defaults are taken from. */
export interface Machine {
  readonly hostname: string;
  /** The address of the interface that the default route leaves by, or of the first interface that has one. */
  readonly address: string;
}

/** Looks at the network interfaces of this machine; loopback only where there is no other. */
export function observeMachine(): Machine {
  const external = Object.entries(os.networkInterfaces())
    .flatMap(([name, addresses]) => (addresses ?? []).map((a) => ({ name, ...a })))
    .filter((a) => !a.internal && a.family === 'IPv4' && !/^(cni|veth|docker|br-|flannel|cali|wherry)/.test(a.name));
  return { hostname: os.hostname(), address: external[0]?.address ?? '127.0.0.1' };
}

/** The address `n` places after the first of a range: the 10th of 10.43.0.0/16 is 10.43.0.10. */
export function nthAddress(range: string, n: number): string {
  const [network] = ipaddr.parseCIDR(range);
  const bytes = network.toByteArray();
  let carry = n;
  for (let i = bytes.length - 1; i >= 0 && carry > 0; i--) {
    const sum = (bytes[i] ?? 0) + carry;
    bytes[i] = sum & 255;
    carry = sum >> 8;
  }
  return ipaddr.fromByteArray(bytes).toString();
}

function contains(range: string, ip: string): boolean {
  const [network, bits] = ipaddr.parseCIDR(range);
  const parsed = ipaddr.parse(ip);
  return parsed.kind() === network.kind() && parsed.match(network, bits);
}

function overlaps(a: string, b: string): boolean {
  const [networkA] = ipaddr.parseCIDR(a);
  const [networkB] = ipaddr.parseCIDR(b);
  return contains(a, networkB.toString()) || contains(b, networkA.toString());
}

/** The error for an option: what is wrong with it and what to do. */
export function bad(option: string, what: string, hint: string): WherryError {
  return new WherryError('INVALID_OPTION', `--${option}: ${what}`, { hint });
}

/** An option that takes a text, if it was given. */
export function text(raw: RawOptions, option: string): string | undefined {
  const value = raw[option];
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  throw bad(option, `takes a text, not ${JSON.stringify(value)}`, `write it in quotes, once`);
}

/** An option that is on or off. */
export function flag(raw: RawOptions, option: string): boolean {
  const value = raw[option];
  if (value === undefined || typeof value === 'boolean') return value ?? false;
  throw bad(
    option,
    `is on or off, not ${JSON.stringify(value)}`,
    'give it no value on the command line, true or false in the file',
  );
}

/** A list: given several times, comma-separated, or as a YAML list. */
function list(raw: RawOptions, option: string): readonly string[] {
  const value = raw[option];
  if (value === undefined) return [];
  const items = Array.isArray(value) ? value : [value];
  return items.flatMap((item) => {
    if (typeof item !== 'string') throw bad(option, `takes texts, not ${JSON.stringify(item)}`, 'write each in quotes');
    return item
      .split(',')
      .map((s) => s.trim())
      .filter((s) => s !== '');
  });
}

function cidr(raw: RawOptions, option: string): string | undefined {
  const value = text(raw, option);
  if (value === undefined) return undefined;
  if (!ipaddr.isValidCIDR(value))
    throw bad(option, `${JSON.stringify(value)} is not a range such as 10.42.0.0/16`, 'write ADDRESS/BITS');
  const [network, bits] = ipaddr.parseCIDR(value);
  const first =
    network.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(value) : ipaddr.IPv6.networkAddressFromCIDR(value);
  return `${first.toString()}/${bits}`;
}

/** An option that takes an IP address, if it was given. */
export function address(raw: RawOptions, option: string): string | undefined {
  const value = text(raw, option);
  if (value === undefined) return undefined;
  if (!ipaddr.isValid(value))
    throw bad(option, `${JSON.stringify(value)} is not an IP address`, 'write an address such as 192.168.1.10');
  return value;
}

function port(raw: RawOptions, option: string): number | undefined {
  const value = text(raw, option);
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > 65535)
    throw bad(option, `${JSON.stringify(value)} is not a port`, 'write a number from 1 to 65535');
  return number;
}

function mode(raw: RawOptions, option: string): number | undefined {
  const value = text(raw, option);
  if (value === undefined) return undefined;
  if (!/^0?[0-7]{3}$/.test(value))
    throw bad(option, `${JSON.stringify(value)} are not permission bits`, 'write three octal digits such as 644');
  return Number.parseInt(value, 8);
}

/** --node-name, or the machine's name. */
export function nodeName(raw: RawOptions, machine: Machine): string {
  const name = (text(raw, 'node-name') ?? machine.hostname).toLowerCase();
  if (name.length > 253 || !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name)) {
    throw bad(
      'node-name',
      `${JSON.stringify(name)} is not a DNS name (RFC 1123)`,
      'give --node-name in lower-case letters, digits, "-" and "."',
    );
  }
  return name;
}

function components(raw: RawOptions): readonly string[] {
  const names = list(raw, 'disable');
  const known: readonly string[] = componentNames;
  for (const name of names) {
    if (!known.includes(name))
      throw bad('disable', `${JSON.stringify(name)} is not a component`, `use one of ${known.join(', ')}`);
  }
  return names;
}
