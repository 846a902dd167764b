import { randomUUID } from 'node:crypto';
import { goQuote } from '../../kube/go-json.ts';
import { formatTime } from '../../kube/time.ts';
import type { Call } from '../answer.ts';
import type { Entry } from '../cache/entry.ts';
import { alreadyExists, badRequest, generateNameConflict, invalid, plainError } from '../errors.ts';
import type { ServedKind } from '../kind-registry.ts';
import type { WriteOptions } from '../options.ts';
import { generateName } from './names.ts';
import { hooksOf, type ObjectDraft, type Registry } from './registry.ts';
import { checkNew, settleNamespace } from './validate.ts';

export interface Creation {
  readonly served: ServedKind;
  readonly call: Call;
  readonly namespace: string;
  readonly options: WriteOptions;
}

/** Names that collide are made anew this often, as upstream does. */
const generateNameAttempts = 8;

/**
 * Brings an object into being: names it, lets admission and its strategy have their say, validates, writes. The draft
 * was decoded and defaulted, and carries its managed fields. Resolves with what stands, or (dry run) would stand.
 */
export async function createObject(
  registry: Registry,
  creation: Creation,
  object: ObjectDraft,
): Promise<Entry | ObjectDraft> {
  const { served, call, namespace, options } = creation;
  const { resource, strategy } = served.kind;
  const { metadata } = object;
  settleNamespace(served, metadata, namespace);
  const attempt = {
    call,
    served,
    operation: 'CREATE' as const,
    name: metadata.name ?? '',
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', ...optionsForAdmission(options) },
    dryRun: options.dryRun,
  };
  const request = registry.admission.request(attempt, object, null);
  await registry.admission.mutate(request);
  // A name is made up after mutating admission, whose refusals speak of the prefix; validating ones know the name.
  const isGenerated = (metadata.name ?? '') === '' && (metadata.generateName ?? '') !== '';
  if (isGenerated) metadata.name = generateName(metadata.generateName ?? '');
  const named = isGenerated
    ? registry.admission.request({ ...attempt, name: metadata.name ?? '' }, object, null)
    : request;
  const { resourceVersion = '' } = metadata;
  // What is stored refuses it; a dry run, which stores nothing, shows it as it came.
  if (!options.dryRun && resourceVersion !== '' && resourceVersion !== '0') {
    throw plainError('resourceVersion should not be set on objects to be created');
  }
  stampSystemFields(registry, metadata);
  if (options.dryRun && resourceVersion !== '') metadata.resourceVersion = resourceVersion;
  strategy.prepareForCreate(object);
  const hooks = hooksOf(registry, served);
  const finish = await hooks.create?.(object, options.dryRun);
  try {
    checkNew(served, object);
    for (const text of strategy.warnings?.(object, null) ?? []) call.warn(text);
    await registry.admission.validate(named);
    const created = await write(registry, creation, object, isGenerated);
    if (options.dryRun) finish?.rollback();
    else await finish?.commit();
    return created;
  } catch (thrown) {
    finish?.rollback();
    if (isGenerated && metadata.name === undefined) throw invalid(resource, '', []);
    throw thrown;
  }
}

async function write(
  registry: Registry,
  creation: Creation,
  object: ObjectDraft,
  isGenerated: boolean,
): Promise<Entry | ObjectDraft> {
  const { served, namespace, options } = creation;
  const { metadata } = object;
  for (let attempts = 1; ; attempts += 1) {
    const name = metadata.name ?? '';
    if (served.cache.get(namespace, name) === undefined) {
      if (options.dryRun) return object;
      const leaseSeconds = hooksOf(registry, served).leaseSeconds?.();
      const stored = served.toStorage(object);
      const result = await registry.hub.put(served.location, namespace, name, 0, stored, leaseSeconds);
      if (result.ok) return served.view(result.entry);
    }
    if (!isGenerated) throw alreadyExists(served.resource, name);
    if (attempts >= generateNameAttempts) throw generateNameConflict(served.resource, name);
    metadata.name = generateName(metadata.generateName ?? '');
  }
}

// What only the server sets; whatever the client sent is overwritten.
function stampSystemFields(registry: Registry, metadata: ObjectDraft['metadata']): void {
  metadata.creationTimestamp = formatTime(registry.clock.now());
  metadata.uid = newUid();
  delete metadata.resourceVersion;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
}

/** Takes what only the server sets off an object that a client wants to create, so that nobody gets to own it. */
export function wipeSystemFields(metadata: ObjectDraft['metadata']): void {
  delete metadata.creationTimestamp;
  delete metadata.uid;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
}

/** A uid for a new object. */
export function newUid(): string {
  return randomUUID();
}

function optionsForAdmission(options: WriteOptions): Record<string, unknown> {
  return {
    ...(options.dryRun ? { dryRun: ['All'] } : {}),
    ...(options.fieldManager === '' ? {} : { fieldManager: options.fieldManager }),
    fieldValidation: options.fieldValidation,
  };
}

/** Owners that are named twice would be deleted twice: only the first stays, with a warning. */
export function dropDuplicateOwners(call: Call, metadata: ObjectDraft['metadata']): void {
  const owners = metadata.ownerReferences;
  if (owners === undefined || owners.length < 2) return;
  const seen = new Set<string>();
  const kept = owners.filter((owner) => {
    const key = JSON.stringify([
      owner.apiVersion,
      owner.kind,
      owner.name,
      owner.uid,
      owner.controller,
      owner.blockOwnerDeletion,
    ]);
    return !seen.has(key) && seen.add(key);
  });
  if (kept.length === owners.length) return;
  metadata.ownerReferences = kept;
  const repeated = owners.find((owner, index) => owners.findIndex((other) => other.uid === owner.uid) < index);
  call.warn(
    `.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${repeated?.uid ?? ''}`,
  );
}

/** A name that the URL gives must be one that a path can hold. */
export function checkUrlName(name: string): void {
  const why =
    name === '.' || name === '..'
      ? `may not be '${name}'`
      : name.includes('/')
        ? "may not contain '/'"
        : name.includes('%')
          ? "may not contain '%'"
          : undefined;
  if (why !== undefined) throw badRequest(`Name parameter invalid: ${goQuote(name)}: ${why}`);
}
