/** Whose packets get the node's address, as Flannel decides it. */
export interface MasqueradeRules {
  readonly families: readonly MasqueradeFamily[];
}

export interface MasqueradeFamily {
  /** The addresses of all pods of the cluster. */
  readonly clusterCidr: string;
  /** Those of this node's pods. */
  readonly podCidr: string;
}

/**
 * The whole table, replacing what stands under its name: pods reach pods under their own addresses, whoever reaches this node's
 * pods from outside keeps his, pods reach the world as the node, and so does who reaches other nodes' pods through this one.
 */
export function compileMasquerade(table: string, { families }: MasqueradeRules): string {
  return [
    `add table inet ${table}`,
    `delete table inet ${table}`,
    `table inet ${table} {`,
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat; policy accept;',
    ...families.flatMap(rules).map((rule) => `    ${rule}`),
    '  }',
    '}',
    '',
  ].join('\n');
}

function rules({ clusterCidr, podCidr }: MasqueradeFamily): readonly string[] {
  const ip = clusterCidr.includes(':') ? 'ip6' : 'ip';
  const multicast = clusterCidr.includes(':') ? 'ff00::/8' : '224.0.0.0/4';
  return [
    `${ip} saddr ${clusterCidr} ${ip} daddr { ${clusterCidr}, ${multicast} } return`,
    `${ip} daddr ${podCidr} return`,
    `${ip} saddr ${clusterCidr} masquerade fully-random`,
    `${ip} daddr ${clusterCidr} masquerade fully-random`,
  ];
}
