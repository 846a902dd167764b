import { describeError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { foreignConfigFolder, linkPrograms, takeOverConfiguration } from '../engines/cni/foreign.ts';
import { prepareKernel, removeConfiguration } from '../engines/cni/network.ts';
import type { PodNetwork } from './pod-network.ts';

export interface ForeignNetworkOptions {
  readonly cniConfigFolder: string;
  /** `<data-dir>/agent/cni`. */
  readonly folder: string;
  readonly log: Log;
}

/** Pods' interfaces by a network add-on that somebody installs: its configuration and its programs are looked for until they are there. */
export function createForeignNetwork({ cniConfigFolder, folder, log }: ForeignNetworkOptions): PodNetwork {
  let last = '';
  return {
    async ensure(node) {
      try {
        await prepareKernel({ ipv6: node?.spec?.podCIDRs?.some((cidr) => cidr.includes(':')) ?? false });
        await removeConfiguration(cniConfigFolder);
        await linkPrograms(folder);
        const files = await takeOverConfiguration({ configFolder: cniConfigFolder, folder });
        if (files.join() !== last && files.length > 0) log.info('the pod network is an add-on', { files });
        last = files.join();
        if (files.length > 0) return null;
        return `pod network not ready: the cluster has no pod network of its own (--flannel-backend=none), and there is no CNI configuration in ${foreignConfigFolder} or ${cniConfigFolder}: install a network add-on`;
      } catch (thrown) {
        return `pod network not ready: ${describeError(thrown)}`;
      }
    },
  };
}
