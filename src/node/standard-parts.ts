import { services } from '../kube/resources.gen.ts';
import type { NodeParts, NodePartsContext } from './agent.ts';
import { createEnvironmentResolver } from './environment/resolver.ts';
import { createHookRunner } from './hooks/runner.ts';
import { createPodEvents } from './pod-events.ts';
import { createProbeRunner } from './probes/runner.ts';
import { createVolumeSet } from './volumes/volumes.ts';

/** The parts of a node agent as every node has them: volumes, environments, probes and hooks of Kubernetes' own meaning. */
export function standardParts(context: NodePartsContext): NodeParts {
  const { cri, client, informers, clock, log, podsFolder } = context;
  const events = createPodEvents(context.events);
  const allocatable = () => context.allocatable();
  return {
    volumes: createVolumeSet({ podsFolder, client, clock, log, events, allocatable }),
    environment: createEnvironmentResolver({
      client,
      services: informers.of(services),
      clock,
      allocatable,
      podsFolder,
    }),
    probes: createProbeRunner({ cri, events, clock }),
    hooks: createHookRunner({ cri, clock }),
  };
}
