import { addElements, declareSets, deleteElements, familiesOf, suffixOf } from './policy-sets.ts';
import { forwardTo, policySkeleton, stampRules } from './policy-skeleton.ts';

/**
 * Which connections of this node's pods may be. Plain data; `compilePolicies` and `compilePolicyChange` turn it into nft
 * commands.
 *
 * A connection is judged by its client and its server as connection tracking knows them: the client before its address
 * was masqueraded, the server after a Service's address was replaced. So packets of both directions meet the same rules.
 */
export interface PolicyRules {
  readonly families: readonly IpFamily[];
  /** Ranges of this node's pods. An address of theirs that is no key of `pods` may speak to nobody. */
  readonly ownRanges: readonly string[];
  /** The cluster DNS's addresses: part of the node, so pods reach their port 53 whatever policies say. */
  readonly dns: readonly string[];
  readonly sets: ReadonlyMap<string, PolicySet>;
  readonly chains: ReadonlyMap<string, PolicyChain>;
  /** This node's pods, by address. */
  readonly pods: ReadonlyMap<string, PodChains>;
}

export type IpFamily = 4 | 6;
export type PolicyProtocol = 'tcp' | 'udp' | 'sctp';

/** Elements are addresses, ranges of addresses (`10.0.0.0-10.0.0.255`), or ports (`80`, `80-90`). */
export interface PolicySet {
  readonly kind: 'addresses' | 'ranges' | 'ports';
  readonly elements: ReadonlySet<string>;
}

/** Where a pod's connections are judged; null: all are allowed. */
export interface PodChains {
  /** As server. */
  readonly ingress: string | null;
  /** As client of another pod or machine. */
  readonly egress: string | null;
  /** As client of its own node. */
  readonly node: string | null;
}

export type PolicyDirection = keyof PodChains;

export interface PolicyChain {
  readonly direction: PolicyDirection;
  readonly rules: readonly PolicyRule[];
}

/** Holds when all its conditions do. */
export interface PolicyRule {
  readonly when: readonly PolicyCondition[];
  readonly verdict: PolicyVerdict;
}

export type PolicyCondition =
  | { readonly side: 'client' | 'server'; readonly in: string }
  | { readonly side: 'client' | 'server'; readonly notIn: string }
  | { readonly protocol: PolicyProtocol; readonly ports?: PortRange | { readonly set: string } };

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** `jump` comes back when nothing there matched, `goto` does not. A packet that comes to the end of all is allowed. */
export type PolicyVerdict = 'allow' | 'deny' | { readonly jump: string } | { readonly goto: string };

/** The whole table, replacing whatever stands under its name, in one step. */
export function compilePolicies(table: string, rules: PolicyRules, generation: number): string {
  const lines = [`add table inet ${table}`, `delete table inet ${table}`, policySkeleton(table, rules, generation)];
  for (const [name, set] of rules.sets) {
    lines.push(...declareSets(table, rules, name, set));
    lines.push(...addElements(table, rules, name, set.kind, [...set.elements]));
  }
  for (const name of rules.chains.keys()) lines.push(`add chain inet ${table} ${name}`);
  for (const [name, chain] of rules.chains) lines.push(...chainRules(table, rules, name, chain));
  for (const [address, chains] of rules.pods) lines.push(...addPod(table, address, chains));
  return `${lines.join('\n')}\n`;
}

/**
 * The commands that lead from one state to another, empty when they are the same. With them every connection is judged
 * anew by its next packet. Throws when the states differ in what only `compilePolicies` can change.
 */
export function compilePolicyChange(table: string, from: PolicyRules, to: PolicyRules, generation: number): string {
  if (!isSameFrame(from, to)) throw new Error('the ranges of the node have changed');
  const lines = [
    ...newSets(table, from, to),
    ...newChains(table, from, to),
    ...changedPods(table, from, to),
    ...goneChains(table, from, to),
    ...goneSets(table, from, to),
  ];
  if (lines.length === 0) return '';
  return `${[...lines, ...stampRules(table, generation)].join('\n')}\n`;
}

/** Whether `compilePolicyChange` can lead from the one to the other. */
export function isSameFrame(a: PolicyRules, b: PolicyRules): boolean {
  const frame = ({ families, ownRanges, dns }: PolicyRules) => JSON.stringify([families, ownRanges, dns]);
  return frame(a) === frame(b);
}

function newSets(table: string, from: PolicyRules, to: PolicyRules): string[] {
  const lines: string[] = [];
  for (const [name, set] of to.sets) {
    const former = from.sets.get(name);
    if (former === set || former?.elements === set.elements) continue;
    if (former === undefined) {
      lines.push(...declareSets(table, to, name, set), ...addElements(table, to, name, set.kind, [...set.elements]));
      continue;
    }
    if (set.kind !== 'addresses') {
      // Intervals that touch are not told apart when one goes and another comes.
      lines.push(...familiesOf(to, set.kind).map((suffix) => `flush set inet ${table} ${name}${suffix}`));
      lines.push(...addElements(table, to, name, set.kind, [...set.elements]));
      continue;
    }
    const gone = [...former.elements].filter((element) => !set.elements.has(element));
    const come = [...set.elements].filter((element) => !former.elements.has(element));
    lines.push(...deleteElements(table, to, name, set.kind, gone), ...addElements(table, to, name, set.kind, come));
  }
  return lines;
}

function newChains(table: string, from: PolicyRules, to: PolicyRules): string[] {
  const declarations: string[] = [];
  const contents: string[] = [];
  for (const [name, chain] of to.chains) {
    const former = from.chains.get(name);
    if (former === chain) continue;
    const content = chainRules(table, to, name, chain);
    if (former === undefined) declarations.push(`add chain inet ${table} ${name}`);
    else if (content.join('\n') === chainRules(table, from, name, former).join('\n')) continue;
    else contents.push(`flush chain inet ${table} ${name}`);
    contents.push(...content);
  }
  return [...declarations, ...contents];
}

function changedPods(table: string, from: PolicyRules, to: PolicyRules): string[] {
  const lines: string[] = [];
  for (const [address, chains] of from.pods) {
    const next = to.pods.get(address);
    if (next === undefined || !isSamePod(chains, next)) lines.push(...deletePod(table, address, chains));
  }
  for (const [address, chains] of to.pods) {
    const former = from.pods.get(address);
    if (former === undefined || !isSamePod(former, chains)) lines.push(...addPod(table, address, chains));
  }
  return lines;
}

// Flushed first: a chain can't go while a rule leads to it.
function goneChains(table: string, from: PolicyRules, to: PolicyRules): string[] {
  const gone = [...from.chains.keys()].filter((name) => !to.chains.has(name));
  return ['flush', 'delete'].flatMap((verb) => gone.map((name) => `${verb} chain inet ${table} ${name}`));
}

function goneSets(table: string, from: PolicyRules, to: PolicyRules): string[] {
  return [...from.sets]
    .filter(([name]) => !to.sets.has(name))
    .flatMap(([name, { kind }]) => familiesOf(from, kind).map((suffix) => `delete set inet ${table} ${name}${suffix}`));
}

function isSamePod(a: PodChains, b: PodChains): boolean {
  return a.ingress === b.ingress && a.egress === b.egress && a.node === b.node;
}

function addPod(table: string, address: string, { ingress, egress, node }: PodChains): string[] {
  const suffix = suffixOf(address);
  const add = (set: string, element: string) => `add element inet ${table} ${set}${suffix} { ${element} }`;
  const isFree = ingress === null && egress === null;
  return [
    add('clients', `${address} : goto ${egress ?? forwardTo.egress}`),
    add('servers', `${address} : goto ${ingress ?? forwardTo.ingress}`),
    add('node-clients', `${address} : goto ${node ?? forwardTo.node}`),
    add('selves', `${address} . ${address}`),
    add(isFree ? 'free' : 'bound', address),
  ];
}

function deletePod(table: string, address: string, { ingress, egress }: PodChains): string[] {
  const suffix = suffixOf(address);
  const remove = (set: string, element: string) => `delete element inet ${table} ${set}${suffix} { ${element} }`;
  const isFree = ingress === null && egress === null;
  return [
    ...['clients', 'servers', 'node-clients'].map((map) => remove(map, address)),
    remove('selves', `${address} . ${address}`),
    remove(isFree ? 'free' : 'bound', address),
  ];
}

function chainRules(table: string, rules: PolicyRules, name: string, chain: PolicyChain): string[] {
  return chain.rules.flatMap((rule) =>
    ruleTexts(rules, chain.direction, rule).map((text) => `add rule inet ${table} ${name} ${text}`),
  );
}

/** One rule for each family where addresses count. */
function ruleTexts(rules: PolicyRules, direction: PolicyDirection, { when, verdict }: PolicyRule): readonly string[] {
  const hasAddress = when.some((condition) => 'side' in condition);
  const text = verdictText(direction, verdict);
  const families: readonly (IpFamily | undefined)[] = hasAddress ? rules.families : [undefined];
  return families.map((family) => [...when.map((condition) => conditionText(condition, family)), text].join(' '));
}

function conditionText(condition: PolicyCondition, family: IpFamily | undefined): string {
  if ('side' in condition) {
    const key = `ct ${condition.side === 'client' ? 'original' : 'reply'} ${family === 6 ? 'ip6' : 'ip'} saddr`;
    return 'in' in condition ? `${key} @${condition.in}-${family}` : `${key} != @${condition.notIn}-${family}`;
  }
  const { protocol, ports } = condition;
  const start = `meta l4proto ${protocol}`;
  if (ports === undefined) return start;
  if ('set' in ports) return `${start} ct reply proto-src @${ports.set}`;
  return `${start} ct reply proto-src ${ports.from === ports.to ? ports.from : `${ports.from}-${ports.to}`}`;
}

function verdictText(direction: PolicyDirection, verdict: PolicyVerdict): string {
  if (verdict === 'allow') return `goto ${forwardTo[direction]}`;
  if (verdict === 'deny') return `goto deny-${direction === 'ingress' ? 'ingress' : 'egress'}`;
  return 'jump' in verdict ? `jump ${verdict.jump}` : `goto ${verdict.goto}`;
}
