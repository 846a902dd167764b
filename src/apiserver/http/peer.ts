import { TLSSocket } from 'node:tls';

/** What a connection's client showed of itself. */
export interface Peer {
  /** DER of the certificate, when the client CA signed it. The same array for as long as the connection lasts. */
  readonly certificate: Uint8Array | undefined;
  /** A certificate was shown that nobody we trust has signed. */
  readonly isUntrusted: boolean;
}

const nobody: Peer = { certificate: undefined, isUntrusted: false };

/** The client certificates of connections, each read once. */
export class Peers {
  readonly #known = new WeakMap<object, Peer>();

  of(session: object): Peer {
    const known = this.#known.get(session);
    if (known !== undefined) return known;
    const peer = session instanceof TLSSocket ? peerOf(session) : nobody;
    this.#known.set(session, peer);
    return peer;
  }
}

function peerOf(socket: TLSSocket): Peer {
  const raw: unknown = socket.getPeerCertificate().raw;
  if (!(raw instanceof Uint8Array)) return nobody;
  return socket.authorized ? { certificate: raw, isUntrusted: false } : { certificate: undefined, isUntrusted: true };
}
