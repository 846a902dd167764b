import { isDeepStrictEqual } from 'node:util';
import type { Client } from '../../client/client.ts';
import { isObject } from '../../core/json.ts';
import { draft } from '../../kube/draft.ts';
import type { KubeObject, ObjectMeta } from '../../kube/object.ts';
import { apiVersionOf, type ObjectKey, type Resource } from '../../kube/resource.ts';
import {
  clusterrolebindings,
  clusterroles,
  flowschemas,
  namespaces,
  priorityclasses,
  prioritylevelconfigurations,
  rolebindings,
  roles,
} from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { PolicyRule, RbacV1Subject } from '../../kube/types.gen.ts';
import data from './bootstrap.gen.json' with { type: 'json' };
import { missingRules } from './rules.ts';

/** An object as the data file has it: without apiVersion and kind. */
interface BootstrapObject {
  readonly metadata: ObjectMeta;
  readonly [member: string]: unknown;
}

const autoupdate = 'rbac.authorization.kubernetes.io/autoupdate';
const flowAutoupdate = 'apf.kubernetes.io/autoupdate-spec';
/** How often a write that met another writer is tried again. */
const maxAttempts = 5;

/** In the order of creation: namespaces first, since roles live in them. */
const sections: readonly (readonly [Resource, readonly BootstrapObject[]])[] = [
  [namespaces, data.namespaces],
  [priorityclasses, data.priorityclasses],
  [prioritylevelconfigurations, data.prioritylevelconfigurations],
  [flowschemas, data.flowschemas],
  [clusterroles, data.clusterroles],
  [clusterrolebindings, data.clusterrolebindings],
  [roles, data.roles],
  [rolebindings, data.rolebindings],
];

/**
 * Creates the objects that every cluster has, and puts back what later versions or accidents took from them: missing
 * rules and subjects of roles and bindings (unless their autoupdate annotation says `false`), the specs of flow
 * control. What administrators added stays. Safe to run at every start and on several servers at once.
 */
export async function ensureBootstrapObjects(client: Client, signal?: AbortSignal): Promise<void> {
  for (const [resource, objects] of sections) {
    await Promise.all(objects.map((object) => ensure(client, resource, object, signal)));
  }
}

/** All objects of the data file, complete; for tests and for a fresh server's first answers. */
export function bootstrapObjects(): readonly (readonly [Resource, KubeObject])[] {
  return sections.flatMap(([resource, objects]) =>
    objects.map((object) => [resource, complete(resource, object)] as const),
  );
}

async function ensure(
  client: Client,
  resource: Resource,
  wanted: BootstrapObject,
  signal?: AbortSignal,
): Promise<void> {
  const { name = '', namespace } = wanted.metadata;
  const key: ObjectKey = namespace === undefined ? { name } : { namespace, name };
  const options = signal === undefined ? {} : { signal };
  for (let attempt = 1; ; attempt++) {
    try {
      const standing = await find(client, resource, key, signal);
      if (standing === undefined) await client.create(resource, complete(resource, wanted), options);
      else {
        const update = reconciled(standing, wanted);
        if (update === undefined) return;
        if (update.replace) await client.delete(resource, key, options);
        await (update.replace
          ? client.create(resource, update.object, options)
          : client.update(resource, update.object, options));
      }
      return;
    } catch (error) {
      if (attempt >= maxAttempts || !isReason(error, 'Conflict', 'AlreadyExists', 'NotFound')) throw error;
    }
  }
}

async function find(
  client: Client,
  resource: Resource,
  key: ObjectKey,
  signal?: AbortSignal,
): Promise<KubeObject | undefined> {
  try {
    return await client.get(resource, key, signal === undefined ? {} : { signal });
  } catch (error) {
    if (isReason(error, 'NotFound')) return undefined;
    throw error;
  }
}

function complete(resource: Resource, object: BootstrapObject): KubeObject {
  return { apiVersion: apiVersionOf(resource), kind: resource.kind, ...draft(object) };
}

export interface Reconciliation {
  readonly object: KubeObject;
  /** The object must be made anew: a binding's roleRef can't be changed. */
  readonly replace: boolean;
}

/** What must be written so that `standing` has all that `wanted` asks for; undefined when nothing must. */
export function reconciled(standing: KubeObject, wanted: BootstrapObject): Reconciliation | undefined {
  const annotations = standing.metadata.annotations ?? {};
  if (standing.kind === 'Namespace' || standing.kind === 'PriorityClass') return undefined;
  if (standing.kind === 'FlowSchema' || standing.kind === 'PriorityLevelConfiguration') {
    const spec: unknown = Reflect.get(standing, 'spec');
    if (annotations[flowAutoupdate] === 'false' || contains(spec, wanted['spec'])) return undefined;
    return { object: { ...standing, ...{ spec: draft(wanted['spec']) } }, replace: false };
  }
  if (annotations[autoupdate] === 'false') return undefined;
  return standing.kind.endsWith('Binding') ? reconciledBinding(standing, wanted) : reconciledRole(standing, wanted);
}

function withMetadata(standing: KubeObject, wanted: BootstrapObject): KubeObject {
  const { metadata } = standing;
  const labels = { ...wanted.metadata.labels, ...metadata.labels };
  const annotations = { ...wanted.metadata.annotations, ...metadata.annotations };
  return { ...standing, metadata: { ...metadata, labels, annotations } };
}

function reconciledRole(standing: KubeObject, wanted: BootstrapObject): Reconciliation | undefined {
  const object = withMetadata(standing, wanted);
  const rules = members<PolicyRule>(standing, 'rules');
  const aggregation = wanted['aggregationRule'];
  // An aggregated role's rules belong to the aggregation controller.
  const missing = isObject(aggregation) ? [] : missingRules(rules, members<PolicyRule>(wanted, 'rules'));
  const result = {
    ...object,
    ...(missing.length > 0 ? { rules: [...rules, ...missing] } : {}),
    ...(isObject(aggregation) && !isObject(Reflect.get(standing, 'aggregationRule'))
      ? { aggregationRule: aggregation }
      : {}),
  };
  return isDeepStrictEqual(withoutEmptyMetadata(result), withoutEmptyMetadata(standing))
    ? undefined
    : { object: result, replace: false };
}

function reconciledBinding(standing: KubeObject, wanted: BootstrapObject): Reconciliation | undefined {
  const object = withMetadata(standing, wanted);
  const subjects = members<RbacV1Subject>(standing, 'subjects');
  const missing = members<RbacV1Subject>(wanted, 'subjects').filter(
    (subject) => !subjects.some((have) => sameSubject(have, subject)),
  );
  const result = missing.length > 0 ? { ...object, ...{ subjects: [...subjects, ...missing] } } : object;
  if (!isDeepStrictEqual(Reflect.get(standing, 'roleRef'), wanted['roleRef'])) {
    const { name, namespace, labels, annotations } = result.metadata;
    const metadata = {
      ...(name && { name }),
      ...(namespace && { namespace }),
      ...(labels && { labels }),
      ...(annotations && { annotations }),
    };
    return { object: { ...result, metadata, ...{ roleRef: wanted['roleRef'] } }, replace: true };
  }
  return isDeepStrictEqual(withoutEmptyMetadata(result), withoutEmptyMetadata(standing))
    ? undefined
    : { object: result, replace: false };
}

function withoutEmptyMetadata(object: KubeObject): unknown {
  const entries = Object.entries(object.metadata).filter(
    ([, value]) => !isObject(value) || Object.keys(value).length > 0,
  );
  return { ...object, metadata: Object.fromEntries(entries) };
}

function members<T>(object: object, name: string): readonly T[] {
  const list: unknown = Reflect.get(object, name);
  return Array.isArray(list) ? list : [];
}

function sameSubject(a: RbacV1Subject, b: RbacV1Subject): boolean {
  return a.kind === b.kind && a.name === b.name && (a.namespace ?? '') === (b.namespace ?? '');
}

/** True when `value` has everything that `wanted` has; a server may have added defaults. */
function contains(value: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(value) &&
      value.length === wanted.length &&
      wanted.every((item, index) => contains(value[index], item))
    );
  }
  if (!isObject(wanted)) return value === wanted;
  return isObject(value) && Object.entries(wanted).every(([key, member]) => contains(value[key], member));
}
