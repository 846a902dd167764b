import path from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { applyBatch, type Refusal } from '../../engines/iproute2/batch.ts';
import { compileChange, isEmptyChange } from '../../engines/iproute2/change.ts';
import { observeNetwork } from '../../engines/iproute2/observe.ts';
import type { TunnelDown } from '../../engines/strongswan/charon.ts';
import type { IpsecTunnel } from '../../engines/strongswan/config.ts';
import { applyTunnel, type WireGuardDriver } from '../../engines/wireguard/device.ts';
import type { NetworkPlan } from './plan.ts';

/** What carries out a plan. */
export interface KernelOptions {
  /** Keys and logs of the programs that are started. */
  readonly folder: string;
  readonly clock: Clock;
  readonly driver: WireGuardDriver | undefined;
  readonly charon?:
    | { ensure(): Promise<void>; apply(tunnels: readonly IpsecTunnel[]): Promise<readonly TunnelDown[]> }
    | undefined;
}

export interface Applied {
  /** Whether something had to be changed. */
  readonly changed: boolean;
  /** Devices that could not be made: no other node is reached. */
  readonly broken: readonly Refusal[];
  /** Routes and entries that were refused: some nodes are not reached. */
  readonly refused: readonly Refusal[];
  /** Tunnels of IPsec that do not stand, or not yet. */
  readonly down: readonly TunnelDown[];
}

/** Compares the kernel with a plan and changes what differs, and nothing else. May be called any number of times. */
export async function applyPlan(plan: NetworkPlan, { folder, clock, driver, charon }: KernelOptions): Promise<Applied> {
  // Keys before routes: what is sent to a tunnel must find its peer.
  if (driver !== undefined) {
    for (const tunnel of plan.tunnels)
      await applyTunnel(tunnel, { driver, clock, logFile: path.join(folder, `${tunnel.name}.log`) });
  }
  await charon?.ensure();
  const devices = new Set(plan.devices.map(({ name }) => name));
  const change = compileChange(plan, await observeNetwork(devices));
  const tunnels = async () => (charon === undefined ? [] : await charon.apply(plan.security));
  if (isEmptyChange(change)) return { changed: false, broken: [], refused: [], down: await tunnels() };
  const broken = await applyBatch('ip', change.devices);
  const forwarding = await applyBatch('bridge', change.forwarding);
  const entries = await applyBatch('ip', change.entries);
  return { changed: true, broken, refused: [...forwarding, ...entries], down: await tunnels() };
}
