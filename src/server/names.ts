import { createHash } from 'node:crypto';
import { defaultDataDir } from './options.ts';

/** Where a node serves the kubelet's API. */
export const kubeletPort = 10250;
/** The nftables table of Services. */
export const serviceTable = 'wherry';
/** The nftables table that gives pods' packets the node's address where they leave the cluster. */
export const podNetworkTable = 'wherry-podnet';

/** The nftables table of NetworkPolicies and ClusterNetworkPolicies. */
export const policyTable = 'wherry-policy';

/** The nftables table that lets connections outlast the move of their Service's address to another node. */
export const layer2Table = 'wherry-layer2';

/** Names of what lives outside the data directory; clusters beside each other don't share them. */
export function clusterNames(dataDir: string): {
  readonly runFolder: string;
  readonly cgroupRoot: string;
  readonly podLogs: string;
  /** Links to the logs, where log shippers look for them; the cluster of the default data directory has them. */
  readonly podLogLinks?: string;
} {
  if (dataDir === defaultDataDir)
    return {
      runFolder: '/run/wherry/default',
      cgroupRoot: '/kubepods',
      podLogs: '/var/log/pods',
      podLogLinks: '/var/log/containers',
    };
  const id = createHash('sha256').update(dataDir).digest('hex').slice(0, 8);
  return { runFolder: `/run/wherry/${id}`, cgroupRoot: `/kubepods-${id}`, podLogs: `${dataDir}/agent/pod-logs` };
}
