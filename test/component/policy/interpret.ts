import type { PolicyCondition, PolicyRules } from '../../../src/engines/nftables/policy-rules.ts';
import { contains, rangeOf } from '../../../src/network/policy/ranges.ts';
import type { Connection } from './oracle.ts';

/** What a node's rules do with the first packet of a connection that it forwards: as nftables would, on plain data. */
export function interpret(rules: PolicyRules, connection: Connection): 'allow' | 'deny' {
  const { client, server } = connection;
  const isOwn = (address: string) =>
    rules.ownRanges.some((cidr) => {
      const range = rangeOf(cidr);
      return range !== undefined && contains(range, address);
    });
  const clientChains = rules.pods.get(client);
  const serverChains = rules.pods.get(server);
  if (clientChains !== undefined && client === server) return 'allow';
  if (clientChains === undefined && isOwn(client)) return 'deny';
  if (clientChains?.egress && run(rules, clientChains.egress, connection) === 'deny') return 'deny';
  if (serverChains === undefined && isOwn(server)) return 'deny';
  if (serverChains?.ingress && run(rules, serverChains.ingress, connection) === 'deny') return 'deny';
  return 'allow';
}

function run(rules: PolicyRules, name: string, connection: Connection): 'allow' | 'deny' | undefined {
  for (const { when, verdict } of rules.chains.get(name)?.rules ?? []) {
    if (!when.every((condition) => holds(rules, condition, connection))) continue;
    if (verdict === 'allow' || verdict === 'deny') return verdict;
    const inner = run(rules, 'jump' in verdict ? verdict.jump : verdict.goto, connection);
    if (inner !== undefined || 'goto' in verdict) return inner;
  }
  return undefined;
}

function holds(rules: PolicyRules, condition: PolicyCondition, connection: Connection): boolean {
  if ('side' in condition) {
    const address = condition.side === 'client' ? connection.client : connection.server;
    return 'in' in condition ? isIn(rules, condition.in, address) : !isIn(rules, condition.notIn, address);
  }
  if (condition.protocol !== connection.protocol.toLowerCase()) return false;
  const { ports } = condition;
  if (ports === undefined) return true;
  if ('from' in ports) return ports.from <= connection.port && connection.port <= ports.to;
  return [...(rules.sets.get(ports.set)?.elements ?? [])].some((text) => {
    const [from = '', to = from] = text.split('-');
    return Number(from) <= connection.port && connection.port <= Number(to);
  });
}

function isIn(rules: PolicyRules, name: string, address: string): boolean {
  const set = rules.sets.get(name);
  if (set === undefined) throw new Error(`there is no set ${name}`);
  if (set.kind === 'addresses') return set.elements.has(address);
  return [...set.elements].some((text) => {
    const [from = '', to = from] = text.split('-');
    const [low, high] = [
      rangeOf(`${from}/${from.includes(':') ? 128 : 32}`),
      rangeOf(`${to}/${to.includes(':') ? 128 : 32}`),
    ];
    return low !== undefined && high !== undefined && contains({ ...low, to: high.to }, address);
  });
}
