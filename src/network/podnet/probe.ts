import { describeError, TerminalError } from '../../core/errors.ts';
import { run } from '../../engines/process/run.ts';
import { type FoundDriver, findIpsec } from '../../engines/strongswan/driver.ts';
import { findDriver, type WireGuardDriver } from '../../engines/wireguard/device.ts';
import type { Backend } from './settings.ts';

/** What a backend finds on this machine. */
export interface Capabilities {
  readonly driver?: WireGuardDriver;
  readonly ipsec?: FoundDriver;
}

/**
 * Tries in a network namespace that is thrown away whether this machine can do a backend. Throws TerminalError
 * BACKEND_UNSUPPORTED with what is missing and what would work instead.
 */
export async function probeBackend(backend: Backend['name']): Promise<Capabilities> {
  const found = await probe(backend);
  if (!('lack' in found)) return found;
  const others: Backend['name'][] = [];
  for (const other of ['wireguard-native', 'vxlan', 'host-gw'] as const)
    if (other !== backend && !('lack' in (await probe(other)))) others.push(other);
  const hostGateway = others.includes('host-gw') ? ' (host-gw where all nodes are on one link)' : '';
  throw new TerminalError('BACKEND_UNSUPPORTED', `--flannel-backend=${backend}: this machine lacks ${found.lack}`, {
    hint: `provide it, or give the server --flannel-backend=${others.join(' or ')}${hostGateway}`,
  });
}

async function probe(backend: Backend['name']): Promise<Capabilities | { readonly lack: string }> {
  switch (backend) {
    case 'host-gw':
      return {};
    case 'vxlan': {
      await run('modprobe', ['-q', 'vxlan']).catch(() => {});
      const add = ['link', 'add', 'probe', 'type', 'vxlan', 'id', '1', 'dstport', '8472', 'nolearning'];
      const refusal = await run('unshare', ['--net', 'ip', ...add]).then(() => null, describeError);
      return refusal === null ? {} : { lack: `VXLAN in the kernel (CONFIG_VXLAN): ${refusal}` };
    }
    case 'wireguard-native':
      return await findDriver();
    case 'ipsec': {
      const found = await findIpsec();
      return 'lack' in found ? found : { ipsec: found };
    }
  }
}
