import { join } from 'node:path';
import { createBird } from '../engines/bird/bird.ts';
import { BgpSpeaker } from '../loadbalancer/bgp/speaker.ts';
import { Layer2Announcer } from '../loadbalancer/layer2/controller.ts';
import { layer2Table } from './names.ts';
import type { NodeEnvironment } from './node.ts';
import type { Paths } from './paths.ts';

/** What announces this node's addresses. */
export interface Announcing {
  /**
   * Addresses that are announced by ARP and NDP are handed to other nodes. With `keep` BIRD runs on, so that its routes stay
   * up while Wherry itself restarts; without, they are withdrawn. A second call changes nothing.
   */
  stop(keep: boolean): Promise<void>;
}

/** Announces the addresses of Services from this node, as the configuration of load balancers says. */
export async function startAnnouncing(environment: NodeEnvironment): Promise<Announcing> {
  const { options, paths, progress, clock, log } = environment;
  const bird = createBird({ folder: birdFolder(paths), clock, log: log.child({ room: 'bgp' }) });
  let isReported = false;
  const speaker = new BgpSpeaker({
    nodeName: options.nodeName,
    bird,
    onStatus: (status) => {
      if (status !== null) progress.report('BGP', status.ok ? 'running' : 'failed', status.text);
      else if (isReported) progress.report('BGP', 'stopped', 'no peers');
      isReported = status !== null;
    },
  });
  const layer2 = new Layer2Announcer({
    nodeName: options.nodeName,
    nodeIps: options.nodeIps,
    table: layer2Table,
    onStatus: (status) => {
      const isShown = progress.components.some(({ name }) => name === 'Layer 2');
      if (status !== null) progress.report('Layer 2', status.ok ? 'running' : 'failed', status.text);
      else if (isShown) progress.report('Layer 2', 'running', 'there is no L2Advertisement any longer');
    },
  });
  await environment.runAsNode([speaker, layer2]);
  let stopped: Promise<unknown> | undefined;
  return {
    async stop(keep) {
      stopped ??= Promise.all([speaker.stop(keep), layer2[Symbol.asyncDispose]()]);
      await stopped;
    },
  };
}

/** Ends the BIRD that a node which does not run has left. */
export async function endBird(paths: Paths, { clock, log }: Pick<NodeEnvironment, 'clock' | 'log'>): Promise<void> {
  await createBird({ folder: birdFolder(paths), clock, log }).stop();
}

function birdFolder({ agent }: Paths): string {
  return join(agent, 'bird');
}
