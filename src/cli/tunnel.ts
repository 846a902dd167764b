import type { Command } from 'commander';
import { addTunnelClient } from './tunnel-client.ts';
import { addTunnelServer } from './tunnel-server.ts';

/** `wherry tunnel`: public access for what has no public address. Flags carry inlets' names. */
export function addTunnel(program: Command): void {
  const command = program
    .command('tunnel')
    .description('make what is behind NAT reachable through a machine with a public address');
  addTunnelServer(command);
  addTunnelClient(command);
}
