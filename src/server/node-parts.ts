import { services } from '../kube/resources.gen.ts';
import type { NodeParts, NodePartsContext } from '../node/agent.ts';
import { createEnvironmentResolver } from '../node/environment/resolver.ts';
import { createHookRunner } from '../node/hooks/runner.ts';
import { createPodEvents } from '../node/pod-events.ts';
import { createProbeRunner } from '../node/probes/runner.ts';
import { createVolumeSet } from '../node/volumes/volumes.ts';

/** Joins the node agent with its volumes, environment, probes and hooks. */
export function nodeParts(context: NodePartsContext): NodeParts {
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
