/** A WireGuard interface, as wg(8) is told. */
export interface WireGuardTunnel {
  readonly name: string;
  /** Base64; secret. */
  readonly privateKey: string;
  readonly port: number;
  readonly peers: readonly WireGuardPeer[];
}

export interface WireGuardPeer {
  readonly publicKey: string;
  readonly endpoint: string;
  readonly port: number;
  /** Ranges that are sent to it and accepted from it. */
  readonly allowed: readonly string[];
  readonly presharedKey: string | undefined;
  /** Seconds; 0: none. */
  readonly keepalive: number;
}

/** A peer as the kernel, or the program in its place, has it. */
export interface ObservedPeer extends Omit<WireGuardPeer, 'endpoint' | 'port'> {
  /** `address:port` where its last packet came from, or as it was told. */
  readonly endpoint: string;
  /** Seconds since the epoch; 0: never. */
  readonly lastHandshake: number;
}

export interface ObservedTunnel {
  readonly privateKey: string;
  readonly port: number;
  readonly peers: readonly ObservedPeer[];
}

/** The text for `wg setconf` and `wg syncconf`. */
export function compileTunnel({ privateKey, port, peers }: WireGuardTunnel): string {
  const sections = peers.map((peer) => [
    '[Peer]',
    `PublicKey = ${peer.publicKey}`,
    ...(peer.presharedKey === undefined ? [] : [`PresharedKey = ${peer.presharedKey}`]),
    `AllowedIPs = ${peer.allowed.join(', ')}`,
    `Endpoint = ${endpointOf(peer)}`,
    ...(peer.keepalive === 0 ? [] : [`PersistentKeepalive = ${peer.keepalive}`]),
  ]);
  return [['[Interface]', `PrivateKey = ${privateKey}`, `ListenPort = ${port}`], ...sections]
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n');
}

function endpointOf({ endpoint, port }: Pick<WireGuardPeer, 'endpoint' | 'port'>): string {
  return endpoint.includes(':') ? `[${endpoint}]:${port}` : `${endpoint}:${port}`;
}

/** Reads `wg show DEVICE dump`: a line for the interface, then one for each peer, fields between tabs. */
export function parseDump(text: string): ObservedTunnel {
  const [head = '', ...rest] = text.split('\n').filter((line) => line !== '');
  const [privateKey = '', , port = ''] = head.split('\t');
  return {
    privateKey,
    port: Number(port),
    peers: rest.map((line) => {
      const [publicKey = '', psk = '', endpoint = '', allowed = '', handshake = '', , , keepalive = ''] =
        line.split('\t');
      return {
        publicKey,
        presharedKey: psk === '(none)' ? undefined : psk,
        endpoint,
        allowed: allowed === '(none)' ? [] : allowed.split(','),
        lastHandshake: Number(handshake),
        keepalive: keepalive === 'off' ? 0 : Number(keepalive),
      };
    }),
  };
}

/** Seconds after a handshake in which a session still stands (REJECT_AFTER_TIME of the protocol). */
const sessionSeconds = 180;

/**
 * Whether a tunnel must be told anew what it shall be. A peer whose packets come from elsewhere than we were told is left alone
 * while its session stands: it is behind an address translation, or has moved before we heard of it. Pure.
 */
export function needsSync(desired: WireGuardTunnel, observed: ObservedTunnel, nowSeconds: number): boolean {
  if (desired.privateKey !== observed.privateKey || desired.port !== observed.port) return true;
  if (desired.peers.length !== observed.peers.length) return true;
  const standing = new Map(observed.peers.map((peer) => [peer.publicKey, peer]));
  return desired.peers.some((peer) => {
    const there = standing.get(peer.publicKey);
    if (there === undefined) return true;
    const isStale = nowSeconds - there.lastHandshake > sessionSeconds;
    return (
      there.presharedKey !== peer.presharedKey ||
      there.keepalive !== peer.keepalive ||
      there.allowed.toSorted().join() !== peer.allowed.toSorted().join() ||
      (isStale && there.endpoint !== endpointOf(peer))
    );
  });
}
