import type { KubeObject } from '../../kube/object.ts';
import type { Condition, LabelSelector } from '../../kube/types.gen.ts';

/** MetalLB's API (metallb.io), as its users write it. Field meanings: metallb.io/apis. */

export interface IPAddressPool extends KubeObject {
  readonly spec: {
    readonly addresses: readonly string[];
    readonly autoAssign?: boolean;
    readonly avoidBuggyIPs?: boolean;
    readonly serviceAllocation?: {
      readonly priority?: number;
      readonly namespaces?: readonly string[];
      readonly namespaceSelectors?: readonly LabelSelector[];
      readonly serviceSelectors?: readonly LabelSelector[];
    };
  };
  readonly status?: {
    readonly assignedIPv4?: number;
    readonly assignedIPv6?: number;
    readonly availableIPv4?: number;
    readonly availableIPv6?: number;
    readonly conditions?: readonly Condition[];
  };
}

/** What an advertisement is of, and from where. Empty lists choose everything. */
export interface AdvertisementSpec {
  readonly ipAddressPools?: readonly string[];
  readonly ipAddressPoolSelectors?: readonly LabelSelector[];
  readonly nodeSelectors?: readonly LabelSelector[];
}

export interface L2Advertisement extends KubeObject {
  readonly spec?: AdvertisementSpec & { readonly interfaces?: readonly string[] };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface BGPAdvertisement extends KubeObject {
  readonly spec?: AdvertisementSpec & {
    readonly aggregationLength?: number;
    readonly aggregationLengthV6?: number;
    readonly localPref?: number;
    readonly communities?: readonly string[];
    readonly peers?: readonly string[];
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface BGPPeer extends KubeObject {
  readonly spec: {
    readonly myASN: number;
    readonly peerASN?: number;
    readonly dynamicASN?: 'internal' | 'external';
    readonly peerAddress?: string;
    readonly interface?: string;
    readonly sourceAddress?: string;
    readonly peerPort?: number;
    /** Go durations such as `90s`. */
    readonly holdTime?: string;
    readonly keepaliveTime?: string;
    readonly connectTime?: string;
    readonly routerID?: string;
    readonly nodeSelectors?: readonly LabelSelector[];
    readonly password?: string;
    readonly passwordSecret?: { readonly name?: string; readonly namespace?: string };
    readonly bfdProfile?: string;
    readonly enableGracefulRestart?: boolean;
    readonly ebgpMultiHop?: boolean;
    readonly vrf?: string;
    readonly disableMP?: boolean;
    readonly dualStackAddressFamily?: boolean;
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface BFDProfile extends KubeObject {
  readonly spec?: {
    readonly receiveInterval?: number;
    readonly transmitInterval?: number;
    readonly detectMultiplier?: number;
    readonly echoInterval?: number;
    readonly echoMode?: boolean;
    readonly passiveMode?: boolean;
    readonly minimumTtl?: number;
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface Community extends KubeObject {
  readonly spec?: { readonly communities?: readonly { readonly name?: string; readonly value?: string }[] };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface ServiceL2Status extends KubeObject {
  readonly status?: {
    readonly node?: string;
    readonly serviceName?: string;
    readonly serviceNamespace?: string;
    readonly interfaces?: readonly { readonly name?: string }[];
  };
}

export interface ServiceBGPStatus extends KubeObject {
  readonly status?: {
    readonly node?: string;
    readonly serviceName?: string;
    readonly serviceNamespace?: string;
    readonly peers?: readonly string[];
  };
}

/** How a node's session with a peer stands, as MetalLB's FRR part tells it (frrk8s.metallb.io). */
export interface BGPSessionState extends KubeObject {
  readonly status?: {
    readonly node?: string;
    /** The peer's address. */
    readonly peer?: string;
    readonly vrf?: string;
    /** BGP's own word, e.g. `Established`. */
    readonly bgpStatus?: string;
    readonly bfdStatus?: 'Up' | 'Down' | 'N/A';
    /** Why it is not established. */
    readonly message?: string;
  };
}
