import { isObject } from '../../core/json.ts';
import { parseIp } from '../../kube/ip.ts';
import type { Node } from '../../kube/types.gen.ts';
import { type Backend, flannelTypes } from './settings.ts';

const prefix = 'flannel.alpha.coreos.com';

/** Flannel's annotations on a Node, by which each node tells the others how its pods are reached. */
export const annotationNames = {
  subnetManager: `${prefix}/kube-subnet-manager`,
  type: `${prefix}/backend-type`,
  data: `${prefix}/backend-data`,
  dataV6: `${prefix}/backend-v6-data`,
  publicIp: `${prefix}/public-ip`,
  publicIpv6: `${prefix}/public-ipv6`,
  publicIpOverwrite: `${prefix}/public-ip-overwrite`,
  publicIpv6Overwrite: `${prefix}/public-ipv6-overwrite`,
} as const;

/** What a node tells of one IP family. */
export interface PeerFamily {
  /** Addresses of its pods. */
  readonly podCidr: string;
  /** Where its packets go. */
  readonly address: string | undefined;
  /** Of its VXLAN device. */
  readonly mac: string | undefined;
  /** WireGuard's, base64. */
  readonly publicKey: string | undefined;
}

/** A node as the plan sees it. */
export interface Peer {
  readonly name: string;
  /** Flannel's name of its backend; undefined until its agent has told. */
  readonly type: string | undefined;
  readonly v4: PeerFamily | undefined;
  readonly v6: PeerFamily | undefined;
}

/** Reads a Node. What is malformed counts as not told: the plan names the node that it waits for. */
export function peerOf(node: Node): Peer {
  const annotations = node.metadata.annotations ?? {};
  const cidrs = node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []);
  const isManaged = annotations[annotationNames.subnetManager] === 'true';
  const told = isManaged ? annotations : {};
  const family = (podCidr: string | undefined, address: string, data: string): PeerFamily | undefined => {
    if (podCidr === undefined) return undefined;
    const given = told[address];
    const { VtepMAC: mac, PublicKey: publicKey } = dataOf(told[data]);
    return {
      podCidr,
      address: given !== undefined && parseIp(given) !== undefined ? given : undefined,
      mac: typeof mac === 'string' && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac) ? mac.toLowerCase() : undefined,
      publicKey: typeof publicKey === 'string' && /^[A-Za-z0-9+/]{43}=$/.test(publicKey) ? publicKey : undefined,
    };
  };
  const { publicIp, publicIpv6, data, dataV6, type } = annotationNames;
  return {
    name: node.metadata.name ?? '',
    type: told[type],
    v4: family(
      cidrs.find((cidr) => !cidr.includes(':')),
      publicIp,
      data,
    ),
    v6: family(
      cidrs.find((cidr) => cidr.includes(':')),
      publicIpv6,
      dataV6,
    ),
  };
}

function dataOf(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

/** The annotations that this node shall bear. */
export function annotationsOf(own: Peer, backend: Backend): Readonly<Record<string, string>> {
  const { v4, v6 } = own;
  return {
    [annotationNames.subnetManager]: 'true',
    [annotationNames.type]: flannelTypes[backend.name],
    [annotationNames.data]: backendData(v4, backend),
    ...(v4?.address === undefined ? {} : { [annotationNames.publicIp]: v4.address }),
    ...(v6 === undefined ? {} : { [annotationNames.dataV6]: backendData(v6, backend) }),
    ...(v6?.address === undefined ? {} : { [annotationNames.publicIpv6]: v6.address }),
  };
}

function backendData(family: PeerFamily | undefined, backend: Backend): string {
  if (family === undefined) return 'null';
  if (backend.name === 'vxlan') return JSON.stringify({ VNI: backend.id, VtepMAC: family.mac });
  if (backend.name === 'wireguard-native') return JSON.stringify({ PublicKey: family.publicKey });
  return 'null';
}
