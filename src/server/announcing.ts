import { join } from 'node:path';
import { createBird } from '../engines/bird/bird.ts';
import { BgpSpeaker } from '../loadbalancer/bgp/speaker.ts';
import { Layer2Announcer } from '../loadbalancer/layer2/controller.ts';
import type { NodeEnvironment } from './node.ts';

/**
 * Announces the addresses of Services from this node, as the configuration of load balancers says. Disposing leaves BIRD
 * running: its routes stay up while Wherry itself restarts. Addresses that are announced by ARP and NDP are handed to other nodes.
 */
export async function startAnnouncing(environment: NodeEnvironment): Promise<AsyncDisposable> {
  const { options, paths, progress, clock } = environment;
  const bird = createBird({ folder: join(paths.agent, 'bird'), clock, log: environment.log.child({ room: 'bgp' }) });
  const speaker = new BgpSpeaker({
    nodeName: options.nodeName,
    bird,
    onStatus: (status) => {
      if (status !== null) progress.report('BGP', status.ok ? 'running' : 'failed', status.text);
    },
  });
  const layer2 = new Layer2Announcer({
    nodeName: options.nodeName,
    nodeIps: options.nodeIps,
    onStatus: (status) => {
      if (status !== null) progress.report('Layer 2', status.ok ? 'running' : 'failed', status.text);
    },
  });
  await environment.runAsNode([speaker, layer2]);
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all([speaker.stop(true), layer2[Symbol.asyncDispose]()]);
    },
  };
}
