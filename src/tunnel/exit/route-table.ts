import type { RouteRequest, RouteVerdict } from '../../wire/tunnel-messages.ts';
import { normalizeHost, patternsFor } from '../host-names.ts';
import { type TokenSpec, whyForbidden } from '../tokens.ts';
import { routeId } from '../upstream.ts';

/** What the table needs to know of a client's session. */
export interface Claimant {
  /** Differs for each session. */
  readonly id: string;
  readonly token: TokenSpec;
}

interface Claim<S> {
  readonly token: string;
  /** Oldest first; each with its own name for the route. */
  readonly holders: { readonly session: S; readonly route: string }[];
  next: number;
}

/** A session that serves a route, and its name for it. */
export interface Holder<S> {
  readonly session: S;
  readonly route: string;
}

/**
 * Who serves which host name and which port. A route belongs to the token that came first; all clients of that token share it.
 * Holds no sockets: what to open and close is read off it.
 */
export class RouteTable<S extends Claimant> {
  readonly #claims = new Map<string, Claim<S>>();

  /** Claims a route, or says why not. */
  claim(session: S, route: RouteRequest): RouteVerdict {
    const { id } = route;
    const key = routeId(route);
    const { token } = session;
    if (route.kind === 'http' && route.host !== '' && normalizeHost(route.host.replace(/^\*\./, '')) === undefined)
      return { id, state: 'refused', code: 'BAD_HOST', message: `${JSON.stringify(route.host)} is no host name` };
    const forbidden = whyForbidden(token, route);
    if (forbidden !== undefined) return { id, state: 'refused', code: 'FORBIDDEN', message: forbidden };
    const standing = this.#claims.get(key);
    if (standing !== undefined && standing.token !== token.name) {
      const message = `${key} is held by the clients of token ${JSON.stringify(standing.token)}`;
      return { id, state: 'refused', code: 'TAKEN', message };
    }
    const claim = standing ?? { token: token.name, holders: [], next: 0 };
    if (!claim.holders.some((holder) => holder.session === session)) claim.holders.push({ session, route: id });
    this.#claims.set(key, claim);
    return { id, state: 'open' };
  }

  /** Gives up what a session holds, but for `keep` (keys as routeId makes them). */
  release(session: S, keep: ReadonlySet<string> = new Set()): void {
    for (const [key, claim] of this.#claims) {
      if (keep.has(key)) continue;
      const at = claim.holders.findIndex((holder) => holder.session === session);
      if (at >= 0) claim.holders.splice(at, 1);
      if (claim.holders.length === 0) this.#claims.delete(key);
    }
  }

  /** Gives up a route for all sessions: its port could not be opened. */
  revoke(key: string): void {
    this.#claims.delete(key);
  }

  /** The ports that somebody serves, as `tcp/80`. */
  ports(): ReadonlySet<string> {
    return new Set([...this.#claims.keys()].filter((key) => !key.startsWith('http/')));
  }

  /** Who serves a port, the one whose turn it is first. */
  forPort(kind: 'tcp' | 'udp', port: number): readonly Holder<S>[] {
    return this.#turn(routeId({ kind, port }));
  }

  /** Who serves a host name, by the most specific pattern that anybody serves. */
  forHost(host: string): readonly Holder<S>[] {
    for (const pattern of patternsFor(host)) {
      const holders = this.#turn(routeId({ kind: 'http', host: pattern }));
      if (holders.length > 0) return holders;
    }
    return [];
  }

  /** For a status page: each route, its token and how many clients serve it. */
  list(): readonly { readonly route: string; readonly token: string; readonly clients: number }[] {
    return [...this.#claims].map(([route, { token, holders }]) => ({ route, token, clients: holders.length }));
  }

  #turn(key: string): readonly Holder<S>[] {
    const claim = this.#claims.get(key);
    if (claim === undefined) return [];
    const { holders } = claim;
    claim.next = (claim.next + 1) % holders.length;
    return [...holders.slice(claim.next), ...holders.slice(0, claim.next)];
  }
}
