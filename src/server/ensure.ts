import type { Client } from '../client/client.ts';
import type { KubeObject } from '../kube/object.ts';
import type { Resource } from '../kube/resource.ts';
import { isReason } from '../kube/status-error.ts';

/** Makes an object of which the user may make something else: what stands stays as it is. */
export async function ensureThere<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  object: T,
): Promise<void> {
  try {
    await client.create(resource, object);
  } catch (error) {
    if (isReason(error, 'AlreadyExists')) return;
    // A Service is refused for its address before anybody looks at its name: it is the one that has it.
    if (!isReason(error, 'Invalid') || !(await stands(client, resource, object))) throw error;
  }
}

async function stands<T extends KubeObject>(client: Client, resource: Resource<T>, object: T): Promise<boolean> {
  const { namespace = '', name = '' } = object.metadata;
  try {
    await client.get(resource, { namespace, name });
    return true;
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error;
    return false;
  }
}

/**
 * Makes an object that says what this version needs, such as a component's rights, or replaces what an earlier version
 * has left; a write that changes nothing leaves the object as it was.
 */
export async function ensureLatest<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  object: T,
): Promise<void> {
  try {
    await client.create(resource, object);
  } catch (error) {
    if (!isReason(error, 'AlreadyExists')) throw error;
    await client.update(resource, object);
  }
}
