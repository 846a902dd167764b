import type { Clock } from '../core/clock.ts';
import { describeError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { dropForeign } from '../engines/cni/foreign.ts';
import { applyNetwork, prepareKernel, tendFormerBridge } from '../engines/cni/network.ts';
import type { Node } from '../kube/types.gen.ts';

/** Who gives pods their interfaces: the agent itself, joined to other nodes by a room of its own, or a network add-on. */
export type NodeNetwork =
  | {
      readonly kind: 'own';
      /** Fixed ranges; absent: those of the Node object. */
      readonly podCidrs?: readonly string[];
      /** The MTU of new pods, or why there is no network yet. */
      state(): { readonly mtu: number } | { readonly problem: string };
    }
  | { readonly kind: 'foreign' };

export interface PodNetworkOptions {
  readonly network: Extract<NodeNetwork, { kind: 'own' }>;
  readonly cniConfigFolder: string;
  /** Holds the addresses that are taken. */
  readonly addressFolder: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** How this node's pods get their interfaces. */
export interface PodNetwork {
  /** Configures what is not configured yet for this state of the Node; resolves with why pods have no network, or null. */
  ensure(node: Node | undefined): Promise<string | null>;
}

/** Milliseconds before a failed configuration is tried again. */
const retryMs = 3000;

export function createPodNetwork(options: PodNetworkOptions): PodNetwork {
  const { network, cniConfigFolder, addressFolder, clock, log } = options;
  let configured = '';
  let bridge: string | null = null;
  let failure: { readonly wanted: string; readonly at: number; readonly message: string } | undefined;

  async function configure(podCidrs: readonly string[], mtu: number): Promise<void> {
    await prepareKernel({ ipv6: podCidrs.some((cidr) => cidr.includes(':')) });
    await dropForeign({ configFolder: cniConfigFolder, folder: addressFolder });
    const isNew = await applyNetwork(cniConfigFolder, { name: 'wherry', podCidrs, mtu, addressFolder });
    if (isNew) log.info('pod network configured', { podCidrs, mtu });
    bridge = await tendFormerBridge(addressFolder, 'when empty');
    if (bridge !== null) log.info('pods of an earlier version go on at their bridge', { bridge });
  }

  return {
    async ensure(node) {
      const podCidrs = network.podCidrs ?? cidrsOf(node);
      if (podCidrs.length === 0)
        return 'pod network not ready: no range of pod addresses (spec.podCIDR) is assigned to the node yet';
      const state = network.state();
      if ('problem' in state) return `pod network not ready: ${state.problem}`;
      const wanted = `${podCidrs.join()} ${state.mtu}`;
      if (wanted === configured) {
        if (bridge !== null) bridge = await tendFormerBridge(addressFolder, 'when empty');
        return null;
      }
      if (failure?.wanted === wanted && clock.monotonic() - failure.at < retryMs) return failure.message;
      try {
        await configure(podCidrs, state.mtu);
        configured = wanted;
        failure = undefined;
        return null;
      } catch (thrown) {
        const message = `pod network not ready: ${describeError(thrown)}`;
        if (failure?.message !== message)
          log.error('the pod network can not be configured', { error: describeError(thrown) });
        failure = { wanted, at: clock.monotonic(), message };
        return message;
      }
    },
  };
}

function cidrsOf(node: Node | undefined): readonly string[] {
  const { podCIDR, podCIDRs } = node?.spec ?? {};
  return podCIDRs ?? (podCIDR === undefined ? [] : [podCIDR]);
}
