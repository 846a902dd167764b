import { type FieldError, forbidden, invalid, wholeObject } from '../../../field-error.ts';
import { isSidecar } from '../../../pod-containers.ts';
import { qosClassOf } from '../../../qos.ts';
import type { Container, Pod, PodSpec, ResourceRequirements } from '../../../types.gen.ts';
import type { Errors } from '../../common.ts';
import { equalInternally } from '../../internal-form.ts';
import { validateMetaUpdateOfKind } from '../../meta.ts';
import type { ResourceList } from '../../resources.ts';
import { mirrorAnnotation } from './annotations.ts';
import { metadataAndSpecErrors, specOf } from './pod.ts';
import { rulesForUpdate } from './update.ts';

/** The resize endpoint: CPU and memory of running containers may change, and nothing else. */
export function validatePodResize(pod: Pod, old: Pod): readonly FieldError[] {
  const refusal = refusalOf(old);
  return refusal === undefined ? [...resizeErrors(pod, old)] : [forbidden(wholeObject, refusal)];
}

function refusalOf(old: Pod): string | undefined {
  if (old.metadata.annotations?.[mirrorAnnotation] !== undefined) return 'static pods cannot be resized';
  return specOf(old).os?.name === 'windows' ? 'windows pods cannot be resized' : undefined;
}

function* resizeErrors(pod: Pod, old: Pod): Errors {
  const spec = specOf(pod);
  const oldSpec = specOf(old);
  yield* validateMetaUpdateOfKind(pod.metadata, old.metadata);
  const errors = [...metadataAndSpecErrors(pod, rulesForUpdate(old))];
  yield* errors;
  for (const list of ['containers', 'initContainers'] as const) {
    if ((spec[list] ?? []).length !== (oldSpec[list] ?? []).length) {
      yield forbidden(`spec.${list}`, 'containers may not be added or removed on resize');
      return;
    }
  }
  const further = [...resizableErrors(pod, old), ...fixedErrors(spec, oldSpec)];
  yield* further;
  if (errors.length + further.length === 0 && !equalButForResources(spec, oldSpec)) {
    yield forbidden('spec', 'only cpu and memory resources are mutable');
  }
}

function* resizableErrors(pod: Pod, old: Pod): Errors {
  const spec = specOf(pod);
  const oldSpec = specOf(old);
  if ((old.status?.qosClass ?? qosClassOf(oldSpec)) !== qosClassOf(spec)) {
    yield invalid('spec', pod.status?.qosClass ?? '', 'Pod QOS Class may not change as a result of resizing');
  }
  if (!isResizeSupported(old)) yield forbidden('spec', 'Pod running on node without support for resize');
  yield* nothingRemoved(spec.resources, oldSpec.resources, 'spec.resources');
  for (const [index, before] of (oldSpec.initContainers ?? []).entries()) {
    if (!isSidecar(before)) continue;
    const field = `spec.initContainers[${index}].resources`;
    yield* nothingRemoved(spec.initContainers?.[index]?.resources, before.resources, field);
  }
  for (const [index, before] of (oldSpec.containers ?? []).entries()) {
    const field = `spec.containers[${index}].resources`;
    yield* nothingRemoved(spec.containers[index]?.resources, before.resources, field);
  }
}

/** A running container shows its resources where the node can resize it; without any, the node may. */
function isResizeSupported({ status }: Pod): boolean {
  const running = (status?.containerStatuses ?? []).find(({ state }) => state?.running !== undefined);
  return running === undefined || running.resources !== undefined;
}

function* nothingRemoved(
  resources: ResourceRequirements | undefined,
  old: ResourceRequirements | undefined,
  field: string,
): Errors {
  for (const list of ['requests', 'limits'] as const) {
    const names = Object.keys(old?.[list] ?? {});
    if (names.some((name) => resources?.[list]?.[name] === undefined)) {
      yield forbidden(`${field}.${list}`, `resource ${list} cannot be removed`);
    }
  }
}

function* fixedErrors(spec: PodSpec, old: PodSpec): Errors {
  for (const [index, container] of (spec.containers ?? []).entries()) {
    if (!equalButForCpuAndMemory(container, old.containers[index])) {
      yield forbidden('spec', 'only cpu and memory resources are mutable');
    }
  }
  for (const [index, container] of (spec.initContainers ?? []).entries()) {
    const before = old.initContainers?.[index];
    if (isSidecar(container)) {
      if (!equalButForCpuAndMemory(container, before)) {
        yield forbidden('spec', 'only cpu and memory resources for sidecar containers are mutable');
      }
    } else if (!equalInternally('Container', container, before)) {
      yield forbidden('spec', 'resources for non-sidecar init containers are immutable');
    }
  }
}

function equalButForCpuAndMemory(container: Container, old: Container | undefined): boolean {
  return equalInternally(
    'Container',
    { ...container, resources: withOldComputed(container.resources, old?.resources) },
    old,
  );
}

function withOldComputed(
  resources: ResourceRequirements | undefined,
  old: ResourceRequirements | undefined,
): ResourceRequirements {
  const merge = (list: ResourceList | undefined, before: ResourceList | undefined): ResourceList => {
    const { cpu: _cpu, memory: _memory, ...others } = list ?? {};
    const { cpu, memory } = before ?? {};
    return { ...others, ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memory }) };
  };
  return {
    limits: merge(resources?.limits, old?.limits),
    requests: merge(resources?.requests, old?.requests),
    ...(resources?.claims !== undefined && { claims: resources.claims }),
  };
}

function equalButForResources(spec: PodSpec, old: PodSpec): boolean {
  const munged = {
    ...spec,
    containers: old.containers,
    initContainers: old.initContainers,
    ...(spec.resources !== undefined && { resources: withOldComputed(spec.resources, old.resources) }),
  };
  return equalInternally('PodSpec', munged, old);
}
