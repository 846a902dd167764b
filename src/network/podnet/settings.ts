import { WherryError } from '../../core/errors.ts';
import { isObject } from '../../core/json.ts';

/** How pods' packets get from node to node, under the names of `--flannel-backend`. */
export type Backend = VxlanBackend | HostGatewayBackend | WireGuardBackend | IpsecBackend;
export type BackendName = Backend['name'] | 'none';

export interface VxlanBackend {
  readonly name: 'vxlan';
  /** VXLAN network identifier; part of the devices' names. */
  readonly id: number;
  readonly port: number;
  readonly gbp: boolean;
  /** Nodes on the same link are reached without the tunnel. */
  readonly directRouting: boolean;
  /** Of the pods; absent: what the underlay leaves. */
  readonly mtu: number | undefined;
}

export interface HostGatewayBackend {
  readonly name: 'host-gw';
  readonly mtu: number | undefined;
}

export interface WireGuardBackend {
  readonly name: 'wireguard-native';
  readonly port: number;
  /** Of the tunnel between IPv6 addresses. */
  readonly portV6: number;
  /** Base64, 32 bytes; the same on all nodes. */
  readonly presharedKey: string | undefined;
  /** Seconds; 0: never. */
  readonly keepalive: number;
  /** `separate`: a tunnel for each IP family; otherwise one for both, between addresses of that family (auto: IPv4 where there is one). */
  readonly mode: 'separate' | 'auto' | 'ipv4' | 'ipv6';
  readonly mtu: number | undefined;
}

export interface IpsecBackend {
  readonly name: 'ipsec';
  /** The proposal of the ESP packets' encryption, in strongSwan's words. */
  readonly espProposal: string;
  /** Whether ESP travels in UDP also where nothing demands it. */
  readonly udpEncap: boolean;
  /** The same on all nodes; absent: each proves who it is by the certificate that the cluster gave it. */
  readonly presharedKey: string | undefined;
  readonly mtu: number | undefined;
}

/** A backend as it is without a net-conf.json. The numbers are Flannel's and k3s's. */
export const defaultBackends: { readonly [Name in Backend['name']]: Extract<Backend, { name: Name }> } = {
  vxlan: { name: 'vxlan', id: 1, port: 8472, gbp: false, directRouting: false, mtu: undefined },
  'host-gw': { name: 'host-gw', mtu: undefined },
  'wireguard-native': {
    name: 'wireguard-native',
    port: 51820,
    portV6: 51821,
    presharedKey: undefined,
    keepalive: 25,
    mode: 'separate',
    mtu: undefined,
  },
  ipsec: {
    name: 'ipsec',
    espProposal: 'aes128gcm16-sha256-prfsha256-ecp256',
    udpEncap: true,
    presharedKey: undefined,
    mtu: undefined,
  },
};

/** Flannel's name of each backend, in net-conf.json and in annotations. */
export const flannelTypes: Readonly<Record<Backend['name'], string>> = {
  vxlan: 'vxlan',
  'host-gw': 'host-gw',
  'wireguard-native': 'wireguard',
  ipsec: 'ipsec',
};

const smallestMtu = 1280;
const largestMtu = 65_535;
/** Characters of a secret that all nodes share for IPsec; Flannel's own bound. */
const secretLengthMin = 96;
const secretLengthMax = 1024;

/**
 * The backend of a node: `name` as the cluster settled it, more of it from the text of a net-conf.json, whose `Network` is not
 * asked. Throws WherryError FLANNEL_CONF that names the member that is wrong.
 */
export function backendOf(name: Backend['name'], netConf?: string): Backend {
  if (netConf === undefined) return defaultBackends[name];
  const members = backendMembers(netConf);
  const type = members.text('Type') ?? flannelTypes[name];
  const named = (Object.keys(flannelTypes) as Backend['name'][]).find((one) => flannelTypes[one] === type);
  if (named === undefined) {
    const known = Object.values(flannelTypes).join(', ');
    throw wrong('Type', `${JSON.stringify(type)} is not a backend`, `write one of ${known}`);
  }
  const mtu = members.number('MTU', smallestMtu, largestMtu);
  switch (named) {
    case 'vxlan': {
      const base = defaultBackends.vxlan;
      return {
        ...base,
        id: members.number('VNI', 1, 2 ** 24 - 1) ?? base.id,
        port: members.number('Port', 1, 65_535) ?? base.port,
        gbp: members.flag('GBP') ?? base.gbp,
        directRouting: members.flag('DirectRouting') ?? base.directRouting,
        mtu,
      };
    }
    case 'host-gw':
      return { ...defaultBackends['host-gw'], mtu };
    case 'wireguard-native': {
      const base = defaultBackends['wireguard-native'];
      return {
        ...base,
        port: members.number('ListenPort', 1, 65_535) ?? base.port,
        portV6: members.number('ListenPortV6', 1, 65_535) ?? base.portV6,
        presharedKey: presharedKeyOf(members.text('PSK')),
        keepalive: members.number('PersistentKeepaliveInterval', 0, 65_535) ?? base.keepalive,
        mode: modeOf(members.text('Mode')) ?? base.mode,
        mtu,
      };
    }
    case 'ipsec': {
      const base = defaultBackends.ipsec;
      return {
        ...base,
        espProposal: espProposalOf(members.text('ESPProposal')) ?? base.espProposal,
        udpEncap: members.flag('UDPEncap') ?? base.udpEncap,
        presharedKey: sharedSecretOf(members.text('PSK')),
        mtu,
      };
    }
  }
}

function presharedKeyOf(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) throw wrong('PSK', 'it is not 32 bytes in base64', 'make one by: wg genpsk');
  return text;
}

function espProposalOf(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^[a-z0-9_]+(-[a-z0-9_]+)*$/.test(text))
    throw wrong(
      'ESPProposal',
      `${JSON.stringify(text)} is not a proposal`,
      `write one as ${defaultBackends.ipsec.espProposal}`,
    );
  if (/(^|-)null(-|$)/.test(text))
    throw wrong(
      'ESPProposal',
      `${JSON.stringify(text)} does not encrypt`,
      `write one as ${defaultBackends.ipsec.espProposal}`,
    );
  return text;
}

function sharedSecretOf(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (text.length < secretLengthMin || text.length > secretLengthMax)
    throw wrong(
      'PSK',
      `it has not ${secretLengthMin} to ${secretLengthMax} characters`,
      'make one by: openssl rand -hex 48',
    );
  return text;
}

function modeOf(text: string | undefined): WireGuardBackend['mode'] | undefined {
  if (text === undefined || text === '') return undefined;
  if (text === 'separate' || text === 'auto' || text === 'ipv4' || text === 'ipv6') return text;
  throw wrong('Mode', `${JSON.stringify(text)} is not known`, 'write separate, auto, ipv4 or ipv6');
}

/** Typed access to the members of `Backend`. */
function backendMembers(netConf: string) {
  let value: unknown;
  try {
    value = JSON.parse(netConf);
  } catch (cause) {
    throw new WherryError('FLANNEL_CONF', '--flannel-conf: the file is not JSON', {
      cause,
      hint: 'write {"Backend": {"Type": "vxlan"}}',
    });
  }
  const backend = isObject(value) ? (value['Backend'] ?? {}) : null;
  if (!isObject(backend)) throw wrong('', 'it is not an object', 'write {"Backend": {"Type": "vxlan"}}');
  return {
    text(name: string): string | undefined {
      const member = backend[name];
      if (member === undefined || typeof member === 'string') return member;
      throw wrong(name, `${JSON.stringify(member)} is not a text`, 'put it in quotes');
    },
    number(name: string, least: number, most: number): number | undefined {
      const member = backend[name];
      if (member === undefined) return undefined;
      if (typeof member === 'number' && Number.isInteger(member) && member >= least && member <= most) return member;
      throw wrong(
        name,
        `${JSON.stringify(member)} is not a number from ${least} to ${most}`,
        'write such a number, without quotes',
      );
    },
    flag(name: string): boolean | undefined {
      const member = backend[name];
      if (member === undefined || typeof member === 'boolean') return member;
      throw wrong(name, `${JSON.stringify(member)} is neither true nor false`, 'write true or false, without quotes');
    },
  };
}

function wrong(member: string, what: string, hint: string): WherryError {
  return new WherryError('FLANNEL_CONF', `--flannel-conf: Backend${member === '' ? '' : `.${member}`}: ${what}`, {
    hint,
  });
}
