import type { LogLevel } from '../core/log.ts';
import type { Machine } from './machine.ts';
import {
  type ClusterNetworkOptions,
  type NodeMaskOptions,
  type NodeNetworkOptions,
  resolveClusterNetwork,
  resolveNodeNetwork,
  settleNodeIps,
} from './network-options.ts';
import { type NodeSettings, resolveNodeSettings } from './node-options.ts';
import { address, bad, flag, list, mode, port, type RawOptions, text } from './option-values.ts';

/**
 * What `wherry server` was told, after flags, the configuration file and defaults were joined. Names are k3s's.
 */
export interface ServerOptions extends ClusterNetworkOptions, NodeMaskOptions, NodeNetworkOptions, NodeSettings {
  readonly dataDir: string;
  readonly writeKubeconfig: string;
  /** Permission bits, e.g. 0o600. */
  readonly writeKubeconfigMode: number;
  readonly httpsListenPort: number;
  readonly bindAddress: string;
  readonly nodeName: string;
  readonly tlsSan: readonly string[];
  /** Components that the user does without: `local-storage`, `coredns` (cluster DNS), `metrics-server`, ... */
  readonly disable: readonly string[];
  readonly disableAgent: boolean;
  readonly token: string | undefined;
  /** Socket of a containerd that Wherry does not start itself. */
  readonly containerRuntimeEndpoint: string | undefined;
  readonly defaultLocalStoragePath: string;
  readonly logLevel: LogLevel;
}

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
  'tunnel',
] as const;

/**
 * Checks and completes what the user gave. `machine` is what this machine offers for the defaults.
 * Throws WherryError with code INVALID_OPTION that names the option and what it takes.
 */
export function resolveOptions(raw: RawOptions, machine: Machine): ServerOptions {
  const dataDir = text(raw, 'data-dir') ?? defaultDataDir;
  const cluster = resolveClusterNetwork(raw);
  const node = resolveNodeNetwork(raw);
  const nodeIps = settleNodeIps(node.nodeIps, cluster, machine);
  return {
    dataDir,
    writeKubeconfig: text(raw, 'write-kubeconfig') ?? '/etc/wherry/kubeconfig.yaml',
    writeKubeconfigMode: mode(raw, 'write-kubeconfig-mode') ?? 0o600,
    httpsListenPort: port(raw, 'https-listen-port') ?? 6443,
    bindAddress: address(raw, 'bind-address') ?? anyAddress(nodeIps),
    nodeName: nodeName(raw, machine),
    tlsSan: list(raw, 'tls-san'),
    ...cluster,
    ...node,
    nodeIps,
    ...resolveNodeSettings(raw),
    disable: components(raw),
    disableAgent: flag(raw, 'disable-agent'),
    token: text(raw, 'token'),
    containerRuntimeEndpoint: text(raw, 'container-runtime-endpoint'),
    defaultLocalStoragePath: text(raw, 'default-local-storage-path') ?? `${dataDir}/storage`,
    logLevel: flag(raw, 'debug') ? 'debug' : 'info',
  };
}

/** What to listen on to be reached under all of some addresses; `::` is IPv4 too. */
export function anyAddress(nodeIps: readonly string[]): string {
  return nodeIps.some((ip) => ip.includes(':')) ? '::' : '0.0.0.0';
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
