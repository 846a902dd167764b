import type { Client } from '../../client/client.ts';
import { WherryError } from '../../core/errors.ts';
import { configmaps } from '../../kube/resources.gen.ts';
import { type ClusterNetworkOptions, flannelBackends } from '../network-options.ts';
import type { ServerOptions } from '../options.ts';

/** What a joining node must know of how the cluster was set up. */
export type ClusterSettings = ClusterNetworkOptions & Pick<ServerOptions, 'disable'>;

/** The ConfigMap from which nodes read it. */
export const settingsKey = { namespace: 'kube-system', name: 'wherry-cluster' } as const;

/** The data of that ConfigMap, under the names of the server's flags. */
export function encodeSettings(settings: ClusterSettings): Readonly<Record<string, string>> {
  return {
    'cluster-cidr': settings.clusterCidrs.join(','),
    'service-cidr': settings.serviceCidrs.join(','),
    'cluster-dns': settings.clusterDns.join(','),
    'cluster-domain': settings.clusterDomain,
    'flannel-backend': settings.flannelBackend,
    'flannel-ipv6-masq': String(settings.flannelIpv6Masq),
    'flannel-external-ip': String(settings.flannelExternalIp),
    'disable-network-policy': String(settings.disableNetworkPolicy),
    'disable-kube-proxy': String(settings.disableKubeProxy),
    disable: settings.disable.join(','),
  };
}

/** Throws WherryError CLUSTER_SETTINGS when what every node must know is missing. */
export function decodeSettings(data: Readonly<Record<string, string>>): ClusterSettings {
  const list = (name: string) => (data[name] ?? '').split(',').filter((item) => item !== '');
  const needed = <T>(name: string, value: T | undefined) => {
    if (value !== undefined) return value;
    throw new WherryError(
      'CLUSTER_SETTINGS',
      `the ConfigMap ${settingsKey.namespace}/${settingsKey.name} has no ${name} that this version knows`,
      { hint: 'restart the server, which writes it anew, and run the same version of Wherry on all machines' },
    );
  };
  const ranges = (name: string) => needed(name, list(name).length > 0 ? list(name) : undefined);
  return {
    clusterCidrs: ranges('cluster-cidr'),
    serviceCidrs: ranges('service-cidr'),
    clusterDns: ranges('cluster-dns'),
    clusterDomain: needed('cluster-domain', data['cluster-domain'] || undefined),
    flannelBackend: needed(
      'flannel-backend',
      flannelBackends.find((one) => one === data['flannel-backend']),
    ),
    flannelIpv6Masq: data['flannel-ipv6-masq'] === 'true',
    flannelExternalIp: data['flannel-external-ip'] === 'true',
    disableNetworkPolicy: data['disable-network-policy'] === 'true',
    disableKubeProxy: data['disable-kube-proxy'] === 'true',
    disable: list('disable'),
  };
}

export async function readSettings(client: Client): Promise<ClusterSettings> {
  return decodeSettings((await client.get(configmaps, settingsKey)).data ?? {});
}
