import { createHash } from 'node:crypto';

/**
 * BIRD 2's configuration (bird.network.cz, user's guide 2.0), compiled from plain data. Routes are announced out of static
 * protocols, and nothing is imported: neither the kernel's routes nor a neighbour's find their way in or out.
 */

export interface BirdConfig {
  /** A number written as an IPv4 address that no other router has. */
  readonly routerId: string;
  /** What BIRD has to say is written there; the file before it gets the ending `.old`. */
  readonly logFile: string;
  readonly peers: readonly BirdPeer[];
}

export interface BirdPeer {
  /** Unique; what `birdc show protocols` calls it (see protocolName). */
  readonly name: string;
  readonly localAsn: number;
  readonly localAddress: string | undefined;
  /** The peer's number, or whether it is of the own system where the number is not known. */
  readonly peerAsn: number | 'internal' | 'external';
  readonly address: string;
  readonly port: number;
  readonly routerId: string | undefined;
  /** Seconds. */
  readonly holdTime: number | undefined;
  readonly keepaliveTime: number | undefined;
  readonly connectTime: number | undefined;
  /** RFC 2385. It has no quotation marks and no line ends. */
  readonly password: string | undefined;
  readonly bfd: BirdBfd | undefined;
  readonly gracefulRestart: boolean;
  /**
   * Whether the neighbour is on a network of this machine; undefined leaves it to BIRD: of other systems it must be, of the
   * own one it need not. BFD takes other packets over several hops than over one (RFC 5881, RFC 5883).
   */
  readonly reach: 'direct' | 'multihop' | undefined;
  readonly vrf: string | undefined;
  readonly channels: readonly BirdChannel[];
  /** Each prefix once. */
  readonly routes: readonly BirdRoute[];
}

/** The routes of one family over a session. */
export interface BirdChannel {
  readonly family: 'ipv4' | 'ipv6';
  /** Where the neighbour sends packets to, where it is not the session's own address, which is of the other family. */
  readonly nextHop: string | undefined;
}

/** Milliseconds. */
export interface BirdBfd {
  readonly receiveInterval: number;
  readonly transmitInterval: number;
  readonly multiplier: number;
  readonly passive: boolean;
}

export interface BirdRoute {
  /** In its canonical form, e.g. `198.51.100.7/32`. */
  readonly prefix: string;
  readonly localPref: number | undefined;
  /** Pairs of RFC 1997 and triples of RFC 8092. */
  readonly communities: readonly (readonly number[])[];
}

/** BIRD's names have at most 63 characters, and those of filters are longer by 8. */
const readableNameMax = 32;

/** A name that BIRD takes, for any text; different texts get different names. */
export function protocolName(text: string): string {
  const readable = text.replace(/[^A-Za-z0-9]/g, (character) => `_${character.codePointAt(0)?.toString(16) ?? ''}_`);
  if (readable.length <= readableNameMax) return `peer_${readable}`;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, readableNameMax);
  return `peer_${readable.slice(0, 10)}${hash}`;
}

/** The longest password that a kernel takes (TCP_MD5SIG_MAXKEYLEN), bytes. */
export const passwordBytesMax = 80;
/** RFC 4271 proposes 90 s, which MetalLB took over. */
const holdSeconds = 90;
/** As FRR in data centres, and so MetalLB, has it. */
const connectRetrySeconds = 10;
/**
 * How long after its start BIRD waits for neighbours that restart gracefully before it tells the others of them everything
 * (240 s by itself): one that is away for good keeps nobody waiting.
 */
const recoverySeconds = 5;
const logBytesMax = 1024 * 1024;

/** The whole file. The same data gives the same text, whatever their order. */
export function compileBird({ routerId, logFile, peers }: BirdConfig): string {
  const sorted = [...peers].sort((a, b) => (a.name < b.name ? -1 : 1));
  return [
    `log "${logFile}" ${logBytesMax} "${logFile}.old" { info, remote, warning, error, auth, fatal, bug };`,
    'log stderr { fatal, bug };',
    `router id ${routerId};`,
    `graceful restart wait ${recoverySeconds};`,
    'protocol device { scan time 10; }',
    ...(sorted.some(({ bfd }) => bfd !== undefined) ? ['protocol bfd bfd1 { }'] : []),
    ...announced('ipv4', sorted),
    ...announced('ipv6', sorted),
    ...sorted.flatMap(peerText),
    '',
  ].join('\n');
}

// Where the routes come from: without a kernel protocol they lead nowhere on this machine.
function announced(family: 'ipv4' | 'ipv6', peers: readonly BirdPeer[]): readonly string[] {
  const prefixes = new Set(peers.flatMap(({ routes }) => routes.map(({ prefix }) => prefix)));
  const own = [...prefixes].filter((prefix) => familyOf(prefix) === family).sort();
  return [
    `protocol static announced_${family} {`,
    `  ${family};`,
    ...own.map((prefix) => `  route ${prefix} blackhole;`),
    '}',
  ];
}

function peerText(peer: BirdPeer): readonly string[] {
  const { name, channels } = peer;
  const lines: string[] = [];
  for (const { family } of channels) {
    lines.push(`filter to_${name}_${family} {`);
    for (const route of peer.routes.toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1))) {
      if (familyOf(route.prefix) === family) lines.push(...routeText(route));
    }
    lines.push('  reject;', '}');
  }
  const port = peer.port === 179 ? '' : ` port ${peer.port}`;
  const neighbour = typeof peer.peerAsn === 'number' ? `as ${peer.peerAsn}` : peer.peerAsn;
  lines.push(
    `protocol bgp ${name} {`,
    `  local${peer.localAddress === undefined ? '' : ` ${peer.localAddress}`} as ${peer.localAsn};`,
    `  neighbor ${peer.address}${port} ${neighbour};`,
    ...optional(peer.routerId, (id) => `  router id ${id};`),
    `  hold time ${peer.holdTime ?? Math.max(holdSeconds, 3 * (peer.keepaliveTime ?? 0))};`,
    ...optional(peer.keepaliveTime, (seconds) => `  keepalive time ${seconds};`),
    `  connect retry time ${peer.connectTime ?? connectRetrySeconds};`,
    // BIRD's own waits are made for routers of the Internet, and keep a node that has come back out for a minute.
    '  connect delay time 1;',
    '  error wait time 1, 15;',
    ...optional(peer.password, (text) => `  password "${text}";`),
    ...optional(peer.reach, (reach) => `  ${reach};`),
    ...optional(peer.vrf, (vrf) => `  vrf "${vrf}";`),
    `  graceful restart ${peer.gracefulRestart ? 'on' : 'aware'};`,
    ...optional(peer.bfd, bfdText),
    ...channels.flatMap(({ family, nextHop }) => [
      `  ${family} {`,
      '    import none;',
      `    export filter to_${name}_${family};`,
      '    next hop self;',
      ...optional(nextHop, (address) => `    next hop address ${address};`),
      // RFC 8950: a machine without IPv4 still leads to an IPv4 address.
      ...(family === 'ipv4' && nextHop === undefined && peer.address.includes(':')
        ? ['    extended next hop on;']
        : []),
      '  };',
    ]),
    '}',
  );
  return lines;
}

function routeText({ prefix, localPref, communities }: BirdRoute): readonly string[] {
  return [
    `  if net = ${prefix} then {`,
    ...optional(localPref, (value) => `    bgp_local_pref = ${value};`),
    ...communities.map((value) =>
      value.length === 3
        ? `    bgp_large_community.add((${value.join(', ')}));`
        : `    bgp_community.add((${value.join(', ')}));`,
    ),
    '    accept;',
    '  }',
  ];
}

function bfdText({ receiveInterval, transmitInterval, multiplier, passive }: BirdBfd): string {
  const parts = [
    `min rx interval ${receiveInterval} ms;`,
    `min tx interval ${transmitInterval} ms;`,
    `multiplier ${multiplier};`,
    `passive ${passive ? 'on' : 'off'};`,
  ];
  return `  bfd { ${parts.join(' ')} };`;
}

function optional<T>(value: T | undefined, text: (value: T) => string): readonly string[] {
  return value === undefined ? [] : [text(value)];
}

function familyOf(prefix: string): 'ipv4' | 'ipv6' {
  return prefix.includes(':') ? 'ipv6' : 'ipv4';
}
