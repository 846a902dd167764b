import { createHash } from 'node:crypto';
import type { KubeObject } from '../../kube/object.ts';
import { parseKey, type Resource } from '../../kube/resource.ts';
import { services } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { Node } from '../../kube/types.gen.ts';
import type { ControllerContext } from '../../runtime/controller.ts';
import { bgpSessionStates, metallbNamespace, serviceBGPStatuses } from '../metallb/kinds.ts';
import type { SessionState } from './sessions.ts';

/** Selects what this node tells, of each kind. */
export const ownStatuses = (nodeName: string) => ({
  namespace: metallbNamespace,
  labelSelector: `metallb.io/node=${nodeName}`,
});
export const ownSessionStates = (nodeName: string) => ({
  namespace: metallbNamespace,
  labelSelector: `frrk8s.metallb.io/node=${nodeName}`,
});

type Told = KubeObject & { readonly status?: object };

/** An object that is to say something: its labels, and its status, by its name. */
interface Statement {
  readonly labels: Readonly<Record<string, string>>;
  readonly status: object;
}

/** Tells in ServiceBGPStatus which peers this node tells of which Service, and on a Service that its node is new. */
export async function showAnnounced(
  announced: ReadonlyMap<string, readonly string[]>,
  node: Node,
  context: ControllerContext,
): Promise<void> {
  const nodeName = node.metadata.name ?? '';
  const wanted = new Map<string, Statement>();
  const keys = new Map<string, string>();
  for (const [key, peers] of announced) {
    const { namespace = '', name: service } = parseKey(key);
    const name = nameOf('bgp', nodeName, key);
    keys.set(name, key);
    wanted.set(name, {
      labels: {
        'metallb.io/node': nodeName,
        'metallb.io/service-name': service,
        'metallb.io/service-namespace': namespace,
      },
      status: { node: nodeName, serviceName: service, serviceNamespace: namespace, peers },
    });
  }
  const standing = context.informers.of(serviceBGPStatuses, ownStatuses(nodeName)).list();
  const created = await show(serviceBGPStatuses as Resource<Told>, standing, wanted, node, context);
  for (const name of created) {
    const service = context.informers.of(services).get(keys.get(name) ?? '');
    const message = `announcing from node ${JSON.stringify(nodeName)} with protocol "bgp"`;
    if (service !== undefined) context.events.event(service, 'Normal', 'nodeAssigned', message);
  }
}

/** Tells in BGPSessionState how this node's sessions stand. */
export async function showSessions(
  states: readonly SessionState[],
  node: Node,
  context: ControllerContext,
): Promise<void> {
  const nodeName = node.metadata.name ?? '';
  const wanted = new Map<string, Statement>();
  for (const { peer, bgp, bfd, why } of states) {
    const { address = peer.interface ?? '', vrf = '' } = peer;
    wanted.set(nameOf('session', nodeName, peer.name), {
      // An IPv6 address is no label.
      labels: { 'frrk8s.metallb.io/node': nodeName, 'frrk8s.metallb.io/peer': address.replaceAll(':', '-') },
      status: {
        ...{ node: nodeName, peer: address, vrf, bgpStatus: bgp },
        ...{ bfdStatus: bfd === 'none' ? 'N/A' : bfd === 'up' ? 'Up' : 'Down', message: why },
      },
    });
  }
  const standing = context.informers.of(bgpSessionStates, ownSessionStates(nodeName)).list();
  await show(bgpSessionStates as Resource<Told>, standing, wanted, node, context);
}

/** Makes the objects of this node say what is wanted, and no others be there. Resolves with the names of new ones. */
async function show(
  resource: Resource<Told>,
  standing: readonly Told[],
  wanted: ReadonlyMap<string, Statement>,
  { metadata }: Node,
  { client }: ControllerContext,
): Promise<readonly string[]> {
  const former = new Map(standing.map((object) => [object.metadata.name ?? '', object]));
  const created: string[] = [];
  for (const [name, { labels, status }] of wanted) {
    const object = former.get(name);
    if (object !== undefined && isSame(object.status, status)) continue;
    if (object === undefined) {
      // It goes with its node.
      const owner = { apiVersion: 'v1', kind: 'Node', name: metadata.name ?? '', uid: metadata.uid ?? '' };
      const body: Told = {
        ...{ apiVersion: `${resource.group}/${resource.version}`, kind: resource.kind },
        metadata: { name, namespace: metallbNamespace, labels, ownerReferences: [owner] },
      };
      await client.create(resource, body).then(() => created.push(name), unlessReason('AlreadyExists'));
    }
    const at = { namespace: metallbNamespace, name };
    await client.patch(resource, at, { type: 'merge', body: { status } }, { subresource: 'status' });
  }
  for (const name of former.keys()) {
    if (wanted.has(name)) continue;
    await client.delete(resource, { namespace: metallbNamespace, name }).catch(unlessReason('NotFound'));
  }
  return created;
}

function isSame(a: object | undefined, b: object): boolean {
  const text = (value: object) => JSON.stringify(Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1)));
  return a !== undefined && text(a) === text(b);
}

/** The same for the same, and fit for a name whatever the words are. */
function nameOf(prefix: string, ...words: readonly string[]): string {
  return `${prefix}-${createHash('sha256').update(words.join(' ')).digest('hex').slice(0, 16)}`;
}

function unlessReason(reason: 'AlreadyExists' | 'NotFound'): (error: unknown) => void {
  return (error) => {
    if (!isReason(error, reason)) throw error;
  };
}
