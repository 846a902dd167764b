import type { KubeObject } from '../../kube/object.ts';
import { controllerrevisions } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { ControllerRevision, PodTemplateSpec } from '../../kube/types.gen.ts';
import type { ControllerContext } from '../../runtime/controller.ts';
import { isEqual } from './equality.ts';
import { controllerReference, isControlledBy, nameOf } from './ownership.ts';
import { templateHash } from './template-hash.ts';

const maxCollisions = 50;

/** Annotations that belong to the owner alone. */
const notCopied = new Set(['kubectl.kubernetes.io/last-applied-configuration']);

export interface RevisionSource {
  readonly owner: KubeObject;
  readonly template: PodTemplateSpec;
  /** The label that carries the hash: the kinds differ in its name. */
  readonly hashLabel: string;
  readonly collisionCount: number | undefined;
}

export interface Revisions {
  /** The revision of the owner's present template. */
  readonly current: ControllerRevision;
  /** All, in the order of their numbers, `current` last. */
  readonly all: readonly ControllerRevision[];
  /** Grew when another template had the same hash. */
  readonly collisionCount: number | undefined;
}

export function hashOf(revision: ControllerRevision, hashLabel: string): string {
  return revision.metadata.labels?.[hashLabel] ?? '';
}

/** The patch that a revision holds: put over the owner, it brings the template back (`kubectl rollout undo` does so). */
export function revisionData(template: PodTemplateSpec): Readonly<Record<string, unknown>> {
  return { spec: { template: { ...template, $patch: 'replace' } } };
}

/** The template that a revision holds. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  // Only revisions whose data this module wrote, or kubectl would accept, are read; the schema leaves them open.
  const { template } =
    (revision.data as { readonly spec?: { readonly template?: Record<string, unknown> } }).spec ?? {};
  const { $patch: _, ...rest } = template ?? {};
  return rest as PodTemplateSpec;
}

export function sortRevisions(revisions: readonly ControllerRevision[]): readonly ControllerRevision[] {
  const age = ({ metadata }: ControllerRevision) => `${metadata.creationTimestamp ?? ''}\0${metadata.name ?? ''}`;
  return [...revisions].sort((a, b) => a.revision - b.revision || (age(a) < age(b) ? -1 : 1));
}

/** Finds, renumbers or makes the revision of the present template. */
export async function syncRevisions(
  context: ControllerContext,
  source: RevisionSource,
  standing: readonly ControllerRevision[],
): Promise<Revisions> {
  const sorted = sortRevisions(standing);
  const data = revisionData(source.template);
  const nextNumber = (sorted.at(-1)?.revision ?? 0) + 1;
  const equal = sorted.filter((revision) => isEqual(revision.data, data)).at(-1);
  const { collisionCount } = source;
  if (!equal) {
    const made = await createRevision(context, source, data, nextNumber);
    return { current: made.revision, all: [...sorted, made.revision], collisionCount: made.collisionCount };
  }
  if (equal === sorted.at(-1)) return { current: equal, all: sorted, collisionCount };
  // Back to a former template: its revision becomes the newest.
  const renumbered = await context.client.update(controllerrevisions, { ...equal, revision: nextNumber });
  return { current: renumbered, all: [...sorted.filter((one) => one !== equal), renumbered], collisionCount };
}

async function createRevision(
  context: ControllerContext,
  source: RevisionSource,
  data: Readonly<Record<string, unknown>>,
  revision: number,
): Promise<{ readonly revision: ControllerRevision; readonly collisionCount: number | undefined }> {
  let { collisionCount } = source;
  for (let tries = 0; ; tries++) {
    const made = newRevision(source, data, revision, collisionCount);
    try {
      return { revision: await context.client.create(controllerrevisions, made), collisionCount };
    } catch (thrown) {
      if (!isReason(thrown, 'AlreadyExists') || tries >= maxCollisions) throw thrown;
      const other = await context.client.get(controllerrevisions, nameOf(made));
      if (isControlledBy(other, source.owner) && isEqual(other.data, data)) return { revision: other, collisionCount };
      collisionCount = (collisionCount ?? 0) + 1;
    }
  }
}

function newRevision(
  { owner, template, hashLabel }: RevisionSource,
  data: Readonly<Record<string, unknown>>,
  revision: number,
  collisionCount: number | undefined,
): ControllerRevision {
  const hash = templateHash(template, collisionCount);
  const annotations = Object.fromEntries(
    Object.entries(owner.metadata.annotations ?? {}).filter(([name]) => !notCopied.has(name)),
  );
  return {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${owner.metadata.name}-${hash}`,
      namespace: owner.metadata.namespace ?? '',
      labels: { ...template.metadata?.labels, [hashLabel]: hash },
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
      ownerReferences: [controllerReference(owner)],
    },
    data,
    revision,
  };
}

/** Revisions beyond the history limit that nothing refers to, oldest first. Pure. */
export function planRevisionHistory(
  all: readonly ControllerRevision[],
  isLive: (revision: ControllerRevision) => boolean,
  limit: number,
): readonly ControllerRevision[] {
  const idle = sortRevisions(all).filter((revision) => !isLive(revision));
  return idle.slice(0, Math.max(0, idle.length - limit));
}

export async function removeRevisions(
  { client }: ControllerContext,
  surplus: readonly ControllerRevision[],
): Promise<void> {
  for (const revision of surplus) {
    try {
      await client.delete(controllerrevisions, nameOf(revision));
    } catch (thrown) {
      if (!isReason(thrown, 'NotFound')) throw thrown;
    }
  }
}
