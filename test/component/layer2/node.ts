/** A node of the test: the thread that answers, told by lines of JSON what there is to answer for. Ends with its input. */
import { createInterface } from 'node:readline';
import { systemClock } from '../../../src/core/clock.ts';
import { observeEthernet } from '../../../src/engines/iproute2/ethernet-links.ts';
import { Answering } from '../../../src/loadbalancer/layer2/answering.ts';
import type { WantedAddress } from '../../../src/loadbalancer/layer2/speaker.ts';

/** A line of input. */
export interface NodeOrder {
  readonly peers: Readonly<Record<string, string>>;
  readonly wanted: readonly WantedAddress[];
}

/** A line of output. */
export interface NodeState {
  readonly held: readonly string[];
  readonly alive: readonly string[];
}

const [nodeName = '', address = '', key = ''] = process.argv.slice(2);
const links = (await observeEthernet()).filter(({ name }) => name === 'eth0');
const answering = new Answering({
  ...{ nodeName, address, port: 7946, key: Buffer.from(key, 'hex'), clock: systemClock },
  onState({ held, alive }) {
    const state: NodeState = { held: held.map((one) => one.address), alive };
    process.stdout.write(`${JSON.stringify(state)}\n`);
  },
  onFailure(error) {
    throw error;
  },
});
await answering.started;
for await (const line of createInterface({ input: process.stdin })) {
  const { peers, wanted }: NodeOrder = JSON.parse(line);
  answering.configure({
    peers: new Map(Object.entries(peers)),
    wanted: wanted.map((one) => ({ ...one, interfaces: [] })),
    links,
  });
}
await answering[Symbol.asyncDispose]();
