import { isObject } from '../../core/json.ts';
import type { Draft } from '../../kube/draft.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { Resource } from '../../kube/resource.ts';
import type { StatusError } from '../../kube/status-error.ts';
import { forbidden } from '../errors.ts';
import type { AdmissionRequest } from '../request.ts';

/** True when a request is about objects of this resource, or about one subresource of theirs. */
export function isAbout(request: AdmissionRequest, resource: Resource, subresource = ''): boolean {
  const { info } = request;
  return info.resource === resource.plural && info.group === resource.group && info.subresource === subresource;
}

/** The new state, for plugins that change it; null for a deletion. Callers have made sure of the kind with `isAbout`. */
export function newState<T extends KubeObject>(request: AdmissionRequest, _: Resource<T>): Draft<T> | null {
  return request.object as unknown as Draft<T> | null;
}

/** The state that stands; null for a creation. */
export function oldState<T extends KubeObject>(request: AdmissionRequest, _: Resource<T>): T | null {
  return request.old as unknown as T | null;
}

/** `pods "web" is forbidden: WHY`; an object that has no name yet is called by its prefix. */
export function refuse(request: AdmissionRequest, why: string): StatusError {
  const { info, object } = request;
  const metadata = object?.['metadata'];
  const prefix = isObject(metadata) && typeof metadata['generateName'] === 'string' ? metadata['generateName'] : '';
  return forbidden({ group: info.group, plural: info.resource }, info.name || prefix, why);
}

/** The text of several errors as Go joins them: one alone as it is, more in brackets, repetitions left out. */
export function aggregate(errors: readonly string[]): string {
  const texts = [...new Set(errors)];
  return texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
}

/** The annotation with which a kubelet marks the pods that stand for its static ones. */
export const mirrorAnnotation = 'kubernetes.io/config.mirror';

export function isMirror(pod: {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
}): boolean {
  return pod.metadata.annotations?.[mirrorAnnotation] !== undefined;
}
