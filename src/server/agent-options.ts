import { WherryError } from '../core/errors.ts';
import type { LogLevel } from '../core/log.ts';
import type { Machine } from './machine.ts';
import { type NodeNetworkOptions, resolveNodeNetwork } from './network-options.ts';
import { type NodeSettings, resolveNodeSettings } from './node-options.ts';
import { address, addresses, bad, flag, type RawOptions, text } from './option-values.ts';
import { defaultDataDir, nodeName, type ServerOptions } from './options.ts';

/** What a node must be told to run, wherever its control plane is. */
export type NodeOptions = NodeNetworkOptions &
  NodeSettings &
  Pick<
    ServerOptions,
    | 'dataDir'
    | 'bindAddress'
    | 'nodeName'
    | 'clusterCidrs'
    | 'serviceCidrs'
    | 'clusterDns'
    | 'clusterDomain'
    | 'flannelBackend'
    | 'flannelIpv6Masq'
    | 'flannelExternalIp'
    | 'disableNetworkPolicy'
    | 'disableKubeProxy'
    | 'disable'
    | 'containerRuntimeEndpoint'
  >;

/** What `wherry agent` was told. What the cluster has settled, the node learns from it. Names are k3s's. */
export interface AgentOptions extends NodeSettings, Omit<NodeNetworkOptions, 'nodeIps'> {
  /** URL of the API server. */
  readonly server: string;
  /** Needed for the first start; later the node has certificates of its own. */
  readonly token: string | undefined;
  readonly dataDir: string;
  readonly bindAddress: string | undefined;
  readonly nodeName: string;
  /** This machine's own of the cluster's families when absent. */
  readonly nodeIps: readonly string[] | undefined;
  readonly machine: Machine;
  /** The cluster's own when absent. */
  readonly clusterDns: readonly string[] | undefined;
  readonly clusterDomain: string | undefined;
  readonly containerRuntimeEndpoint: string | undefined;
  readonly logLevel: LogLevel;
}

/** Checks and completes what the user gave. Throws WherryError with code INVALID_OPTION that names the option. */
export function resolveAgentOptions(raw: RawOptions, machine: Machine): AgentOptions {
  return {
    server: serverUrl(raw),
    token: text(raw, 'token'),
    dataDir: text(raw, 'data-dir') ?? defaultDataDir,
    bindAddress: address(raw, 'bind-address'),
    nodeName: nodeName(raw, machine),
    ...resolveNodeNetwork(raw),
    ...resolveNodeSettings(raw),
    machine,
    clusterDns: addresses(raw, 'cluster-dns'),
    clusterDomain: text(raw, 'cluster-domain'),
    containerRuntimeEndpoint: text(raw, 'container-runtime-endpoint'),
    logLevel: flag(raw, 'debug') ? 'debug' : 'info',
  };
}

function serverUrl(raw: RawOptions): string {
  const given = text(raw, 'server');
  if (given === undefined) {
    throw new WherryError('INVALID_OPTION', '--server: which cluster this machine joins is not said', {
      hint: 'give --server https://HOST:6443 --token TOKEN, where TOKEN is what `wherry token create` prints on the server',
    });
  }
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url?.protocol !== 'https:' || url.pathname !== '/' || url.username !== '') {
    throw bad('server', `${JSON.stringify(given)} is not the URL of a server`, 'write https://HOST:6443');
  }
  return url.origin;
}
