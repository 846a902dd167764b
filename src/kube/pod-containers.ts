import type { Container, PodSpec } from './types.gen.ts';

/** An init container that runs on beside the others (KEP-753). */
export function isSidecar({ restartPolicy }: { readonly restartPolicy?: string }): boolean {
  return restartPolicy === 'Always';
}

/** The containers of a pod that runs: the ordinary ones and the sidecars. */
export function runningContainers(spec: PodSpec | undefined): readonly Container[] {
  return [...(spec?.containers ?? []), ...(spec?.initContainers ?? []).filter(isSidecar)];
}
