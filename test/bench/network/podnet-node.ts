/** Applies the pod network of one of two nodes, as the node agent would: `podnet-node.ts BACKEND FOLDER NUMBER PEER-KEY?`; prints its key. */
import { systemClock } from '../../../src/core/clock.ts';
import { silentLog } from '../../../src/core/log.ts';
import { observeLinks } from '../../../src/engines/iproute2/observe.ts';
import { createCharon } from '../../../src/engines/strongswan/charon.ts';
import { findIpsec } from '../../../src/engines/strongswan/driver.ts';
import { findDriver } from '../../../src/engines/wireguard/device.ts';
import { nodeKeys } from '../../../src/engines/wireguard/keys.ts';
import type { Peer } from '../../../src/network/podnet/annotations.ts';
import { applyPlan, type KernelOptions } from '../../../src/network/podnet/kernel.ts';
import { ownFamily, planNetwork } from '../../../src/network/podnet/plan.ts';
import {
  type Backend,
  defaultBackends,
  flannelTypes,
  type IpsecBackend,
} from '../../../src/network/podnet/settings.ts';
import { findUnderlay } from '../../../src/network/podnet/underlay.ts';

const roundsMax = 100;
const roundMs = 100;

const [name = '', folder = '', number = '', peerKey] = process.argv.slice(2);
const backend = Object.values<Backend>(defaultBackends).find((one) => one.name === name);
if (backend === undefined) throw new Error(`there is no backend ${name}`);
const keys = await nodeKeys(`${folder}/wireguard.key`);
if (peerKey !== undefined) {
  const found = await findDriver();
  const ipsec = await findIpsec();
  const other = number === '1' ? '2' : '1';
  const describe = (one: string, publicKey: string): Peer => ({
    name: `n${one}`,
    type: flannelTypes[backend.name],
    v4: ownFamily(`n${one}`, 'v4', backend, { podCidr: `10.42.${one}.0/24`, address: `198.18.0.1${one}`, publicKey }),
    v6: undefined,
  });
  const underlay = findUnderlay({ nodeIps: [`198.18.0.1${number}`], iface: undefined }, await observeLinks());
  if ('problem' in underlay) throw new Error(underlay.problem);
  const plan = planNetwork({
    ...{ backend, underlay },
    own: describe(number, keys.publicKey),
    peers: [describe(other, peerKey)],
    clusterCidrs: ['10.42.0.0/16'],
    onLink: new Set([`198.18.0.1${other}`]),
    privateKey: keys.privateKey,
    ipsecDriver: 'driver' in ipsec ? ipsec.driver : undefined,
  });
  const applied = await applyPlan(plan, {
    folder,
    clock: systemClock,
    driver: 'driver' in found ? found.driver : undefined,
    charon: backend.name === 'ipsec' ? await startCharon(backend, ipsec) : undefined,
  });
  const [refusal] = [...applied.broken, ...applied.refused];
  if (refusal !== undefined) throw new Error(`${refusal.line}: ${refusal.reason}`);
}
process.stdout.write(`${keys.publicKey}\n`);
// What runs in the background stays; connections to it would keep this process.
process.exit();

/** Keeps the tunnels by a secret that both nodes know, and waits until they stand. */
async function startCharon(
  { espProposal, udpEncap }: IpsecBackend,
  found: Awaited<ReturnType<typeof findIpsec>>,
): Promise<KernelOptions['charon']> {
  if ('lack' in found) throw new Error(found.lack);
  const charon = createCharon({ folder, found, clock: systemClock, log: silentLog, onChange: () => {} });
  const identity = { kind: 'secret', secret: 'bench'.repeat(20) } as const;
  return {
    ensure: () => charon.ensure(),
    async apply(tunnels) {
      for (let round = 0; ; round++) {
        const down = await charon.apply({ tunnels, identity, espProposal, udpEncap });
        if (down.length === 0 || round === roundsMax) return down;
        await systemClock.sleep(roundMs);
      }
    },
  };
}
