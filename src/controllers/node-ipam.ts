import ipaddr from 'ipaddr.js';
import { TerminalError } from '../core/errors.ts';
import { keyOf } from '../kube/resource.ts';
import { nodes } from '../kube/resources.gen.ts';
import type { Node } from '../kube/types.gen.ts';
import { type Controller, done, watchOf } from '../runtime/controller.ts';

export interface NodeIpamOptions {
  /** E.g. `10.42.0.0/16`; one range a family. */
  readonly clusterCidrs: readonly string[];
  /** Prefix length of a node's IPv4 range; 24 when absent. */
  readonly nodeMaskSizeIPv4?: number;
  /** Prefix length of a node's IPv6 range; 64 when absent. */
  readonly nodeMaskSizeIPv6?: number;
}

/** One address range that is cut into equal parts for nodes. */
interface Range {
  readonly base: bigint;
  readonly bits: 32 | 128;
  readonly maskSize: number;
  readonly count: bigint;
}

function parseRange(cidr: string, maskSizes: { readonly 32: number; readonly 128: number }): Range {
  const [address, prefix] = ipaddr.parseCIDR(cidr);
  const bits = address.kind() === 'ipv4' ? 32 : 128;
  const maskSize = maskSizes[bits];
  if (maskSize < prefix) {
    throw new TerminalError('CLUSTER_CIDR_TOO_SMALL', `${cidr} holds no range of /${maskSize} for a node`, {
      hint: 'give a larger --cluster-cidr or a larger node mask size',
    });
  }
  const hostBits = BigInt(bits - prefix);
  const value = address.toByteArray().reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { base: (value >> hostBits) << hostBits, bits, maskSize, count: 1n << BigInt(maskSize - prefix) };
}

function partOf(range: Range, index: bigint): string {
  const value = range.base + (index << BigInt(range.bits - range.maskSize));
  const bytes = Array.from({ length: range.bits / 8 }, (_, at) =>
    Number((value >> BigInt(range.bits - 8 * (at + 1))) & 255n),
  );
  return `${ipaddr.fromByteArray(bytes).toString()}/${range.maskSize}`;
}

/** The first part of each range that no node has; undefined when a range is used up. Pure. */
export function planPodCidrs(options: NodeIpamOptions, used: ReadonlySet<string>): readonly string[] | undefined {
  const maskSizes = { 32: options.nodeMaskSizeIPv4 ?? 24, 128: options.nodeMaskSizeIPv6 ?? 64 };
  const found: string[] = [];
  for (const cidr of options.clusterCidrs) {
    const range = parseRange(cidr, maskSizes);
    let part: string | undefined;
    // As many parts are in use as there are entries, so the search ends after one more than that.
    const limit = range.count < BigInt(used.size + 1) ? range.count : BigInt(used.size + 1);
    for (let index = 0n; index < limit && part === undefined; index++) {
      const candidate = partOf(range, index);
      if (!used.has(candidate)) part = candidate;
    }
    if (part === undefined) return undefined;
    found.push(part);
  }
  return found;
}

function cidrsOf({ spec }: Node): readonly string[] {
  return spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []);
}

/** Gives each node its range of pod addresses, once and for all. */
export function createNodeIpamController(options: NodeIpamOptions): Controller {
  /** Given, perhaps not yet in the cache. */
  const given = new Map<string, readonly string[]>();
  return {
    name: 'node-ipam-controller',
    eventSource: 'cidrAllocator',
    // One at a time: two nodes must not get the same range.
    concurrency: 1,
    watches: [watchOf(nodes, (node) => [keyOf(node)])],
    async reconcile(key, { informers, client, events }) {
      const node = informers.of(nodes).get(key);
      if (!node) given.delete(key);
      if (!node || cidrsOf(node).length > 0) return done;
      const used = new Set([...informers.of(nodes).list().flatMap(cidrsOf), ...[...given.values()].flat()]);
      const podCIDRs = given.get(key) ?? planPodCidrs(options, used);
      if (!podCIDRs) {
        events.event(node, 'Normal', 'CIDRNotAvailable', `Node ${key} status is now: CIDRNotAvailable`);
        throw new TerminalError('CIDR_NOT_AVAILABLE', `no pod address range is left for node ${key}`, {
          hint: 'give a larger --cluster-cidr',
        });
      }
      given.set(key, podCIDRs);
      const body = { spec: { podCIDR: podCIDRs[0], podCIDRs } };
      await client.patch(nodes, { name: key }, { type: 'strategic', body });
      return done;
    },
  };
}
