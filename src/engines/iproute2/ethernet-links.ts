import { isObject } from '../../core/json.ts';
import { run } from '../process/run.ts';

/** An Ethernet interface that is up. */
export interface EthernetInterface {
  readonly name: string;
  readonly index: number;
  readonly mac: string;
}

/** The interfaces on which frames of this machine's own leave: Ethernet, up, and no part of a bridge or a bond. */
export async function observeEthernet(): Promise<readonly EthernetInterface[]> {
  const { stdout } = await run('ip', ['-j', 'link', 'show']);
  return parseEthernet(JSON.parse(stdout));
}

/** The same of the output of `ip -j link show`. */
export function parseEthernet(output: unknown): readonly EthernetInterface[] {
  if (!Array.isArray(output)) return [];
  return output.filter(isObject).flatMap((link) => {
    const { ifname, ifindex, address, flags } = link;
    if (typeof ifname !== 'string' || typeof ifindex !== 'number' || typeof address !== 'string') return [];
    if (link['link_type'] !== 'ether' || link['master'] !== undefined) return [];
    if (!Array.isArray(flags) || !flags.includes('UP') || flags.includes('NOARP')) return [];
    return [{ name: ifname, index: ifindex, mac: address }];
  });
}
