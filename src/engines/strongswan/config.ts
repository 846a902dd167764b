import type { ViciMessage } from './vici.ts';

/** Who makes ESP packets: the kernel behind an XFRM interface, or charon itself behind a TUN device. */
export type IpsecDriver = 'kernel' | 'libipsec';

/** How nodes prove who they are: by the certificates that the cluster gave them, or by a secret that all share. */
export type IpsecIdentity =
  | {
      readonly kind: 'certificate';
      /** PEM; the key is secret. */
      readonly certificate: string;
      readonly key: string;
      /** Whose certificates are believed. */
      readonly authority: string;
    }
  | { readonly kind: 'secret'; readonly secret: string };

/** One tunnel: what goes between the ranges of two nodes. */
export interface IpsecTunnel {
  /** Unique; shown in strongSwan's log. */
  readonly name: string;
  readonly ownNode: string;
  readonly peerNode: string;
  /** Addresses that ESP travels between. */
  readonly ownAddress: string;
  readonly peerAddress: string;
  readonly ownRange: string;
  readonly peerRange: string;
}

export interface IpsecSettings {
  readonly driver: IpsecDriver;
  readonly identity: IpsecIdentity;
  /** Of the packets' encryption, in strongSwan's words. */
  readonly espProposal: string;
  /** Whether ESP travels in UDP also where nothing demands it. */
  readonly udpEncap: boolean;
}

/** The interface that leads into the tunnels, in both drivers; charon names its TUN device so. */
export const ipsecDevice = 'ipsec0';
/** Joins the XFRM interface with its policies; and the routing table that charon keeps apart. */
export const ipsecNumber = 87;
/** strongSwan reads no larger packets from its TUN device (TUN_DEFAULT_MTU of kernel-libipsec). */
export const libipsecMtuMax = 1400;
/** The one child of each connection. */
export const childName = 'pods';

const ikeProposals = ['aes128gcm16-prfsha256-x25519', 'aes128gcm16-prfsha256-ecp256'];
const deadPeerSeconds = 10;
const ikeRekeySeconds = 4 * 3600;
const espRekeySeconds = 3600;
/** Packets that may arrive out of order by so many. */
const replayWindowPackets = 256;

/** The strongswan.conf of a charon of our own, which reads nothing else. Pure. */
export function compileSettings({ driver, socket }: { readonly driver: IpsecDriver; readonly socket: string }): string {
  const crypto = 'random nonce openssl aes aesni gcm sha1 sha2 hmac kdf x509 constraints pubkey pem pkcs8';
  const plugins = `${crypto} ${driver === 'libipsec' ? 'kernel-libipsec ' : ''}kernel-netlink socket-default vici`;
  return `charon {
  load_modular = no
  load = ${plugins}
  # Routes are not its business; those that libipsec can't be kept from making stay in a table apart.
  install_routes = no
  install_virtual_ip = no
  routing_table = ${ipsecNumber}
  routing_table_prio = ${ipsecNumber}
  # A peer that is silent is given up after 2 + 3 + 4.5 + 6.75 seconds.
  retransmit_timeout = 2.0
  retransmit_base = 1.5
  retransmit_tries = 3
  # Certificates name the parts of a node's name in either order.
  rdn_matching = reordered
  plugins {
    vici {
      socket = unix://${socket}
    }
  }
  filelog {
    stderr {
      default = 0
      lib = 1
      dmn = 1
      ike_name = yes
    }
  }
}
`;
}

/** The subject of a node's certificate. */
function identityOf(node: string): string {
  return `O=system:nodes, CN=system:node:${node}`;
}

/** Of two nodes one begins, so that they don't get in each other's way. */
export function isInitiator({ ownNode, peerNode }: Pick<IpsecTunnel, 'ownNode' | 'peerNode'>): boolean {
  return ownNode < peerNode;
}

/** A tunnel as the command load-conn takes it. Pure. */
export function compileTunnel(tunnel: IpsecTunnel, settings: IpsecSettings): ViciMessage {
  const { name, ownAddress, peerAddress, ownRange, peerRange, ownNode, peerNode } = tunnel;
  const { driver, identity, espProposal, udpEncap } = settings;
  const auth = identity.kind === 'certificate' ? 'pubkey' : 'psk';
  const certificates = identity.kind === 'certificate' ? { certs: [identity.certificate] } : {};
  const authorities = identity.kind === 'certificate' ? { cacerts: [identity.authority] } : {};
  const interfaceId = String(ipsecNumber);
  const begins = isInitiator(tunnel);
  return {
    [name]: {
      version: '2',
      local_addrs: [ownAddress],
      remote_addrs: [peerAddress],
      proposals: ikeProposals,
      // libipsec knows no other way.
      encap: udpEncap || driver === 'libipsec' ? 'yes' : 'no',
      mobike: 'no',
      dpd_delay: `${deadPeerSeconds}s`,
      rekey_time: `${ikeRekeySeconds}s`,
      keyingtries: '0',
      unique: 'replace',
      local: { auth, id: identityOf(ownNode), ...certificates },
      remote: { auth, id: identityOf(peerNode), ...authorities },
      children: {
        [childName]: {
          mode: 'tunnel',
          local_ts: [ownRange],
          remote_ts: [peerRange],
          esp_proposals: [espProposal],
          rekey_time: `${espRekeySeconds}s`,
          replay_window: String(replayWindowPackets),
          dpd_action: 'restart',
          start_action: begins ? 'start' : 'none',
          close_action: begins ? 'start' : 'none',
          ...(driver === 'kernel' ? { if_id_in: interfaceId, if_id_out: interfaceId } : {}),
        },
      },
    },
  };
}

/** How a tunnel stands; `empty`: the nodes know each other, but nothing is carried. */
export type TunnelState = 'up' | 'connecting' | 'empty' | 'absent';

/** Reads what list-sas tells: a message for each association. Pure. */
export function tunnelStates(messages: readonly ViciMessage[]): ReadonlyMap<string, TunnelState> {
  const states = new Map<string, TunnelState>();
  for (const [name, association] of messages.flatMap((message) => Object.entries(message))) {
    const children = sectionOf(association)?.['child-sas'];
    const carries = Object.values(sectionOf(children) ?? {}).some((child) =>
      ['INSTALLED', 'REKEYING', 'REKEYED', 'UPDATING'].includes(String(sectionOf(child)?.['state'])),
    );
    if (carries) states.set(name, 'up');
    else if (states.get(name) !== 'up')
      states.set(name, sectionOf(association)?.['state'] === 'ESTABLISHED' ? 'empty' : 'connecting');
  }
  return states;
}

function sectionOf(value: ViciMessage[string] | undefined): ViciMessage | undefined {
  return typeof value === 'object' && !Array.isArray(value) ? (value as ViciMessage) : undefined;
}

/** Whether a line of charon's log says why a tunnel does not come to stand. Pure. */
export function isFailure(message: string): boolean {
  return /AUTHENTICATION_FAILED|NO_PROPOSAL_CHOSEN|TS_UNACCEPTABLE|no matching peer config|no IKE config|no trusted|giving up|signature validation .*failed|does not match|MAC mismatched|unable to (?:create|install|add)|certificate (?:is not|has expired)|no private key/i.test(
    message,
  );
}
