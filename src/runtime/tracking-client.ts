import type { Client } from '../client/client.ts';
import { isObject } from '../core/json.ts';
import type { KubeObject } from '../kube/object.ts';
import { keyOf, type ObjectKey, type Resource } from '../kube/resource.ts';

/** A write that was answered, and how a cache shows that it has seen it. */
export interface TrackedWrite {
  readonly resource: Resource;
  readonly key: string;
  readonly uid: string | undefined;
  /** The revision that the write made; empty when the answer named none (an immediate deletion). */
  readonly resourceVersion: string;
  readonly isDeletion: boolean;
}

/** A client that tells `record` of each write it made, so that the writer can wait until its caches show them. */
export function createTrackingClient(client: Client, record: (write: TrackedWrite) => void): Client {
  function recordObject(resource: Resource, object: KubeObject): void {
    const { uid, resourceVersion = '' } = object.metadata;
    record({ resource, key: keyOf(object), uid, resourceVersion, isDeletion: false });
  }

  return {
    ...client,
    async create(resource, object, options) {
      const created = await client.create(resource, object, options);
      if (!options?.dryRun) recordObject(resource, created);
      return created;
    },
    async update(resource, object, options) {
      const updated = await client.update(resource, object, options);
      if (!options?.dryRun && isWhole(options?.subresource)) recordObject(resource, updated);
      return updated;
    },
    async patch(resource, key, patch, options) {
      const patched = await client.patch(resource, key, patch, options);
      if (!options?.dryRun && isWhole(options?.subresource)) recordObject(resource, patched);
      return patched;
    },
    async delete(resource: Resource, key: ObjectKey, options) {
      const answer = await client.delete(resource, key, options);
      const uid = options?.preconditions?.uid ?? uidOf(answer);
      record({ resource, key: keyOf({ metadata: key }), uid, resourceVersion: '', isDeletion: true });
      return answer;
    },
  };
}

/** True when a write to this endpoint answers with the object itself. */
function isWhole(subresource: string | undefined): boolean {
  return subresource === undefined || subresource === 'status' || subresource === 'finalize';
}

/** The uid of the object that a deletion answered with, or that its Status names. */
function uidOf(answer: unknown): string | undefined {
  if (!isObject(answer)) return undefined;
  const part = isObject(answer['details']) ? answer['details'] : answer['metadata'];
  return isObject(part) && typeof part['uid'] === 'string' ? part['uid'] : undefined;
}
