import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { Controller } from '../../runtime/controller.ts';
import { RunningTunnels } from './running-tunnels.ts';
import { TunnelServiceController } from './service-controller.ts';
import { TunnelController } from './tunnel-controller.ts';

export interface TunnelsOptions {
  /** For people at the exit: the name of this machine. */
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** The controllers of Tunnels and of the Services of their class. `running` is to be disposed after they have stopped. */
export function createTunnelControllers({ nodeName, clock, log }: TunnelsOptions): {
  readonly controllers: readonly Controller[];
  readonly running: AsyncDisposable;
} {
  const running = new RunningTunnels({ name: nodeName, clock, log });
  const ofServices = new TunnelServiceController(running);
  const ofTunnels = new TunnelController(running, () => ofServices.wake());
  return { controllers: [ofTunnels, ofServices], running };
}
