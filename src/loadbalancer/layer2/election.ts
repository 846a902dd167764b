import { createHash } from 'node:crypto';

/**
 * The order in which nodes come into question for an address: by a hash of both (rendezvous hashing). So addresses spread
 * over the nodes, and of all addresses only those of a node that goes are affected by its going. Pure.
 */
export function rankNodes(address: string, nodes: readonly string[]): readonly string[] {
  const scores = new Map(nodes.map((node) => [node, scoreOf(address, node)]));
  const score = (node: string) => scores.get(node) ?? '';
  return [...scores.keys()].sort((a, b) => (score(a) > score(b) ? -1 : score(a) < score(b) ? 1 : 0));
}

/** Whom of two nodes with equal claims an address belongs to: the higher. */
export function scoreOf(address: string, node: string): string {
  return createHash('sha256').update(`${address}\0${node}`).digest('hex');
}
