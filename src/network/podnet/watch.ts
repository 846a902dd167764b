import type { NetworkPlan } from './plan.ts';

/** Whether a line of `ip monitor` or `bridge monitor` may be about something of the plan. Pure. */
export function isRelevant(line: string, plan: NetworkPlan, clusterCidrs: readonly string[]): boolean {
  const words = line.split(/[\s@]+/).map((word) => word.replace(/:$/, ''));
  const devices = plan.devices.map(({ name }) => name);
  if (words.some((word) => devices.includes(word))) return true;
  // Our own routes, also those that lead nowhere.
  if (words.includes('unreachable') || words.some((word) => clusterCidrs.includes(word))) return true;
  if (plan.routes.some(({ destination }) => words.includes(destination))) return true;
  // Neighbours of the underlay come and go all the time; its addresses and its MTU matter.
  const underlays = new Set(plan.devices.flatMap((device) => (device.kind === 'vxlan' ? [device.underlay] : [])));
  if (words.includes('lladdr') || words.includes('FAILED') || words.includes('INCOMPLETE')) return false;
  return words.includes('mtu') || words.includes('inet') || words.includes('inet6')
    ? !words.some((word) => /^veth/.test(word)) || words.some((word) => underlays.has(word))
    : false;
}

/** The gateway's IPv6 address that a line shows to wait for duplicate address detection on a pod's veth. Pure. */
export function tentativeGateway(
  line: string,
  podCidr: string | undefined,
): { readonly device: string; readonly address: string } | undefined {
  if (podCidr === undefined || !line.includes('tentative') || line.startsWith('Deleted')) return undefined;
  const [, device = '', address = ''] = /(veth\w+)\s+inet6 (\S+\/128) /.exec(line) ?? [];
  const network = podCidr.slice(0, podCidr.indexOf('/'));
  return address === `${network}1/128` ? { device, address } : undefined;
}
