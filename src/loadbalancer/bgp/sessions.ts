import { protocolName } from '../../engines/bird/config.ts';
import type { BfdState, BirdSession } from '../../engines/bird/status.ts';
import type { Peer } from './configuration.ts';

/** How long a session may take to be established before that is told. */
export const sessionGraceMs = 4000;

/** How this node's session with a peer stands. */
export interface SessionState {
  readonly peer: Peer;
  readonly isUp: boolean;
  /** BGP's own word; `Idle` where there can't be a session. */
  readonly bgp: string;
  readonly bfd: BfdState;
  /** Why it is not established; empty when it is. */
  readonly why: string;
}

/** Something to tell about a peer. */
export interface SessionNews {
  readonly peer: Peer;
  readonly type: 'Normal' | 'Warning';
  readonly reason: 'SessionUp' | 'SessionDown' | 'NoSession';
  readonly message: string;
}

/** How the sessions with `peers` stand, of which `problems` says why some can't be (by the peer's name), and `missing` why BIRD says nothing of one. */
export function sessionStates(
  peers: readonly Peer[],
  problems: ReadonlyMap<string, string>,
  sessions: readonly BirdSession[],
  missing: string,
): readonly SessionState[] {
  return peers.map((peer) => {
    const problem = problems.get(peer.name);
    const session = sessions.find(({ name }) => name === protocolName(peer.name));
    if (problem !== undefined) return { peer, isUp: false, bgp: 'Idle', bfd: 'none', why: problem };
    if (session === undefined) return { peer, isUp: false, bgp: 'Idle', bfd: 'none', why: missing };
    const why = session.isEstablished ? '' : whyNot(peer, session);
    return { peer, isUp: session.isEstablished, bgp: wordOf(session.state), bfd: session.bfd, why };
  });
}

// BIRD calls a session that it closes, and one that waits after an error, by words of its own.
function wordOf(state: string): string {
  return /^(?:Idle|Connect|Active|OpenSent|OpenConfirm|Established)$/.test(state) ? state : 'Idle';
}

/** Why a session is not there, for a person: BIRD's own words, and what they mean here. */
function whyNot({ address, myASN, peerASN, password, passwordSecret }: Peer, { error }: BirdSession): string {
  if (/^$|No route to host|Connection timed out/.test(error)) {
    // The kernel drops what is signed with another password without a word to either end.
    const hasPassword = password !== undefined || passwordSecret !== undefined;
    return `no answer from ${address}${hasPassword ? ': is its password the same?' : ''}`;
  }
  // One of these words follows the other while a router that does not want us is dialled again and again.
  if (/^Socket: Connection (?:closed|reset by peer)$/.test(error)) {
    return `${address} ends the connection: does it expect this node as a neighbour in the autonomous system ${myASN}?`;
  }
  const meaning = meanings.find(([words]) => error.endsWith(words))?.[1];
  return meaning === undefined
    ? error
    : `${error}: ${meaning.replace('MINE', `${myASN}`).replace('THEIRS', `${peerASN}`)}`;
}

const meanings: readonly (readonly [words: string, meaning: string])[] = [
  ['Received: Bad peer AS', 'the router expects another autonomous system than MINE'],
  ['Bad peer AS', "the router's autonomous system is not THEIRS"],
  ['Connection refused', 'no BGP speaker listens there'],
  ['No listening socket', 'another BGP speaker of this node has the port 179'],
  ['BFD session down', 'the router is out of reach, or does not speak BFD with this node'],
];

/** Remembers what was told, so that each thing is told once. */
export class SessionTeller {
  readonly #known = new Map<string, { readonly isUp: boolean; readonly sinceMs: number; readonly told: string }>();

  /** What there is to tell of these states at a time. Peers that are not among them any more are forgotten. */
  news(states: readonly SessionState[], nowMs: number): readonly SessionNews[] {
    const news: SessionNews[] = [];
    const names = new Set(states.map(({ peer }) => peer.name));
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
    for (const { peer, isUp, why } of states) {
      const was = this.#known.get(peer.name) ?? { isUp: false, sinceMs: nowMs, told: '' };
      const sinceMs = was.isUp === isUp ? was.sinceMs : nowMs;
      let { told } = was;
      if (isUp) {
        if (!was.isUp) news.push({ peer, type: 'Normal', reason: 'SessionUp', message: 'the session is established' });
        told = '';
      } else if (was.isUp) {
        news.push({ peer, type: 'Warning', reason: 'SessionDown', message: `the session has ended: ${why}` });
        told = why;
      } else if (told !== why && nowMs - sinceMs >= sessionGraceMs) {
        news.push({ peer, type: 'Warning', reason: 'NoSession', message: `there is no session: ${why}` });
        told = why;
      }
      this.#known.set(peer.name, { isUp, sinceMs, told });
    }
    return news;
  }
}

/** The states in one line, for a person. */
export function summaryOf(states: readonly SessionState[]): { readonly ok: boolean; readonly text: string } {
  const down = states.filter(({ isUp }) => !isUp);
  const count = `${states.length - down.length} of ${states.length} sessions established`;
  const parts = down.map(({ peer, why }) => `${peer.name} (${peer.address ?? peer.interface}): ${why}`);
  return { ok: down.length === 0, text: [count, ...parts].join('; ') };
}
