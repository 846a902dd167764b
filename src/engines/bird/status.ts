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
  readonly bfd: BfdState;
}

/** `none`: the session is not watched by BFD. */
export type BfdState = 'none' | 'up' | 'down';

/** Reads what BIRD answers to `show protocols all` and `show bfd sessions` (BIRD 2.0). Protocols other than BGP are left out. */
export function parseSessions(protocols: string, bfdSessions: string): readonly BirdSession[] {
  const bfd = parseBfd(bfdSessions);
  const sessions: BirdSession[] = [];
  // A protocol begins at the margin; what belongs to it is indented.
  for (const block of protocols.split(/\n(?=\S)/)) {
    const head = /^(\S+)\s+BGP\s+\S+\s+(\S+)/.exec(block);
    if (head === null) continue;
    const state = field(block, 'BGP state') ?? head[2] ?? '';
    sessions.push({
      name: head[1] ?? '',
      isEstablished: state === 'Established',
      state,
      error: field(block, 'Last error') ?? '',
      exported: [...block.matchAll(/^\s+Routes:\s+.*?(\d+) exported/gm)].reduce(
        (sum, [, count]) => sum + Number(count),
        0,
      ),
      bfd: bfd.get(field(block, 'Neighbor address')?.split('%')[0] ?? '') ?? 'none',
    });
  }
  return sessions;
}

function field(block: string, name: string): string | undefined {
  const line = new RegExp(`^\\s+${name}:[^\\S\\n]+(\\S.*)$`, 'm').exec(block);
  return line?.[1]?.trim();
}

// Lines of `address interface state since interval timeout` below a head; several of one address are of several paths.
function parseBfd(text: string): ReadonlyMap<string, BfdState> {
  const states = new Map<string, BfdState>();
  for (const line of text.split('\n')) {
    const [, address, state] = /^([0-9a-f:.]+)\s+\S+\s+(Up|Down|Init|AdminDown)\s/i.exec(line) ?? [];
    if (address !== undefined) states.set(address, state === 'Up' ? 'up' : 'down');
  }
  return states;
}
