import { applyRules, deleteTable } from '../../engines/nftables/nft.ts';
import { compileRelays } from '../../engines/nftables/relay-rules.ts';
import type { Node } from '../../kube/types.gen.ts';
import type { ControllerContext } from '../../runtime/controller.ts';
import { parseAddress } from '../pools/address.ts';
import { addressOfNode } from './plan.ts';
import type { SpeakerState } from './thread-orders.ts';

/** How long connections that a node knows outlast the move of their address to another one, milliseconds. */
export const relayMs = 600_000;
const families = ['ip', 'ip6'] as const;

/**
 * Lets connections outlast a hand-over. A node hands packets of connections to a Service's address that it does not know to the
 * node that holds the address. So when it takes the address itself, all is in place: it goes on to hand them to the node that
 * held it before, unless that is dead.
 */
export class Relays {
  readonly #table: string;
  /** Since when this node holds an address, monotonic milliseconds. */
  readonly #sinceMs = new Map<string, number>();
  readonly #applied = new Map<string, string>();
  #isRefused = false;

  constructor(table: string) {
    this.#table = table;
  }

  /** Makes the kernel's rules fit; returns in how many milliseconds they will no longer, if nothing changes. */
  async follow(
    state: SpeakerState,
    nodes: readonly Node[],
    { clock, log }: ControllerContext,
  ): Promise<number | undefined> {
    const nowMs = clock.monotonic();
    const byName = new Map(nodes.map((node) => [node.metadata.name ?? '', node]));
    const targets = new Map<string, string>();
    for (const [address, name] of this.#targets(state, nowMs)) {
      const family = parseAddress(address)?.family;
      const node = byName.get(name);
      const target = node === undefined || family === undefined ? undefined : addressOfNode(node, family);
      if (target !== undefined) targets.set(address, target);
    }
    for (const family of families) {
      const relayed = new Map([...targets].filter(([address]) => address.includes(':') === (family === 'ip6')));
      const script = compileRelays(family, this.#table, relayed);
      if (this.#applied.get(family) === script) continue;
      try {
        await applyRules(script);
        this.#isRefused = false;
      } catch (error) {
        // Addresses are answered for all the same.
        if (!this.#isRefused && relayed.size > 0)
          log.warn('connections will not outlast a move of their address: the kernel refuses rules with "dup"', {
            error,
          });
        this.#isRefused = true;
      }
      this.#applied.set(family, script);
    }
    const ends = [...this.#sinceMs.values()].map((sinceMs) => sinceMs + relayMs).filter((endMs) => endMs > nowMs);
    return ends.length === 0 ? undefined : Math.min(...ends) - nowMs;
  }

  #targets({ held, heldByOthers, alive, left }: SpeakerState, nowMs: number): ReadonlyMap<string, string> {
    const targets = new Map(heldByOthers);
    const own = new Set(held.map(({ address }) => address));
    for (const address of this.#sinceMs.keys()) if (!own.has(address)) this.#sinceMs.delete(address);
    for (const { address, previous } of held) {
      const sinceMs = this.#sinceMs.get(address) ?? nowMs;
      this.#sinceMs.set(address, sinceMs);
      if (previous === undefined || nowMs >= sinceMs + relayMs) continue;
      // Who has stopped orderly may start again; meanwhile the kernel there carries its connections on.
      if (alive.includes(previous) || left.includes(previous)) targets.set(address, previous);
    }
    return targets;
  }
}

/** Takes the rules out of the kernel. */
export async function removeRelays(table: string): Promise<void> {
  for (const family of families) await deleteTable(family, table);
}
