import type { Container, EphemeralContainer, PodSpec } from '../../../types.gen.ts';

/** A container of any kind, with its path below the spec's. */
export interface PlacedContainer {
  readonly container: Container | EphemeralContainer;
  readonly field: string;
}

/** All containers with their paths: init, regular, ephemeral, in the order in which upstream visits them. */
export function placedContainers(spec: PodSpec, field: string): readonly PlacedContainer[] {
  const lists: readonly [string, readonly (Container | EphemeralContainer)[] | undefined][] = [
    ['initContainers', spec.initContainers],
    ['containers', spec.containers],
    ['ephemeralContainers', spec.ephemeralContainers],
  ];
  return lists.flatMap(([name, containers = []]) =>
    containers.map((container, index) => ({ container, field: `${field}.${name}[${index}]` })),
  );
}

export function containersOf(spec: PodSpec): readonly (Container | EphemeralContainer)[] {
  return placedContainers(spec, '').map(({ container }) => container);
}
