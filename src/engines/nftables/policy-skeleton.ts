import type { IpFamily, PolicyRules } from './policy-rules.ts';

/**
 * Bits of the connection mark that hold the generation by whose rules a connection was allowed. The others are left
 * alone: 0xff0000 is Tailscale's, 0x4000 and 0x8000 are kube-proxy's and Wherry's own marks of packets.
 */
export const generationMask = 0xff000fff;
/** Generations count from 1 to this, then begin anew; 0 is a connection that nobody judged. */
export const generationMax = 1_048_575;

/** A generation as it stands in a connection's mark. */
export function generationMark(generation: number): number {
  return (((generation & 0xff000) << 12) | (generation & 0xfff)) >>> 0;
}

/** The inverse of generationMark. */
export function generationOf(mark: number): number {
  return ((mark >>> 12) & 0xff000) | (mark & 0xfff);
}

/** Denied flows that are remembered for each direction, family and kind; of more only the drops are counted. */
export const deniedFlowsMax = 4096;
/** Seconds after its last packet that a denied flow is remembered. */
const deniedFlowSeconds = 120;
/** Pods whose rate of denied flows is watched at the same time. */
const deniedPodsMax = 4096;
/** Denied packets of one pod that are recorded, a second and at once. */
const deniedRate = 20;
const deniedBurst = 100;

/** Chains that a connection comes to when a stage allows it. */
export const forwardTo = { ingress: 'allow', egress: 'server-of-pod', node: 'allow' } as const;

/** The sets of denied flows, each of one direction, kind and family. */
export function deniedKinds(
  families: PolicyRules['families'],
): readonly { readonly set: string; readonly direction: 'ingress' | 'egress' }[] {
  return (['ingress', 'egress'] as const).flatMap((direction) =>
    ['ports', 'others'].flatMap((kind) =>
      families.map((family) => ({ set: `denied-${direction}-${kind}-${family}`, direction })),
    ),
  );
}

/**
 * What stands in the table whatever the policies are. A packet of a connection that today's rules allowed is let through
 * by its mark. Others come to the client's chain, from there to the server's, and then to `allow`, which marks them.
 */
export function policySkeleton(table: string, rules: PolicyRules, generation: number): string {
  const each = (text: (ip: string, family: number) => string) =>
    rules.families.map((family) => text(family === 6 ? 'ip6' : 'ip', family)).join('\n    ');
  return `table inet ${table} {
${rules.families.map((family) => setsOf(family, rules)).join('\n')}
  chain current {
    ${currentRule(generation)}
  }
  chain allow {
    ${stampRule(generation)}
    accept
  }
  counter denied { }
  chain deny-ingress {
    ${each((ip, family) => recordRules('ingress', `ct reply ${ip} saddr`, ip, family))}
    counter name denied drop
  }
  chain deny-egress {
    ${each((ip, family) => recordRules('egress', `ct original ${ip} saddr`, ip, family))}
    counter name denied drop
  }
  chain unknown {
    counter drop
  }
  chain stateless {
    ${each((ip, family) =>
      ['saddr', 'daddr']
        .map(
          (side) =>
            `${ip} ${side} @bound-${family} goto unknown\n    ${ip} ${side} @own-${family} ${ip} ${side} != @free-${family} goto unknown`,
        )
        .join('\n    '),
    )}
    accept
  }
  chain server-of-pod {
    ${each((ip, family) => `ct reply ${ip} saddr vmap @servers-${family}`)}
    ${each((ip, family) => `ct reply ${ip} saddr @own-${family} goto unknown`)}
    goto allow
  }
  chain forward {
    type filter hook forward priority -10; policy accept;
    jump current
    ct state invalid,untracked goto stateless
    ${each((ip, family) => `ct original ${ip} saddr . ct reply ${ip} saddr @selves-${family} goto allow`)}
    ${each((ip, family) => `ct original ${ip} saddr vmap @clients-${family}`)}
    ${each((ip, family) => `ct original ${ip} saddr @own-${family} goto unknown`)}
    ${each((ip, family) => `ct reply ${ip} saddr vmap @servers-${family}`)}
    ${each((ip, family) => `ct reply ${ip} saddr @own-${family} goto unknown`)}
  }
  chain input {
    type filter hook input priority -10; policy accept;
    iifname "lo" accept
    jump current
    ct direction reply accept
    ${each((ip, family) => {
      const client = `ct original ${ip} saddr`;
      return `${client} @own-${family} ${client} != @free-${family} ${client} != @bound-${family} goto unknown`;
    })}
    ${each((ip, family) => `${ip} daddr @dns-${family} meta l4proto { tcp, udp } th dport 53 accept`)}
    ${each((ip, family) => `ct original ${ip} saddr vmap @node-clients-${family}`)}
  }
}`;
}

function setsOf(family: IpFamily, { ownRanges, dns }: PolicyRules): string {
  const type = family === 6 ? 'ipv6_addr' : 'ipv4_addr';
  const ofFamily = (addresses: readonly string[]) => {
    const own = addresses.filter((address) => address.includes(':') === (family === 6));
    return own.length === 0 ? '' : `elements = { ${own.join(', ')} }; `;
  };
  const memory = `flags dynamic,timeout; timeout ${deniedFlowSeconds}s;`;
  const denied = (['ingress', 'egress'] as const).map(
    (direction) => `
  set denied-${direction}-ports-${family} { type ${type} . ${type} . inet_proto . inet_service; size ${deniedFlowsMax}; ${memory} }
  set denied-${direction}-others-${family} { type ${type} . ${type} . inet_proto; size ${deniedFlowsMax}; ${memory} }`,
  );
  return `  map clients-${family} { type ${type} : verdict; }
  map servers-${family} { type ${type} : verdict; }
  map node-clients-${family} { type ${type} : verdict; }
  set selves-${family} { type ${type} . ${type}; }
  set free-${family} { type ${type}; }
  set bound-${family} { type ${type}; }
  set own-${family} { type ${type}; flags interval; ${ofFamily(ownRanges)}}
  set dns-${family} { type ${type}; ${ofFamily(dns)}}
  set watched-${family} { type ${type}; size ${deniedPodsMax}; ${memory} }${denied.join('')}`;
}

/** Remembers a denied flow, as often as its pod's rate allows. Packets of replies tell nothing new. */
function recordRules(direction: 'ingress' | 'egress', subject: string, ip: string, family: number): string {
  const rate = `update @watched-${family} { ${subject} limit rate ${deniedRate}/second burst ${deniedBurst} packets }`;
  const flow = `ct original ${ip} saddr . ct reply ${ip} saddr . meta l4proto`;
  const first = `ct direction original meta l4proto`;
  return [
    `${first} { tcp, udp, sctp } ${rate} update @denied-${direction}-ports-${family} { ${flow} . th dport counter }`,
    `${first} != { tcp, udp, sctp } ${rate} update @denied-${direction}-others-${family} { ${flow} counter }`,
  ].join('\n    ');
}

/** What replaces the rules that hold the generation: connections are judged anew when it changes. */
export function stampRules(table: string, generation: number): readonly string[] {
  return [
    `flush chain inet ${table} current`,
    `add rule inet ${table} current ${currentRule(generation)}`,
    `flush chain inet ${table} allow`,
    `add rule inet ${table} allow ${stampRule(generation)}`,
    `add rule inet ${table} allow accept`,
  ];
}

function currentRule(generation: number): string {
  return `ct mark & ${hex(generationMask)} == ${hex(generationMark(generation))} accept`;
}

function stampRule(generation: number): string {
  return `ct mark set ct mark & ${hex(~generationMask)} | ${hex(generationMark(generation))}`;
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
}
