import type { Pod } from '../kube/types.gen.ts';
import type { EventRecorder } from '../runtime/controller.ts';
import { containerFieldPath, type SpecContainer } from './pods/identity.ts';

/** Events about pods and about single containers of them. Never throws. */
export interface PodEvents {
  pod(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string): void;
  container(pod: Pod, spec: SpecContainer, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export function createPodEvents(recorder: EventRecorder): PodEvents {
  return {
    pod: (pod, type, reason, message) => recorder.event(pod, type, reason, message),
    container: (pod, spec, type, reason, message) =>
      recorder.event(pod, type, reason, message, containerFieldPath(spec)),
  };
}
