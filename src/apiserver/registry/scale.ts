import type { JsonObject } from '../../core/json.ts';
import { managerName } from '../../kube/apply/manager-name.ts';
import { parentManagedFields, type ReplicasPaths, scaleManagedFields } from '../../kube/apply/scale.ts';
import { updateManagedFields } from '../../kube/apply/update.ts';
import { draft } from '../../kube/draft.ts';
import { invalid as invalidField } from '../../kube/field-error.ts';
import type { TableColumn } from '../../kube/kind.ts';
import { ageOf } from '../../kube/kinds/name-and-age.ts';
import type { KubeObject, ManagedFieldsEntry } from '../../kube/object.ts';
import { findSchema } from '../../kube/schema/builtin.ts';
import type { Schema } from '../../kube/schema/schema.ts';
import { formatTime } from '../../kube/time.ts';
import type { LabelSelector } from '../../kube/types.gen.ts';
import { type Answer, type Call, decodedOf, objectAnswer, type Presentation } from '../answer.ts';
import { invalid, notFound } from '../errors.ts';
import type { ServedKind } from '../kind-registry.ts';
import { parseWriteOptions, type WriteOptions } from '../options.ts';
import type { SubresourceHandler } from '../routes.ts';
import { decodeBody, type Expected } from './codec.ts';
import { decodePatched, updateOf } from './handlers.ts';
import { parsePatch, patchTypeOf } from './patch.ts';
import type { ObjectDraft, Registry } from './registry.ts';
import { updateObject } from './update.ts';
import { checkName, settleNamespace } from './validate.ts';

/** How the scale of a kind is read and set. Custom resources name their paths, built-in ones have the usual ones. */
export interface ScaleAccess {
  replicasOf(object: KubeObject): number;
  setReplicas(object: ObjectDraft, replicas: number): void;
  statusReplicasOf(object: KubeObject): number;
  /** Where managedFields have the replicas. */
  readonly managedPath: readonly string[];
  /** The selector as a query writes it. */
  selectorOf(object: KubeObject): string;
}

interface Scalable extends KubeObject {
  readonly spec?: { replicas?: number; readonly selector?: LabelSelector | Readonly<Record<string, string>> };
  readonly status?: { readonly replicas?: number };
}

/** spec.replicas, spec.selector and status.replicas, as workloads have them. */
export const workloadScale: ScaleAccess = {
  managedPath: ['f:spec', 'f:replicas'],
  replicasOf: (object) => (object as Scalable).spec?.replicas ?? 0,
  setReplicas(object, replicas) {
    const spec = (object as unknown as Scalable).spec ?? {};
    (object as Record<string, unknown>)['spec'] = { ...spec, replicas };
  },
  statusReplicasOf: (object) => (object as Scalable).status?.replicas ?? 0,
  selectorOf: (object) => selectorText((object as Scalable).spec?.selector),
};

const scaleColumns: readonly TableColumn[] = [
  { name: 'Name', type: 'string', format: '', description: 'Name of the scaled object', priority: 0 },
  { name: 'Desired', type: 'integer', format: '', description: 'Number of desired replicas', priority: 0 },
  { name: 'Available', type: 'integer', format: '', description: 'Number of observed replicas', priority: 0 },
  { name: 'Age', type: 'string', format: '', description: 'Time since the creation of the scaled object', priority: 0 },
];

const scaleResource = {
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  plural: 'scales',
  singular: 'scale',
  listKind: 'ScaleList',
  namespaced: true,
  shortNames: [],
  categories: [],
  verbs: [],
  subresources: [],
  typeName: 'io.k8s.api.autoscaling.v1.Scale',
} as const;

interface Scale extends KubeObject {
  readonly spec?: { readonly replicas?: number };
  readonly status: { readonly replicas: number; readonly selector?: string };
}

const presentation: Presentation = {
  resource: scaleResource,
  apiVersion: 'autoscaling/v1',
  kind: {
    table: {
      columns: scaleColumns,
      row: (object, nowMs) => {
        const { metadata, spec, status } = object as Scale;
        return [metadata.name ?? '', spec?.replicas ?? 0, status.replicas, ageOf(metadata.creationTimestamp, nowMs)];
      },
    },
  },
};

/** GET, PUT and PATCH of an object's scale (autoscaling/v1). */
export function scaleHandler(registry: Registry, access: ScaleAccess = workloadScale): SubresourceHandler {
  return {
    GET: (call, served) => {
      const entry = served.get(call.info.namespace, call.info.name);
      if (entry === undefined) throw notFound(served.resource, call.info.name);
      return objectAnswer(200, presentation, scaleOf(entry.object, access));
    },
    PUT: async (call, served) => {
      const body = await call.body();
      const options = parseWriteOptions(call.query, 'UpdateOptions');
      const { object, warnings } = decodeBody(body, call.contentType, expectedScale(), options.fieldValidation);
      for (const text of warnings) call.warn(text);
      checkName(object.metadata.name, call.info.name);
      return await update(registry, access, served, call, 'UpdateOptions', () => object);
    },
    PATCH: async (call, served) => {
      const type = patchTypeOf(call.contentType, served.isCustom);
      const body = await call.body();
      const patch = parsePatch(type === 'apply' ? 'merge' : type, body);
      const schema = scaleSchema();
      return await update(registry, access, served, call, 'PatchOptions', (old) => {
        const document = old as unknown as JsonObject;
        const patched = patch.apply(document, schema.type === 'object' ? schema : null);
        return decodePatched(patched, expectedScale(), 'Ignore', (why) => patch.refusal(document, why)).object;
      });
    },
  };
}

async function update(
  registry: Registry,
  access: ScaleAccess,
  served: ServedKind,
  call: Call,
  optionsKind: 'UpdateOptions' | 'PatchOptions',
  scaleFrom: (old: Scale) => KubeObject,
): Promise<Answer> {
  const options = parseWriteOptions(call.query, optionsKind, call.contentType);
  const { strategy } = served.kind;
  const updated = await updateObject(registry, {
    ...updateOf(served, call, 'scale', options, optionsKind),
    mayCreate: false,
    prepare: (object, old) => strategy.prepareForUpdate(object, old),
    validate: (object, old) => strategy.validateUpdate(object, old),
    next: async (old) => {
      if (old === null) throw notFound(served.resource, call.info.name);
      const paths: ReplicasPaths = new Map([[served.apiVersion, access.managedPath]]);
      const owned = scaleManagedFields(old.metadata.managedFields ?? [], paths);
      const before = scaleOf(old, access);
      const live = { ...before, metadata: { ...before.metadata, managedFields: owned } };
      const scale = scaleFrom(live) as Scale;
      const replicas = scale.spec?.replicas ?? 0;
      settleNamespace(served, scale.metadata, call.info.namespace);
      // Custom resources are told by their own validation, at their own paths.
      if (replicas < 0 && !served.isCustom) {
        const error = invalidField('spec.replicas', replicas, 'must be greater than or equal to 0');
        throw invalid(scaleResource, call.info.name, [error]);
      }
      const next = draft(old) as ObjectDraft;
      access.setReplicas(next, replicas);
      const { resourceVersion = '' } = scale.metadata;
      if (resourceVersion !== '' || !served.isCustom) next.metadata.resourceVersion = resourceVersion;
      if (scale.metadata.uid !== undefined) next.metadata.uid = scale.metadata.uid;
      const ownsReplicas = optionsKind === 'PatchOptions' || served.isCustom;
      const entries = ownsReplicas ? ownersOfScale(registry, call, options, live, scale) : [];
      const parent = old.metadata.managedFields ?? [];
      next.metadata.managedFields = draft(parentManagedFields(parent, entries, paths, served.apiVersion));
      return next;
    },
  });
  return objectAnswer(200, presentation, scaleOf(decodedOf(updated.object) as KubeObject, access));
}

// Through a patch its manager comes to own the replicas; entries of a Scale carry no time. A PUT forgets their owners, but for those of
// custom resources.
function ownersOfScale(
  registry: Registry,
  call: Call,
  options: WriteOptions,
  live: Scale,
  scale: Scale,
): readonly ManagedFieldsEntry[] {
  const schema = scaleSchema();
  if (schema.type !== 'object') return [];
  const managed = updateManagedFields(live as unknown as JsonObject, scale as unknown as JsonObject, {
    schema,
    manager: managerName(options.fieldManager, call.userAgent),
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    subresource: 'scale',
    now: formatTime(registry.clock.now()),
  }) as unknown as KubeObject;
  return (managed.metadata.managedFields ?? []).map(({ time: _, ...entry }) => entry);
}

function scaleOf(object: KubeObject, access: ScaleAccess): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const replicas = access.replicasOf(object);
  const selector = access.selectorOf(object);
  const metadata = Object.fromEntries(
    Object.entries({ name, namespace, uid, resourceVersion, creationTimestamp }).filter(
      ([, value]) => value !== undefined,
    ),
  );
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata,
    spec: replicas === 0 ? {} : { replicas },
    status: { replicas: access.statusReplicasOf(object), ...(selector === '' ? {} : { selector }) },
  };
}

function scaleSchema(): Schema {
  return findSchema(scaleResource.typeName) ?? { type: 'any', atomic: false };
}

function expectedScale(): Expected {
  const schema = scaleSchema();
  return {
    group: 'autoscaling',
    version: 'v1',
    kind: 'Scale',
    schema,
    // Scales of the API's first years are read, and then refused for their version.
    knows: (group, version, kind) =>
      kind === 'Scale' && ['extensions/v1beta1', 'apps/v1beta1', 'apps/v1beta2'].includes(`${group}/${version}`)
        ? schema
        : undefined,
  };
}

/** A selector in the form of a query: `app=web,tier in (a,b),!old`, sorted by key. */
export function selectorText(selector: LabelSelector | Readonly<Record<string, string>> | undefined): string {
  if (selector === undefined) return '';
  const isFull = 'matchLabels' in selector || 'matchExpressions' in selector;
  const full = isFull ? (selector as LabelSelector) : { matchLabels: selector as Readonly<Record<string, string>> };
  const parts = Object.entries(full.matchLabels ?? {}).map(([key, value]) => ({ key, text: `${key}=${value}` }));
  for (const { key, operator, values = [] } of full.matchExpressions ?? []) {
    const list = `(${[...values].sort().join(',')})`;
    const texts: Readonly<Record<string, string>> = {
      In: `${key} in ${list}`,
      NotIn: `${key} notin ${list}`,
      Exists: key,
      DoesNotExist: `!${key}`,
    };
    parts.push({ key, text: texts[operator] ?? key });
  }
  return parts
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ text }) => text)
    .join(',');
}
