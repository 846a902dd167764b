import type { Client } from '../client/client.ts';
import { describeError } from '../core/errors.ts';
import { withCondition } from '../kube/conditions.ts';
import type { KubeObject } from '../kube/object.ts';
import { keyOf, type Resource } from '../kube/resource.ts';
import { namespaces } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import { formatTime } from '../kube/time.ts';
import type { Namespace, NamespaceCondition } from '../kube/types.gen.ts';
import { type Controller, type ControllerContext, done, type Outcome, watchOf } from '../runtime/controller.ts';
import { type Discovered, discoverResources, hasVerbs } from './support/discovery.ts';
import { nameOf } from './support/ownership.ts';

const finalizer = 'kubernetes';
/** What remains is looked at again after this time; nothing announces that the last object is gone. */
const lookAgainMs = 1000;
const pageSize = 500;

/** What one round of deletion left behind. */
export interface Remains {
  readonly discoveryFailures: ReadonlyMap<string, string>;
  readonly deletionFailures: readonly string[];
  /** Objects left, by `plural.group`. */
  readonly counts: ReadonlyMap<string, number>;
  /** Objects that carry a finalizer, by finalizer. */
  readonly finalizers: ReadonlyMap<string, number>;
}

/** The conditions that tell why a namespace is still there. Pure. */
export function terminationConditions(
  standing: readonly NamespaceCondition[] | undefined,
  remains: Remains,
  nowMs: number,
): readonly NamespaceCondition[] {
  const { discoveryFailures, deletionFailures, counts, finalizers } = remains;
  const failures = [...discoveryFailures].map(([groupVersion, cause]) => `${groupVersion}: ${cause}`);
  const listed = (entries: ReadonlyMap<string, number>, join: string) =>
    [...entries]
      .map(([what, count]) => `${what} ${join} ${count} resource instances`)
      .sort()
      .join(', ');
  const next: readonly (readonly [type: string, isTrue: boolean, reason: string, message: string])[] = [
    failures.length > 0
      ? [
          'NamespaceDeletionDiscoveryFailure',
          true,
          'DiscoveryFailed',
          `Discovery failed for some groups, ${failures.length} failing: unable to retrieve the complete list of server APIs: ${failures.join(', ')}`,
        ]
      : ['NamespaceDeletionDiscoveryFailure', false, 'ResourcesDiscovered', 'All resources successfully discovered'],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      false,
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ],
    deletionFailures.length > 0
      ? [
          'NamespaceDeletionContentFailure',
          true,
          'ContentDeletionFailed',
          `Failed to delete all resource types, ${deletionFailures.length} remaining: ${deletionFailures.join(', ')}`,
        ]
      : [
          'NamespaceDeletionContentFailure',
          false,
          'ContentDeleted',
          'All content successfully deleted, may be waiting on finalization',
        ],
    counts.size > 0
      ? [
          'NamespaceContentRemaining',
          true,
          'SomeResourcesRemain',
          `Some resources are remaining: ${listed(counts, 'has')}`,
        ]
      : ['NamespaceContentRemaining', false, 'ContentRemoved', 'All content successfully removed'],
    finalizers.size > 0
      ? [
          'NamespaceFinalizersRemaining',
          true,
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${listed(finalizers, 'in')}`,
        ]
      : ['NamespaceFinalizersRemaining', false, 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
  ];
  return next.reduce<readonly NamespaceCondition[]>(
    (conditions, [type, isTrue, reason, message]) =>
      withCondition<NamespaceCondition>(conditions, {
        type,
        status: isTrue ? 'True' : 'False',
        reason,
        message,
        lastTransitionTime: formatTime(nowMs),
      }),
    standing ?? [],
  );
}

/** True when nothing keeps the namespace. */
export function isEmptied(remains: Remains): boolean {
  return remains.discoveryFailures.size === 0 && remains.deletionFailures.length === 0 && remains.counts.size === 0;
}

async function reconcile(key: string, context: ControllerContext, signal: AbortSignal): Promise<Outcome> {
  const { informers, client, clock } = context;
  const namespace = informers.of(namespaces).get(key);
  if (!namespace || namespace.metadata.deletionTimestamp === undefined) return done;
  if ((namespace.spec?.finalizers ?? []).length === 0) return done;
  const terminating = await markTerminating(client, namespace);
  const remains = await deleteContent(client, key, signal);
  const conditions = terminationConditions(terminating.status?.conditions, remains, clock.now());
  let current = terminating;
  if (conditions !== terminating.status?.conditions) {
    const status = { ...terminating.status, conditions };
    current = await client.update(namespaces, { ...terminating, status }, { subresource: 'status' });
  }
  if (!isEmptied(remains)) return { requeueAfterMs: lookAgainMs };
  await finalize(client, current);
  return done;
}

async function markTerminating(client: Client, namespace: Namespace): Promise<Namespace> {
  if (namespace.status?.phase === 'Terminating') return namespace;
  const status = { ...namespace.status, phase: 'Terminating' };
  return client.update(namespaces, { ...namespace, status }, { subresource: 'status' });
}

async function finalize(client: Client, namespace: Namespace): Promise<void> {
  const finalizers = (namespace.spec?.finalizers ?? []).filter((name) => name !== finalizer);
  try {
    await client.update(
      namespaces,
      { ...namespace, spec: { ...namespace.spec, finalizers } },
      { subresource: 'finalize' },
    );
  } catch (thrown) {
    if (!isReason(thrown, 'NotFound')) throw thrown;
  }
}

/** Asks for all content to go. Pods first: what they use must be there until they have ended. */
async function deleteContent(client: Client, namespace: string, signal: AbortSignal): Promise<Remains> {
  const discovered = await discoverResources(client, signal);
  const deletable = discovered.resources.filter(
    (resource) => resource.namespaced && hasVerbs(resource, 'delete', 'list'),
  );
  const isPods = (resource: Resource) => resource.group === '' && resource.plural === 'pods';
  const first = await deleteAll(client, namespace, deletable.filter(isPods), discovered, signal);
  if (first.counts.size > 0 || first.deletionFailures.length > 0) return first;
  return deleteAll(
    client,
    namespace,
    deletable.filter((resource) => !isPods(resource)),
    discovered,
    signal,
  );
}

async function deleteAll(
  client: Client,
  namespace: string,
  resources: readonly Resource[],
  discovered: Discovered,
  signal: AbortSignal,
): Promise<Remains> {
  const deletionFailures: string[] = [];
  const counts = new Map<string, number>();
  const finalizers = new Map<string, number>();
  for (const resource of resources) {
    try {
      const before = await listAll(client, resource, namespace, signal);
      if (before.length === 0) continue;
      await deleteObjects(client, resource, namespace, before, signal);
      const left = await listAll(client, resource, namespace, signal);
      if (left.length > 0) counts.set(`${resource.plural}.${resource.group}`, left.length);
      for (const { metadata } of left) {
        for (const name of metadata.finalizers ?? []) finalizers.set(name, (finalizers.get(name) ?? 0) + 1);
      }
    } catch (thrown) {
      signal.throwIfAborted();
      // A resource that its definition took along while we looked has no objects.
      if (isReason(thrown, 'NotFound', 'MethodNotAllowed')) continue;
      deletionFailures.push(describeError(thrown));
    }
  }
  return { discoveryFailures: discovered.failures, deletionFailures, counts, finalizers };
}

async function deleteObjects(
  client: Client,
  resource: Resource,
  namespace: string,
  objects: readonly KubeObject[],
  signal: AbortSignal,
): Promise<void> {
  if (hasVerbs(resource, 'deletecollection')) {
    await client.deleteCollection(resource, { namespace, propagationPolicy: 'Background', signal });
    return;
  }
  for (const object of objects) {
    try {
      await client.delete(resource, nameOf(object), { propagationPolicy: 'Background', signal });
    } catch (thrown) {
      if (!isReason(thrown, 'NotFound')) throw thrown;
    }
  }
}

async function listAll(
  client: Client,
  resource: Resource,
  namespace: string,
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  const items: KubeObject[] = [];
  for (let token: string | undefined; ; ) {
    const page = await client.list(resource, {
      namespace,
      limit: pageSize,
      signal,
      ...(token ? { continue: token } : {}),
    });
    items.push(...page.items);
    token = page.metadata.continue;
    if (!token) return items;
  }
}

/** Empties namespaces that are deleted, tells in conditions what is in the way, and lets them go when nothing is left. */
export const namespaceController: Controller = {
  name: 'namespace-controller',
  watches: [watchOf(namespaces, (namespace) => [keyOf(namespace)])],
  concurrency: 10,
  reconcile,
};
