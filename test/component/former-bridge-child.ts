/** Applies a node's network on the machine that it runs on: `former-bridge-child.ts CONFIG-FOLDER ADDRESS-FOLDER apply|tend`. */
import { applyNetwork, tendFormerBridge } from '../../src/engines/cni/network.ts';

const [configFolder = '', addressFolder = '', action] = process.argv.slice(2);
if (action === 'apply')
  await applyNetwork(configFolder, { name: 'wherry', podCidrs: ['10.42.0.0/24'], mtu: 1450, addressFolder });
process.stdout.write(`${await tendFormerBridge(addressFolder, 'when empty')}\n`);
