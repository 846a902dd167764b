/**
 * The rules by which a machine hands packets of connections that it does not know to the machine that does: connections to an
 * address that has moved from one to the other. What begins a connection is not theirs to judge.
 */

/** Hops that a relayed packet may take at most. What has as few left is not relayed: so nothing goes to and fro for ever. */
const relayedHops = 8;

/** Addresses of machines, by the address that has moved from or to them. Both of one family. */
export type RelayTargets = ReadonlyMap<string, string>;

/**
 * nft commands that replace the table, or take it away when there is nothing to relay. Priority -150 lies behind connection
 * tracking and before Services: a connection that the machine knows goes its way.
 */
export function compileRelays(family: 'ip' | 'ip6', table: string, targets: RelayTargets): string {
  const name = `${family} ${table}`;
  const replaced = `table ${name} {}\ndelete table ${name}\n`;
  if (targets.size === 0) return replaced;
  const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  const hops = family === 'ip' ? 'ip ttl' : 'ip6 hoplimit';
  const elements = [...targets].sort(([a], [b]) => (a < b ? -1 : 1)).map(([from, to]) => `${from} : ${to}`);
  return `${replaced}table ${name} {
  set addresses {
    type ${type}
    elements = { ${[...targets.keys()].sort().join(', ')} }
  }
  map holders {
    type ${type} : ${type}
    elements = { ${elements.join(', ')} }
  }
  chain relay {
    type filter hook prerouting priority -150; policy accept;
    ct state { new, invalid } tcp flags & (syn | rst | ack) != syn ${hops} > ${relayedHops} ${family} daddr @addresses goto hand-over
  }
  chain hand-over {
    ${hops} set ${relayedHops} dup to ${family} daddr map @holders drop
  }
}
`;
}
