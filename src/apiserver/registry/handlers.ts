import { isObject, type Json, type JsonObject } from '../../core/json.ts';
import { draft } from '../../kube/draft.ts';
import { type FieldError, invalid as invalidField } from '../../kube/field-error.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { Schema } from '../../kube/schema/schema.ts';
import { isReason } from '../../kube/status-error.ts';
import { type Answer, type Call, objectAnswer } from '../answer.ts';
import { badRequest, invalid, notFound } from '../errors.ts';
import type { ServedKind } from '../kind-registry.ts';
import { list, waitForRevision } from '../list.ts';
import {
  type FieldValidation,
  noListOptions,
  parseListOptions,
  parseResourceVersion,
  parseWriteOptions,
  type WriteOptions,
} from '../options.ts';
import { selectionOf } from '../selection.ts';
import { watch } from '../watch.ts';
import { type DecodedObject, decodeBody, decodeValue, type Expected } from './codec.ts';
import { createObject, dropDuplicateOwners, wipeSystemFields } from './create.ts';
import { deleteObject } from './delete.ts';
import { readDeleteOptions } from './delete-options.ts';
import { appliedOver, withManagedFields } from './field-manager.ts';
import { type ParsedPatch, parseConfiguration, parsePatch, patchTypeOf } from './patch.ts';
import type { ObjectDraft, Registry } from './registry.ts';
import { type Update, updateObject } from './update.ts';
import { checkName, settleNamespace } from './validate.ts';

/** The namespace that keys are in: a request for a namespace has it in its URL, but is cluster-scoped. */
export function namespaceOf(served: ServedKind, call: Call): string {
  return served.resource.namespaced ? call.info.namespace : '';
}

/** GET of one object. Answers at once unless a newer resourceVersion is asked for. */
export function get(registry: Registry, served: ServedKind, call: Call): Answer | Promise<Answer> {
  const namespace = namespaceOf(served, call);
  const { name } = call.info;
  const wanted = call.query.isEmpty ? undefined : call.query.get('resourceVersion');
  if (wanted !== undefined && wanted !== '' && wanted !== '0') return getAtLeast(registry, served, call, wanted);
  const entry = served.get(namespace, name);
  if (entry === undefined) throw notFound(served.resource, name);
  return objectAnswer(200, served, entry);
}

async function getAtLeast(registry: Registry, served: ServedKind, call: Call, wanted: string): Promise<Answer> {
  await waitForRevision(registry.hub, parseResourceVersion(wanted, 'other'));
  const entry = served.get(namespaceOf(served, call), call.info.name);
  if (entry === undefined) throw notFound(served.resource, call.info.name);
  return objectAnswer(200, served, entry);
}

/** GET of a collection: a list, or with `watch=1` a watch. */
export async function listOrWatch(registry: Registry, served: ServedKind, call: Call): Promise<Answer> {
  const { info, query } = call;
  const isWatch = info.verb === 'watch';
  const options = query.isEmpty && !isWatch ? noListOptions : parseListOptions(query, isWatch);
  const selection = selectionOf(served, namespaceOf(served, call), options, info.name === '' ? undefined : info.name);
  if (isWatch) return { type: 'watch', served, source: watch(registry.hub, served, selection, options) };
  return await list(registry.hub, served, selection, options);
}

/** POST to a collection. */
export async function create(registry: Registry, served: ServedKind, call: Call): Promise<Answer> {
  const { options, object: next } = await readObject(registry, served, call, 'CreateOptions');
  wipeSystemFields(next.metadata);
  served.kind.strategy.setDefaults(next);
  const write = { served, call, subresource: '', options };
  const managed = withManagedFields(registry, write, null, next);
  dropDuplicateOwners(call, managed.metadata);
  const namespace = namespaceOf(served, call);
  const created = await createObject(registry, { served, call, namespace, options }, managed);
  return objectAnswer(201, served, created);
}

/** The object and the options that a write sends; what is odd about the object goes to the client as warnings. */
async function readObject(
  registry: Registry,
  served: ServedKind,
  call: Call,
  kind: 'CreateOptions' | 'UpdateOptions',
): Promise<{ readonly options: WriteOptions; readonly object: ObjectDraft }> {
  const body = await call.body();
  const options = parseWriteOptions(call.query, kind);
  const expected = expectedOf(registry, served);
  const { object, warnings } = decodeBody(body, call.contentType, expected, options.fieldValidation);
  for (const text of warnings) call.warn(text);
  return { options, object: object as unknown as ObjectDraft };
}

/** PUT of an object, or (subresource `status` and the like) of a part of it. */
export async function replace(
  registry: Registry,
  served: ServedKind,
  call: Call,
  subresource: string,
): Promise<Answer> {
  const { options, object: replacement } = await readObject(registry, served, call, 'UpdateOptions');
  served.kind.strategy.setDefaults(replacement);
  checkName(replacement.metadata.name, call.info.name);
  const write = { served, call, subresource, options };
  const updated = await updateObject(registry, {
    ...updateOf(served, call, subresource, options, 'UpdateOptions'),
    mayCreate: subresource === '' && served.kind.strategy.allowCreateOnUpdate,
    next: async (old) => {
      const next = withManagedFields(registry, write, old, draft(replacement) as ObjectDraft);
      dropDuplicateOwners(call, next.metadata);
      return next;
    },
  });
  return objectAnswer(updated.isCreated ? 201 : 200, served, updated.object);
}

/** PATCH in its four forms. */
export async function patch(registry: Registry, served: ServedKind, call: Call, subresource: string): Promise<Answer> {
  const type = patchTypeOf(call.contentType, served.isCustom);
  const body = await call.body();
  const options = parseWriteOptions(call.query, 'PatchOptions', call.contentType);
  const write = { served, call, subresource, options };
  const next =
    type === 'apply'
      ? applying(registry, write, parseConfiguration(body))
      : patching(registry, write, parsePatch(type, body));
  const updated = await updateObject(registry, {
    ...updateOf(served, call, subresource, options, 'PatchOptions'),
    mayCreate: type === 'apply' && subresource === '',
    next,
  });
  return objectAnswer(updated.isCreated ? 201 : 200, served, updated.object);
}

type Write = Parameters<typeof withManagedFields>[1];

function patching(registry: Registry, write: Write, patch: ParsedPatch): Update['next'] {
  const { served, call, options } = write;
  return async (old) => {
    if (old === null) throw notFound(served.resource, call.info.name);
    const { schema } = served;
    const document = old as unknown as JsonObject;
    const patched = patch.apply(document, schema.type === 'object' ? schema : null);
    const expected = expectedOf(registry, served);
    const refusal = (why: string) => patch.refusal(document, why);
    const { object, warnings } = decodePatched(patched, expected, options.fieldValidation, refusal);
    for (const text of warnings) call.warn(text);
    const next = object as unknown as ObjectDraft;
    served.kind.strategy.setDefaults(next);
    checkPatchedIdentity(served, next, old);
    const managed = withManagedFields(registry, write, old, next);
    dropDuplicateOwners(call, managed.metadata);
    return managed;
  };
}

function applying(registry: Registry, write: Write, configuration: JsonObject): Update['next'] {
  const { served, call } = write;
  const { name } = call.info;
  const expected = expectedOf(registry, served);
  return async (old) => {
    checkConfigurationName(configuration, name);
    const { resourceVersion } = metadataOf(configuration);
    if (old === null && resourceVersion !== undefined) throw notFound(served.resource, name);
    const result = appliedOver(registry, write, old, configuration);
    const { object } = decodeValue({ value: result, bytes: Buffer.alloc(0) }, expected, 'Ignore');
    const next = object as unknown as ObjectDraft;
    served.kind.strategy.setDefaults(next);
    if (old !== null) checkPatchedIdentity(served, next, old);
    dropDuplicateOwners(call, next.metadata);
    return next;
  };
}

function metadataOf(configuration: JsonObject): KubeObject['metadata'] {
  const { metadata } = configuration;
  return isObject(metadata) ? metadata : {};
}

function checkConfigurationName(configuration: JsonObject, name: string): void {
  const given = metadataOf(configuration).name;
  if (given === undefined || given === name) return;
  throw badRequest(`the name of the object (${given}) does not match the name on the URL (${name})`);
}

const cannotBeHandled = /^.*? cannot be handled as an? .*?: /;

/** A patch that breaks the object's form makes the patch invalid, not the request. */
export function decodePatched(
  patched: Json,
  expected: Expected,
  validation: FieldValidation,
  refusal: (why: string) => { readonly shown: string; readonly why: string },
): DecodedObject {
  try {
    return decodeValue({ value: patched, bytes: Buffer.alloc(0) }, expected, validation);
  } catch (thrown) {
    if (!isReason(thrown, 'BadRequest')) throw thrown;
    const { shown, why } = refusal(thrown.message.replace(cannotBeHandled, ''));
    throw invalid({ group: '', kind: '' }, '', [invalidField('patch', shown, why)]);
  }
}

function checkPatchedIdentity(served: ServedKind, next: ObjectDraft, old: KubeObject): void {
  checkName(next.metadata.name, old.metadata.name ?? '');
  settleNamespace(served, next.metadata, old.metadata.namespace ?? '');
}

/** DELETE of one object. */
export async function remove(registry: Registry, served: ServedKind, call: Call): Promise<Answer> {
  const options = await readDeleteOptions(call);
  if (isJob(served) && options.propagationPolicy === undefined && options.orphanDependents === undefined) {
    call.warn(
      'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning',
    );
  }
  const namespace = namespaceOf(served, call);
  const { name } = call.info;
  const deleted = await deleteObject(registry, { served, call, namespace, name, options });
  const isAccepted = !deleted.isGone && options.orphanDependents === false;
  return objectAnswer(isAccepted ? 202 : 200, served, deleted.object);
}

function isJob({ resource }: ServedKind): boolean {
  return resource.group === 'batch' && resource.plural === 'jobs';
}

/** How many objects of a collection are deleted at the same time. */
const collectionConcurrency = 16;

/** DELETE of a collection. Answers with the list of what was selected. */
export async function removeCollection(registry: Registry, served: ServedKind, call: Call): Promise<Answer> {
  const listOptions = parseListOptions(call.query, false);
  const selection = selectionOf(served, namespaceOf(served, call), listOptions);
  const options = await readDeleteOptions(call);
  const found = await list(registry.hub, served, selection, listOptions);
  const queue = [...found.entries];
  const worker = async () => {
    for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
      try {
        await deleteObject(registry, { served, call, namespace: entry.namespace, name: entry.name, options });
      } catch (thrown) {
        // Somebody else was faster: it is gone, which is what was asked.
        if (!isNotFound(thrown)) throw thrown;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(collectionConcurrency, queue.length) }, worker));
  return { type: 'list', served, entries: found.entries, metadata: found.metadata };
}

function isNotFound(thrown: unknown): boolean {
  return thrown instanceof Error && 'httpCode' in thrown && thrown.httpCode === 404;
}

/** What a body sent to this kind's endpoints should be. */
export function expectedOf(registry: Registry, served: ServedKind): Expected {
  const { group, version, kind } = served.resource;
  return {
    group,
    version,
    kind,
    schema: served.schema,
    ...(served.kind.custom === undefined ? {} : { custom: served.kind.custom }),
    knows: (g, v, k): Schema | undefined => registry.kinds.findKind(g, v, k)?.schema,
  };
}

/** The part of an update that the kind and the endpoint decide. */
export function updateOf(
  served: ServedKind,
  call: Call,
  subresource: string,
  options: WriteOptions,
  optionsKind: Update['optionsKind'],
): Omit<Update, 'next' | 'mayCreate'> {
  const { strategy } = served.kind;
  const part = subresource === '' ? strategy : strategy.subresources?.[subresource];
  return {
    served,
    call,
    namespace: namespaceOf(served, call),
    name: call.info.name,
    subresource,
    options,
    optionsKind,
    prepare: (object, old) => part?.prepareForUpdate(object, old),
    validate: (object, old): readonly FieldError[] => part?.validateUpdate(object, old) ?? [],
  };
}

/** Throws Invalid unless PUT may leave the resourceVersion out. */
export function requireResourceVersion(served: ServedKind, object: KubeObject): void {
  if ((object.metadata.resourceVersion ?? '') !== '') return;
  const message = 'Invalid value: 0: must be specified for an update';
  throw invalid(served.resource, object.metadata.name ?? '', [
    { type: 'FieldValueInvalid', field: 'metadata.resourceVersion', message },
  ]);
}
