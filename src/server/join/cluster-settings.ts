import type { Client } from '../../client/client.ts';
import { WherryError } from '../../core/errors.ts';
import { configmaps } from '../../kube/resources.gen.ts';
import type { ServerOptions } from '../options.ts';

/** What a joining node must know of how the cluster was set up. */
export type ClusterSettings = Pick<ServerOptions, 'clusterCidr' | 'clusterDns' | 'clusterDomain' | 'disable'>;

/** The ConfigMap from which nodes read it. */
export const settingsKey = { namespace: 'kube-system', name: 'wherry-cluster' } as const;

/** The data of that ConfigMap, under the names of the server's flags. */
export function encodeSettings(settings: ClusterSettings): Readonly<Record<string, string>> {
  return {
    'cluster-cidr': settings.clusterCidr,
    'cluster-dns': settings.clusterDns,
    'cluster-domain': settings.clusterDomain,
    disable: settings.disable.join(','),
  };
}

export function decodeSettings(data: Readonly<Record<string, string>>): ClusterSettings {
  const text = (name: string) => {
    const value = data[name];
    if (value !== undefined && value !== '') return value;
    throw new WherryError(
      'CLUSTER_SETTINGS',
      `the ConfigMap ${settingsKey.namespace}/${settingsKey.name} has no ${name}`,
      { hint: 'restart the server, which writes it anew' },
    );
  };
  return {
    clusterCidr: text('cluster-cidr'),
    clusterDns: text('cluster-dns'),
    clusterDomain: text('cluster-domain'),
    disable: (data['disable'] ?? '').split(',').filter((name) => name !== ''),
  };
}

export async function readSettings(client: Client): Promise<ClusterSettings> {
  return decodeSettings((await client.get(configmaps, settingsKey)).data ?? {});
}
