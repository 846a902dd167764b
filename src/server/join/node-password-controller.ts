import { nodes, secrets } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import { parseTime } from '../../kube/time.ts';
import { type Controller, done, watchOf } from '../../runtime/controller.ts';
import { passwordNamespace, passwordSuffix } from './node-password.ts';

/** How long a machine may take from its password to its Node object. */
const joinTimeMs = 600_000;

/** The node whose password a Secret holds; undefined for any other Secret. */
function nodeOf(namespace: string | undefined, name: string | undefined): string | undefined {
  return namespace === passwordNamespace && name?.endsWith(passwordSuffix)
    ? name.slice(0, -passwordSuffix.length)
    : undefined;
}

/** Removes a node's password with its Node object, so that the name is free again; keys are names of nodes. */
export function createNodePasswordController(): Controller {
  /** Nodes that were there while this process ran: their absence means that they were deleted. */
  const seen = new Set<string>();
  return {
    name: 'node-password-controller',
    watches: [
      watchOf(nodes, ({ metadata }) => (metadata.name === undefined ? [] : [metadata.name])),
      watchOf(secrets, ({ metadata }) => {
        const node = nodeOf(metadata.namespace, metadata.name);
        return node === undefined ? [] : [node];
      }),
    ],
    async reconcile(name, { informers, client, clock }) {
      if (informers.of(nodes).get(name) !== undefined) {
        seen.add(name);
        return done;
      }
      const key = { namespace: passwordNamespace, name: `${name}${passwordSuffix}` };
      const secret = informers.of(secrets).get(`${key.namespace}/${key.name}`);
      if (secret === undefined) {
        seen.delete(name);
        return done;
      }
      const created = parseTime(secret.metadata.creationTimestamp) ?? 0;
      const leftMs = seen.has(name) ? 0 : created + joinTimeMs - clock.now();
      if (leftMs > 0) return { requeueAfterMs: leftMs };
      const { uid } = secret.metadata;
      try {
        await client.delete(secrets, key, uid === undefined ? {} : { preconditions: { uid } });
      } catch (error) {
        if (!isReason(error, 'NotFound', 'Conflict')) throw error;
      }
      seen.delete(name);
      return done;
    },
  };
}
