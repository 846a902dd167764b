import { join } from 'node:path';
import { createBird } from '../engines/bird/bird.ts';
import { BgpSpeaker } from '../loadbalancer/bgp/speaker.ts';
import type { NodeEnvironment } from './node.ts';

/**
 * Announces the addresses of Services from this node, as the configuration of load balancers says. Disposing leaves BIRD
 * running: its routes stay up while Wherry itself restarts.
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
  await environment.runAsNode([speaker]);
  return { [Symbol.asyncDispose]: () => speaker.stop(true) };
}
