import type { Draft } from '../draft.ts';
import { atNeediest, quantities } from '../pod-resources.ts';
import type { Container, Pod, PodSpec } from '../types.gen.ts';
import { setPodSpecDefaults } from './pod-spec.ts';

type ResourceList = Record<string, string>;

/** Defaults of a pod. Requests follow limits here and not in templates, so that a template's limits can still change. */
export function setPodDefaults(pod: Draft<Pod>): void {
  const spec = pod.spec;
  if (spec === undefined) return;
  for (const container of allContainers(spec)) requestLimits(container);
  if (spec.resources !== undefined) setPodLevelResources(spec);
  spec.enableServiceLinks ??= true;
  if (spec.hostNetwork === true) for (const container of allContainers(spec)) claimHostPorts(container);
  setPodSpecDefaults(spec);
}

function allContainers(spec: Draft<PodSpec>): readonly Draft<Container>[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
}

function requestLimits(container: Draft<Container>): void {
  const { limits } = container.resources ?? {};
  if (limits === undefined) return;
  container.resources ??= {};
  container.resources.requests = { ...limits, ...container.resources.requests };
}

// In the host's network a container's port is the host's.
function claimHostPorts(container: Draft<Container>): void {
  for (const port of container.ports ?? []) port.hostPort ??= port.containerPort;
}

/** KEP-2837: what the pod as a whole asks for follows from its containers and from its own limits. */
function setPodLevelResources(spec: Draft<PodSpec>): void {
  const resources = spec.resources;
  if (resources === undefined) return;
  if (Object.keys(resources.requests ?? {}).length > 0) {
    const limits: ResourceList = { ...resources.limits };
    for (const [name, value] of Object.entries(aggregate(spec, 'limits'))) {
      if (name.startsWith('hugepages-')) limits[name] ??= value;
    }
    if (Object.keys(limits).length > 0) resources.limits = limits;
  }
  if (Object.keys(resources.limits ?? {}).length === 0) return;
  const requests: ResourceList = { ...resources.requests };
  for (const source of [aggregate(spec, 'requests'), resources.limits ?? {}]) {
    for (const [name, value] of Object.entries(source)) if (isPodLevelResource(name)) requests[name] ??= value;
  }
  if (Object.keys(requests).length > 0) resources.requests = requests;
}

function isPodLevelResource(name: string): boolean {
  return name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');
}

function aggregate(spec: Draft<PodSpec>, member: 'limits' | 'requests'): ResourceList {
  return { ...atNeediest({ spec }, ({ resources }) => resources?.[member] ?? {}, quantities) };
}
