import { findCondition } from '../../kube/conditions.ts';
import { draft } from '../../kube/draft.ts';
import { type FieldError, notSupported, required } from '../../kube/field-error.ts';
import type { KubeObject } from '../../kube/object.ts';
import { bindings } from '../../kube/resources.gen.ts';
import { findSchema } from '../../kube/schema/builtin.ts';
import { formatTime } from '../../kube/time.ts';
import type { Binding, Pod, PodCondition } from '../../kube/types.gen.ts';
import { type Answer, type Call, objectAnswer } from '../answer.ts';
import { badRequest, conflict, invalid, notFound } from '../errors.ts';
import type { ServedKind } from '../kind-registry.ts';
import { parseWriteOptions } from '../options.ts';
import { decodeBody, type Expected } from './codec.ts';
import { updateOf } from './handlers.ts';
import type { ObjectDraft, Registry } from './registry.ts';
import { updateObject } from './update.ts';
import { settleNamespace } from './validate.ts';

/** The Status that answers a POST which creates nothing of its own. */
export const createdStatus = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };

const expectedBinding: Expected = {
  group: '',
  version: 'v1',
  kind: 'Binding',
  schema: findSchema('io.k8s.api.core.v1.Binding') ?? { type: 'any', atomic: false },
};

/**
 * Assigns a pod to a node: POST to pods/NAME/binding, or (`name` empty) to bindings, where the body names the pod. A
 * pod can be bound once.
 */
export async function bindPod(registry: Registry, pods: ServedKind, call: Call): Promise<Answer> {
  const options = parseWriteOptions(call.query, 'CreateOptions');
  const { object } = decodeBody(await call.body(), call.contentType, expectedBinding, options.fieldValidation);
  const binding = object as unknown as Binding & KubeObject;
  const name =
    call.info.name === '' || call.info.resource === 'bindings' ? (binding.metadata.name ?? '') : call.info.name;
  if (binding.metadata.name !== undefined && binding.metadata.name !== name) {
    throw badRequest('name in URL does not match name in Binding object');
  }
  settleNamespace(pods, binding.metadata as { namespace?: string }, call.info.namespace);
  const errors = bindingErrors(binding);
  if (errors.length > 0) throw invalid(bindings, name, errors);
  await updateObject(registry, {
    ...updateOf(pods, call, '', options, 'UpdateOptions'),
    name,
    mayCreate: false,
    prepare: () => undefined,
    validate: () => [],
    next: async (old) => {
      if (old === null) throw notFound(pods.resource, name);
      return bound(old as Pod & KubeObject, binding, formatTime(registry.clock.now()));
    },
  });
  return objectAnswer(201, null, createdStatus);
}

function bindingErrors({ target }: Binding): readonly FieldError[] {
  const errors: FieldError[] = [];
  const kind = target?.kind ?? '';
  if (kind !== '' && kind !== 'Node') errors.push(notSupported('target.kind', kind, ['Node', '<empty>']));
  if ((target?.name ?? '') === '') errors.push(required('target.name'));
  return errors;
}

function bound(pod: Pod & KubeObject, binding: Binding, now: string): ObjectDraft {
  const { name = '', uid, resourceVersion } = pod.metadata;
  const refuse = (why: string) => conflict({ group: '', plural: 'pods/binding' }, name, why);
  const { metadata } = binding;
  if (metadata?.uid !== undefined && metadata.uid !== uid) {
    throw refuse(`Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${uid}`);
  }
  if (metadata?.resourceVersion !== undefined && metadata.resourceVersion !== resourceVersion) {
    throw refuse(
      `Precondition failed: ResourceVersion in precondition: ${metadata.resourceVersion}, ResourceVersion in object meta: ${resourceVersion}`,
    );
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
  }
  if ((pod.spec?.nodeName ?? '') !== '')
    throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(pod.spec?.nodeName)}`);
  if ((pod.spec?.schedulingGates ?? []).length > 0) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
  const next = draft(pod) as unknown as ObjectDraft & {
    spec: Record<string, unknown>;
    status: Record<string, unknown>;
  };
  next.spec['nodeName'] = binding.target?.name ?? '';
  if (metadata?.annotations !== undefined)
    next.metadata.annotations = { ...next.metadata.annotations, ...metadata.annotations };
  if (metadata?.labels !== undefined) next.metadata.labels = { ...next.metadata.labels, ...metadata.labels };
  next.status = { ...next.status, conditions: withScheduled(pod.status?.conditions ?? [], now) };
  // KEP-5278: where the pod was expected to go is of no use once it is there, and misleads who reads it.
  delete next.status['nominatedNodeName'];
  return next;
}

function withScheduled(conditions: readonly PodCondition[], now: string): readonly PodCondition[] {
  const standing = findCondition(conditions, 'PodScheduled');
  const scheduled: PodCondition = {
    type: 'PodScheduled',
    status: 'True',
    lastProbeTime: null as unknown as string,
    lastTransitionTime: standing?.status === 'True' ? (standing.lastTransitionTime ?? now) : now,
  };
  if (standing === undefined) return [...conditions, scheduled];
  return conditions.map((one) => (one === standing ? scheduled : one));
}
