import { isObject } from '../../core/json.ts';
import { draft } from '../../kube/draft.ts';
import { matchesLabelSelector } from '../../kube/label-selector.ts';
import type { KubeObject } from '../../kube/object.ts';
import { peekApiVersion } from '../../kube/protobuf/decode.ts';
import { poddisruptionbudgets } from '../../kube/resources.gen.ts';
import { findSchema } from '../../kube/schema/builtin.ts';
import { isReason } from '../../kube/status-error.ts';
import { formatTime } from '../../kube/time.ts';
import type { Pod, PodCondition, PodDisruptionBudget } from '../../kube/types.gen.ts';
import { type Answer, type Call, objectAnswer } from '../answer.ts';
import { badRequest, failure, forbidden, notFound, plainError } from '../errors.ts';
import type { ServedKind } from '../kind-registry.ts';
import { protobufType } from '../media-type.ts';
import { parseWriteOptions } from '../options.ts';
import { createdStatus } from './binding.ts';
import { decodeBody, type Expected } from './codec.ts';
import { deleteObject } from './delete.ts';
import type { DeleteOptions, Propagation } from './delete-options.ts';
import { updateOf } from './handlers.ts';
import type { ObjectDraft, Registry } from './registry.ts';
import { updateObject } from './update.ts';

const expectedEviction: Expected = {
  group: 'policy',
  version: 'v1',
  kind: 'Eviction',
  schema: findSchema('io.k8s.api.policy.v1.Eviction') ?? { type: 'any', atomic: false },
};
/** Evictions that a budget may have under way without the controller having seen them. */
const disruptedPodsMax = 2000;

interface Eviction extends KubeObject {
  readonly deleteOptions?: {
    readonly gracePeriodSeconds?: number;
    readonly propagationPolicy?: string;
    readonly dryRun?: readonly string[];
    readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  };
}

type Budget = PodDisruptionBudget & KubeObject;

/** POST to pods/NAME/eviction: deletes the pod if its disruption budget allows. */
export async function evictPod(registry: Registry, pods: ServedKind, call: Call): Promise<Answer> {
  const options = parseWriteOptions(call.query, 'CreateOptions');
  const body = await call.body();
  const { object } = decodeBody(body, call.contentType, versionOf(body, call.contentType), options.fieldValidation);
  const eviction = object as unknown as Eviction;
  const { namespace, name } = call.info;
  if (eviction.metadata.name !== undefined && eviction.metadata.name !== name) {
    throw badRequest('name in URL does not match name in Eviction object');
  }
  const dryRun = options.dryRun || (eviction.deleteOptions?.dryRun ?? []).length > 0;
  const entry = pods.get(namespace, name);
  if (entry === undefined) throw notFound(pods.resource, name);
  const pod = entry.object as Pod & KubeObject;
  if (!needsNoBudget(pod)) await takeFromBudget(registry, call, pod, dryRun);
  await remove(registry, pods, call, eviction, pod, dryRun);
  return objectAnswer(201, null, createdStatus);
}

// policy/v1beta1 has the same shape, and old clients still send it.
function versionOf(body: Awaited<ReturnType<Call['body']>>, contentType: string): Expected {
  return saysV1beta1(body, contentType) ? { ...expectedEviction, version: 'v1beta1' } : expectedEviction;
}

function saysV1beta1(body: Awaited<ReturnType<Call['body']>>, contentType: string): boolean {
  if (body.type === 'value') return isObject(body.value) && body.value['apiVersion'] === 'policy/v1beta1';
  if (contentType === 'application/yaml') return false;
  if (contentType === protobufType) return peekApiVersion(body.bytes) === 'policy/v1beta1';
  return /"apiVersion"\s*:\s*"policy\/v1beta1"/.test(body.bytes.toString('utf8'));
}

function needsNoBudget({ metadata, status }: Pod & KubeObject): boolean {
  const phase = status?.phase ?? '';
  return phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending' || metadata.deletionTimestamp !== undefined;
}

async function takeFromBudget(registry: Registry, call: Call, pod: Pod & KubeObject, dryRun: boolean): Promise<void> {
  const served = registry.kinds.of(poddisruptionbudgets);
  if (served === undefined) return;
  const budgets = served.cache
    .inNamespace(pod.metadata.namespace ?? '')
    .map((entry) => entry.object as Budget)
    .filter((budget) => matchesLabelSelector(budget.spec?.selector, pod.metadata.labels));
  if (budgets.length > 1) {
    throw plainError(
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    );
  }
  const [budget] = budgets;
  if (budget === undefined || mayGoUnhealthy(budget, pod)) return;
  const name = budget.metadata.name ?? '';
  const now = formatTime(registry.clock.now());
  const { strategy } = served.kind;
  await updateObject(registry, {
    ...updateOf(
      served,
      call,
      '',
      { dryRun, fieldManager: '', fieldValidation: 'Ignore', force: undefined },
      'UpdateOptions',
    ),
    name,
    mayCreate: false,
    prepare: () => undefined,
    validate: (object, old) => strategy.subresources?.['status']?.validateUpdate(object, old) ?? [],
    next: async (old) => {
      if (old === null) throw notFound(served.resource, name);
      return disrupted(old as Budget, pod.metadata.name ?? '', now);
    },
  });
}

// A pod that isn't ready costs the budget nothing, as far as its policy says so.
function mayGoUnhealthy({ spec, status }: Budget, pod: Pod): boolean {
  const isReady = (pod.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');
  if (isReady) return false;
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const desired = status?.desiredHealthy ?? 0;
  return desired > 0 && (status?.currentHealthy ?? 0) >= desired;
}

function disrupted(budget: Budget, podName: string, now: string): ObjectDraft {
  const { metadata, status = {} } = budget as Budget & { readonly status?: Partial<NonNullable<Budget['status']>> };
  const name = metadata.name ?? '';
  const allowed = status.disruptionsAllowed ?? 0;
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) {
    throw tooManyEvictions(`The disruption budget ${name} is still being processed by the server.`, 10);
  }
  if (allowed < 0) throw forbidden(poddisruptionbudgets, name, 'pdb disruptions allowed is negative');
  if (Object.keys(status.disruptedPods ?? {}).length > disruptedPodsMax) {
    const why = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller';
    throw forbidden(poddisruptionbudgets, name, why);
  }
  if (allowed === 0) {
    const failed = (status.conditions ?? []).find(
      (one) => one.type === 'DisruptionAllowed' && one.status === 'False' && one.reason === 'SyncFailed',
    );
    throw tooManyEvictions(
      failed === undefined
        ? `The disruption budget ${name} needs ${status.desiredHealthy ?? 0} healthy pods and has ${status.currentHealthy ?? 0} currently`
        : `The disruption budget ${name} does not allow evicting pods currently because it failed sync: ${failed.message}`,
      0,
    );
  }
  const next = draft(budget) as unknown as ObjectDraft & { status: Record<string, unknown> };
  next.status['disruptionsAllowed'] = allowed - 1;
  next.status['disruptedPods'] = { ...status.disruptedPods, [podName]: now };
  if (allowed === 1)
    next.status['conditions'] = withInsufficientPods(status.conditions ?? [], metadata.generation, now);
  return next;
}

type Condition = NonNullable<NonNullable<Budget['status']>['conditions']>[number];

function withInsufficientPods(
  conditions: readonly Condition[],
  observedGeneration: number | undefined,
  now: string,
): readonly Condition[] {
  const standing = conditions.find(({ type }) => type === 'DisruptionAllowed');
  const condition: Condition = {
    type: 'DisruptionAllowed',
    status: 'False',
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
    lastTransitionTime: standing?.status === 'False' ? standing.lastTransitionTime : now,
    reason: 'InsufficientPods',
    message: '',
  };
  return standing === undefined
    ? [...conditions, condition]
    : conditions.map((one) => (one === standing ? condition : one));
}

function tooManyEvictions(cause: string, retryAfterSeconds: number) {
  return failure({
    code: 429,
    reason: 'TooManyRequests',
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    details: {
      causes: [{ reason: 'DisruptionBudget', message: cause }],
      ...(retryAfterSeconds > 0 ? { retryAfterSeconds } : {}),
    },
    ...(retryAfterSeconds > 0 ? { headers: { 'retry-after': String(retryAfterSeconds) } } : {}),
  });
}

async function remove(
  registry: Registry,
  pods: ServedKind,
  call: Call,
  eviction: Eviction,
  pod: Pod & KubeObject,
  dryRun: boolean,
): Promise<void> {
  const { name = '', namespace = '', uid } = pod.metadata;
  const given = eviction.deleteOptions;
  const options: DeleteOptions = {
    gracePeriodSeconds: given?.gracePeriodSeconds,
    propagationPolicy: given?.propagationPolicy as Propagation | undefined,
    orphanDependents: undefined,
    preconditions: given?.preconditions ?? (uid === undefined ? undefined : { uid }),
    dryRun,
  };
  if (!dryRun && given?.preconditions === undefined) await markDisrupted(registry, pods, call, pod);
  try {
    await deleteObject(registry, { served: pods, call, namespace, name, options });
  } catch (thrown) {
    if (!isReason(thrown, 'NotFound')) throw thrown;
  }
}

async function markDisrupted(registry: Registry, pods: ServedKind, call: Call, pod: Pod & KubeObject): Promise<void> {
  const name = pod.metadata.name ?? '';
  const now = formatTime(registry.clock.now());
  await updateObject(registry, {
    ...updateOf(
      pods,
      call,
      '',
      { dryRun: false, fieldManager: '', fieldValidation: 'Ignore', force: undefined },
      'UpdateOptions',
    ),
    name,
    mayCreate: false,
    prepare: () => undefined,
    validate: () => [],
    next: async (old) => {
      if (old === null || old.metadata.uid !== pod.metadata.uid) throw notFound(pods.resource, name);
      const next = draft(old) as unknown as ObjectDraft & { status: Record<string, unknown> };
      const conditions = ((old as Pod).status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget');
      const target = {
        type: 'DisruptionTarget',
        status: 'True',
        lastProbeTime: null,
        lastTransitionTime: now,
        reason: 'EvictionByEvictionAPI',
        message: 'Eviction API: evicting',
      } as unknown as PodCondition;
      next.status = { ...next.status, conditions: [...conditions, target] };
      return next;
    },
  });
}
