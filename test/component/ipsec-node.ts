/**
 * Keeps the IPsec tunnels of one of several nodes, as the node agent would, until its input ends:
 * `ipsec-node.ts FOLDER NUMBER NODES IDENTITY-FILE`. Says what does not stand whenever that changes, a line of JSON each.
 */
import { readFile } from 'node:fs/promises';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { observeLinks } from '../../src/engines/iproute2/observe.ts';
import { createCharon } from '../../src/engines/strongswan/charon.ts';
import type { IpsecIdentity } from '../../src/engines/strongswan/config.ts';
import { findIpsec } from '../../src/engines/strongswan/driver.ts';
import type { Peer } from '../../src/network/podnet/annotations.ts';
import { applyPlan } from '../../src/network/podnet/kernel.ts';
import { ownFamily, planNetwork } from '../../src/network/podnet/plan.ts';
import { defaultBackends } from '../../src/network/podnet/settings.ts';
import { findUnderlay } from '../../src/network/podnet/underlay.ts';

const [folder = '', number = '', nodes = '', identityFile = ''] = process.argv.slice(2);
const backend = defaultBackends.ipsec;
const found = await findIpsec();
if ('lack' in found) throw new Error(found.lack);
const identity: IpsecIdentity = JSON.parse(await readFile(identityFile, 'utf8'));

const addresses = (one: number) => ({ v4: `198.18.0.${one + 10}`, v6: `fd18:1::${one + 10}` });
const describe = (one: number): Peer => {
  const name = `n${one}`;
  const facts = (podCidr: string, address: string) => ({ podCidr, address, publicKey: undefined });
  return {
    name,
    type: 'ipsec',
    v4: ownFamily(name, 'v4', backend, facts(`10.42.${one}.0/24`, addresses(one).v4)),
    v6: ownFamily(name, 'v6', backend, facts(`fd00:42:0:${one}::/64`, addresses(one).v6)),
  };
};
const others = Array.from({ length: Number(nodes) }, (_, index) => index + 1).filter((one) => one !== Number(number));
const charon = createCharon({ folder, found, clock: systemClock, log: silentLog, onChange: () => {} });

let isEnding = false;
process.stdin.resume().once('end', () => {
  isEnding = true;
});
let said = '';
while (!isEnding) {
  const own = addresses(Number(number));
  const underlay = findUnderlay({ nodeIps: [own.v4, own.v6], iface: undefined }, await observeLinks());
  if ('problem' in underlay) throw new Error(underlay.problem);
  const plan = planNetwork({
    ...{ backend, underlay, own: describe(Number(number)), peers: others.map(describe) },
    clusterCidrs: ['10.42.0.0/16', 'fd00:42::/56'],
    onLink: new Set(),
    privateKey: undefined,
    ipsecDriver: found.driver,
  });
  const { espProposal, udpEncap } = backend;
  const outcome = await applyPlan(plan, {
    ...{ folder, clock: systemClock, driver: undefined },
    charon: {
      ensure: () => charon.ensure(),
      apply: (tunnels) => charon.apply({ tunnels, identity, espProposal, udpEncap }),
    },
  }).then(
    ({ down, refused, broken }) => ({ driver: found.driver, mtu: plan.mtu, down, refused: [...broken, ...refused] }),
    (error: unknown) => ({ error: String(error) }),
  );
  const line = JSON.stringify(outcome);
  if (line !== said) process.stdout.write(`${line}\n`);
  said = line;
  await systemClock.sleep(300);
}
await charon[Symbol.asyncDispose]();
