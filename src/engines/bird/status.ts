/** A BGP session as BIRD tells it. */
export interface BirdSession {
  /** The protocol's name. */
  readonly name: string;
  readonly isEstablished: boolean;
  /** BGP's own word: Established, Active, Connect, Idle, OpenSent, ... */
  readonly state: string;
  /** What BIRD says of a session that is not there: `Socket: Connection refused`; empty when nothing. */
  readonly error: string;
  /** Routes that the neighbour was told. */
  readonly exported: number;
}

/** Reads what `birdc show protocols all` prints (BIRD 2.0). Protocols other than BGP are left out. */
export function parseProtocols(text: string): readonly BirdSession[] {
  const sessions: BirdSession[] = [];
  // A protocol begins at the margin; what belongs to it is indented.
  for (const block of text.split(/\n(?=\S)/)) {
    const head = /^(\S+)\s+BGP\s+\S+\s+(\S+)/.exec(block);
    if (head === null) continue;
    const state = /^\s+BGP state:\s+(\S.*)$/m.exec(block)?.[1]?.trim() ?? head[2] ?? '';
    const error = /^\s+Last error:\s+(\S.*)$/m.exec(block)?.[1]?.trim() ?? '';
    const exported = [...block.matchAll(/^\s+Routes:\s+.*?(\d+) exported/gm)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );
    sessions.push({ name: head[1] ?? '', isEstablished: state === 'Established', state, error, exported });
  }
  return sessions;
}
