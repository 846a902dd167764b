import type { Client } from '../client/client.ts';
import { nodes } from '../kube/resources.gen.ts';
import type { Node, Pod } from '../kube/types.gen.ts';
import { type Refusal, refusalOf } from './pods/admission.ts';
import { podUid } from './pods/identity.ts';

/**
 * Which pods this node has taken. A pod is looked at once, before anything of it starts; one that had begun before this
 * process was started stays taken, whatever has changed since.
 */
export interface NodeAdmission {
  /** Takes the pod, or says why not. Waits until the node has told what it has to give. */
  take(pod: Pod, signal: AbortSignal): Promise<Refusal | null>;
  /** The pod is one of the taken, in this state. */
  hold(pod: Pod): void;
  /** Nothing of the pod runs any more. */
  release(uid: string): void;
  /** The Node object as it stands by now. */
  observe(node: Node): void;
}

export function createNodeAdmission(client: Client): NodeAdmission {
  const taken = new Map<string, Pod>();
  const known = Promise.withResolvers<void>();
  let node: Node | undefined;

  async function current(signal: AbortSignal): Promise<Node> {
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      signal.throwIfAborted();
      await Promise.race([known.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
    if (node === undefined) throw new Error('the node is known and is not there');
    return node;
  }

  return {
    async take(pod, signal) {
      const others = () => [...taken].filter(([uid]) => uid !== podUid(pod)).map(([, other]) => other);
      let refusal = refusalOf(pod, await current(signal), others());
      if (refusal?.mayBeOld === true && node !== undefined) {
        // The pod may have come faster than the change of the node that it was bound for.
        node = await client.get(nodes, { name: node.metadata.name ?? '' }, { signal });
        refusal = refusalOf(pod, node, others());
      }
      if (refusal === null) taken.set(podUid(pod), pod);
      return refusal;
    },
    hold: (pod) => void taken.set(podUid(pod), pod),
    release: (uid) => void taken.delete(uid),
    observe(next) {
      node = next;
      if (next.status?.allocatable !== undefined) known.resolve();
    },
  };
}
