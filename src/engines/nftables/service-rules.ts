import { createHash } from 'node:crypto';

/**
 * What the kernel is to do with packets for Services on this node. Plain data; `compileAll` and `compileChange` turn it
 * into nft commands. One look-up in a verdict map finds the Service port, whatever their number.
 */
export interface ServiceRules {
  /** Addresses of pods in the whole cluster, e.g. 10.42.0.0/16: traffic among them keeps its source. */
  readonly clusterCidr: string;
  /** Addresses of this node's pods: their traffic out of the cluster gets the node's address. */
  readonly podCidr: string;
  /** By a name that is unique and stays, e.g. `default/web:http/TCP`. */
  readonly ports: ReadonlyMap<string, ServicePortRule>;
  /** Addresses of Services: what is sent there to no port of theirs is refused, instead of leaving the node. */
  readonly clusterIps: ReadonlySet<string>;
  /** Ports of this node that lead to a container (spec.containers[].ports[].hostPort). */
  readonly hostPorts: readonly HostPortRule[];
}

export interface ServicePortRule {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Addresses on which the port answers: the cluster IP and external IPs. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** On every address of the node. */
  readonly nodePort: number | undefined;
  readonly endpoints: readonly EndpointRule[];
}

export interface EndpointRule {
  readonly address: string;
  readonly port: number;
}

export interface HostPortRule {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Absent: every address of the node. */
  readonly hostIp: string | undefined;
  readonly hostPort: number;
  readonly address: string;
  readonly port: number;
}

/** Mark of packets whose source becomes the node's address; k3s and kube-proxy use the same bit. */
const masqueradeMark = '0x4000';

/** The whole table, replacing whatever stands under its name. */
export function compileAll(table: string, rules: ServiceRules): string {
  const lines = [`add table ip ${table}`, `delete table ip ${table}`, `table ip ${table} {`, skeleton(rules), '}'];
  for (const [name, rule] of rules.ports) lines.push(...addPort(table, name, rule));
  lines.push(...elements(table, 'add', 'cluster-ips', [...rules.clusterIps]));
  lines.push(...hostPortElements(table, 'add', rules.hostPorts));
  return `${lines.join('\n')}\n`;
}

/** The commands that lead from one state to another; empty when they are the same. Both must be of the same ranges. */
export function compileChange(table: string, from: ServiceRules, to: ServiceRules): string {
  const removals: string[] = [];
  const additions: string[] = [];
  for (const [name, rule] of from.ports) {
    const next = to.ports.get(name);
    if (next === undefined || !sameFront(rule, next)) removals.push(...removePort(table, name, rule));
  }
  for (const [name, rule] of to.ports) {
    const former = from.ports.get(name);
    if (former === undefined || !sameFront(former, rule)) additions.push(...addPort(table, name, rule));
    else if (!sameEndpoints(former, rule)) additions.push(...replaceEndpoints(table, name, former, rule));
  }
  const gone = [...from.clusterIps].filter((ip) => !to.clusterIps.has(ip));
  const come = [...to.clusterIps].filter((ip) => !from.clusterIps.has(ip));
  removals.push(...elements(table, 'delete', 'cluster-ips', gone));
  additions.push(...elements(table, 'add', 'cluster-ips', come));
  const key = (p: HostPortRule) => JSON.stringify([p.protocol, p.hostIp, p.hostPort, p.address, p.port]);
  const before = new Set(from.hostPorts.map(key));
  const after = new Set(to.hostPorts.map(key));
  removals.push(
    ...hostPortElements(
      table,
      'delete',
      from.hostPorts.filter((p) => !after.has(key(p))),
    ),
  );
  additions.push(
    ...hostPortElements(
      table,
      'add',
      to.hostPorts.filter((p) => !before.has(key(p))),
    ),
  );
  const lines = [...removals, ...additions];
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function skeleton({ clusterCidr, podCidr }: ServiceRules): string {
  return `
  map service-ports { type ipv4_addr . inet_proto . inet_service : verdict; }
  map node-ports { type inet_proto . inet_service : verdict; }
  map host-ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map host-address-ports { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  set cluster-ips { type ipv4_addr; }
  set no-endpoints { type ipv4_addr . inet_proto . inet_service; }
  set no-endpoints-node { type inet_proto . inet_service; }
  set hairpin { type ipv4_addr . ipv4_addr; }

  chain services {
    ip daddr . meta l4proto . th dport vmap @service-ports
    fib daddr type != local return
    ip daddr 127.0.0.0/8 return
    meta l4proto . th dport vmap @node-ports
    dnat ip to ip daddr . meta l4proto . th dport map @host-address-ports
    dnat ip to meta l4proto . th dport map @host-ports
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    jump services
  }
  chain output {
    type nat hook output priority -100; policy accept;
    jump services
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark & ${masqueradeMark} == ${masqueradeMark} meta mark set meta mark & 0xffffbfff masquerade fully-random
    ct status dnat ip saddr . ip daddr @hairpin masquerade fully-random
    ip saddr ${podCidr} ip daddr != { ${clusterCidr}, 224.0.0.0/4 } fib daddr type != local masquerade fully-random
  }
  chain masquerade-outsiders {
    ip saddr != ${clusterCidr} fib saddr type != local meta mark set meta mark | ${masqueradeMark}
  }
  chain refuse {
    ct state established,related return
    ip daddr . meta l4proto . th dport @no-endpoints counter goto refuse-with
    ip daddr @cluster-ips ct status & dnat == 0 counter goto refuse-with
    fib daddr type local meta l4proto . th dport @no-endpoints-node counter goto refuse-with
  }
  chain refuse-with {
    meta l4proto tcp reject with tcp reset
    reject
  }
  chain input {
    type filter hook input priority -110; policy accept;
    ct state new jump refuse
  }
  chain forward {
    type filter hook forward priority -110; policy accept;
    ct state new jump refuse
  }
  chain filter-output {
    type filter hook output priority -90; policy accept;
    ct state new jump refuse
  }`;
}

/** Chains bear a readable part and a hash, within nft's 128 characters. */
function chainOf(name: string): string {
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 10);
  return `svc-${hash}-${name.replace(/[^A-Za-z0-9.-]/g, '_').slice(0, 80)}`;
}

function addPort(table: string, name: string, rule: ServicePortRule): string[] {
  if (rule.endpoints.length === 0) return noEndpoints(table, 'add', rule);
  const chain = chainOf(name);
  return [
    `add chain ip ${table} ${chain}`,
    ...chainRules(table, chain, rule),
    ...elements(table, 'add', 'hairpin', hairpins(rule)),
    ...elements(
      table,
      'add',
      'service-ports',
      fronts(rule).map((front) => `${front} : goto ${chain}`),
    ),
    ...(rule.nodePort === undefined ? [] : nodePortElements(table, rule, chain)),
  ];
}

// The chain of a node port masquerades everybody: the reply must come back through this node.
function nodePortElements(table: string, rule: ServicePortRule, chain: string): string[] {
  const outer = `np-${chain}`.slice(0, 120);
  return [
    `add chain ip ${table} ${outer}`,
    `add rule ip ${table} ${outer} meta mark set meta mark | ${masqueradeMark} goto ${chain}`,
    ...elements(table, 'add', 'node-ports', [`${rule.protocol} . ${rule.nodePort} : goto ${outer}`]),
  ];
}

function removePort(table: string, name: string, rule: ServicePortRule): string[] {
  if (rule.endpoints.length === 0) return noEndpoints(table, 'delete', rule);
  const chain = chainOf(name);
  const outer = `np-${chain}`.slice(0, 120);
  return [
    ...elements(table, 'delete', 'service-ports', fronts(rule)),
    ...(rule.nodePort === undefined
      ? []
      : [
          ...elements(table, 'delete', 'node-ports', [`${rule.protocol} . ${rule.nodePort}`]),
          `flush chain ip ${table} ${outer}`,
          `delete chain ip ${table} ${outer}`,
        ]),
    `flush chain ip ${table} ${chain}`,
    `delete chain ip ${table} ${chain}`,
  ];
}

function replaceEndpoints(table: string, name: string, former: ServicePortRule, rule: ServicePortRule): string[] {
  if (former.endpoints.length === 0 || rule.endpoints.length === 0) {
    return [...removePort(table, name, former), ...addPort(table, name, rule)];
  }
  const chain = chainOf(name);
  return [
    `flush chain ip ${table} ${chain}`,
    ...chainRules(table, chain, rule),
    ...elements(table, 'add', 'hairpin', hairpins(rule)),
  ];
}

function chainRules(table: string, chain: string, { endpoints, protocol }: ServicePortRule): string[] {
  const rule = (text: string) => `add rule ip ${table} ${chain} ${text}`;
  const only = endpoints[0];
  const target =
    endpoints.length === 1 && only !== undefined
      ? `${only.address}:${only.port}`
      : `numgen random mod ${endpoints.length} map { ${endpoints.map((e, i) => `${i} : ${e.address} . ${e.port}`).join(', ')} }`;
  return [rule('jump masquerade-outsiders'), rule(`meta l4proto ${protocol} dnat ip to ${target}`)];
}

function noEndpoints(table: string, verb: 'add' | 'delete', rule: ServicePortRule): string[] {
  return [
    ...elements(table, verb, 'no-endpoints', fronts(rule)),
    ...(rule.nodePort === undefined
      ? []
      : elements(table, verb, 'no-endpoints-node', [`${rule.protocol} . ${rule.nodePort}`])),
  ];
}

function fronts(rule: ServicePortRule): string[] {
  return rule.addresses.map((address) => `${address} . ${rule.protocol} . ${rule.port}`);
}

// Pairs are only added: several ports share them, and a pair whose pod is gone matches nothing.
function hairpins(rule: ServicePortRule): string[] {
  return [...new Set(rule.endpoints.map((e) => `${e.address} . ${e.address}`))];
}

function hostPortElements(table: string, verb: 'add' | 'delete', ports: readonly HostPortRule[]): string[] {
  return ports.flatMap((p) => {
    const value = verb === 'add' ? ` : ${p.address} . ${p.port}` : '';
    const key = `${p.protocol} . ${p.hostPort}`;
    return [
      ...(p.hostIp === undefined
        ? elements(table, verb, 'host-ports', [`${key}${value}`])
        : elements(table, verb, 'host-address-ports', [`${p.hostIp} . ${key}${value}`])),
      ...(verb === 'add' ? elements(table, 'add', 'hairpin', [`${p.address} . ${p.address}`]) : []),
    ];
  });
}

function elements(table: string, verb: 'add' | 'delete', set: string, items: readonly string[]): string[] {
  return items.length === 0 ? [] : [`${verb} element ip ${table} ${set} { ${items.join(', ')} }`];
}

function sameFront(a: ServicePortRule, b: ServicePortRule): boolean {
  return (
    a.protocol === b.protocol &&
    a.port === b.port &&
    a.nodePort === b.nodePort &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, i) => address === b.addresses[i])
  );
}

function sameEndpoints(a: ServicePortRule, b: ServicePortRule): boolean {
  return (
    a.endpoints.length === b.endpoints.length &&
    a.endpoints.every((e, i) => e.address === b.endpoints[i]?.address && e.port === b.endpoints[i]?.port)
  );
}
