import { TerminalError, TransientError } from '../../core/errors.ts';
import type { DownwardAPIVolumeFile, Pod, Volume, VolumeProjection } from '../../kube/types.gen.ts';
import { type Allocatable, fieldValue, resourceFieldValue } from '../environment/field-value.ts';
import { effectiveSecurity } from '../pods/security.ts';
import type { ObjectReference, ObjectWatch } from './object-watch.ts';
import { configMapPayload, type Payload, type PayloadFile, secretPayload } from './payload.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';
import type { VolumePlugin } from './volume-paths.ts';

/** A volume whose files the node writes: from ConfigMaps, Secrets, the pod itself and tokens. */
export interface WrittenVolume {
  readonly plugin: VolumePlugin;
  /** Kept in memory only, as secrets should. */
  readonly inMemory: boolean;
  readonly sources: readonly VolumeProjection[];
  readonly defaultMode: number;
}

const defaultMode = 0o644;

/** The volume as a list of projections; undefined for other kinds of volumes. */
export function writtenVolume(volume: Volume): WrittenVolume | undefined {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap) {
    const { defaultMode: mode = defaultMode, ...source } = configMap;
    return { plugin: 'configmap', inMemory: false, sources: [{ configMap: source }], defaultMode: mode };
  }
  if (secret) {
    const { defaultMode: mode = defaultMode, secretName = '', ...source } = secret;
    const sources = [{ secret: { name: secretName, ...source } }];
    return { plugin: 'secret', inMemory: true, sources, defaultMode: mode };
  }
  if (downwardAPI) {
    const { defaultMode: mode = defaultMode, items = [] } = downwardAPI;
    return { plugin: 'downward-api', inMemory: true, sources: [{ downwardAPI: { items } }], defaultMode: mode };
  }
  if (projected) {
    const { defaultMode: mode = defaultMode, sources = [] } = projected;
    return { plugin: 'projected', inMemory: true, sources, defaultMode: mode };
  }
  return undefined;
}

/** The objects that the volume is made of. */
export function referencesOf(volume: WrittenVolume, namespace: string): readonly ObjectReference[] {
  return volume.sources.flatMap(({ configMap, secret }): ObjectReference[] => {
    if (configMap?.name) return [{ kind: 'ConfigMap', namespace, name: configMap.name }];
    return secret?.name ? [{ kind: 'Secret', namespace, name: secret.name }] : [];
  });
}

export interface WrittenVolumeSources {
  readonly objects: ObjectWatch;
  readonly tokens: ServiceAccountTokens;
  readonly allocatable: () => Allocatable;
}

export interface CollectedPayload {
  readonly payload: Payload;
  /** When something in it must be renewed, milliseconds since the epoch. */
  readonly renewAt: number | undefined;
}

/** Reads all that the volume is made of. Throws with kubelet's words when something that is not optional is missing. */
export async function collectPayload(
  volume: WrittenVolume,
  pod: Pod,
  { objects, tokens, allocatable }: WrittenVolumeSources,
  signal: AbortSignal,
): Promise<CollectedPayload> {
  const namespace = pod.metadata.namespace ?? '';
  const files = new Map<string, PayloadFile>();
  const errors: Error[] = [];
  let renewAt: number | undefined;

  async function add(source: VolumeProjection): Promise<void> {
    const { configMap, secret, downwardAPI, serviceAccountToken } = source;
    if (configMap) {
      const { name = '', items, optional = false } = configMap;
      const object = await objects.configMap(namespace, name, signal);
      if (object === undefined && !optional) throw missing('configmap', name);
      if (object) merge(configMapPayload(object, { items, optional, defaultMode: volume.defaultMode }));
    } else if (secret) {
      const { name = '', items, optional = false } = secret;
      const object = await objects.secret(namespace, name, signal);
      if (object === undefined && !optional) throw missing('secret', name);
      if (object) merge(secretPayload(object, { items, optional, defaultMode: volume.defaultMode }));
    } else if (downwardAPI) {
      merge(downwardPayload(pod, downwardAPI.items ?? [], volume.defaultMode, allocatable()));
    } else if (serviceAccountToken) {
      const token = await tokens.get(pod, serviceAccountToken, signal);
      renewAt = Math.min(renewAt ?? Number.POSITIVE_INFINITY, token.renewAt);
      files.set(serviceAccountToken.path, tokenFile(pod, token.token, volume.defaultMode));
    } else {
      const kind = Object.keys(source)[0] ?? 'empty';
      throw new TerminalError('VOLUME_UNSUPPORTED', `projected volume source ${kind} is not supported on this node`, {
        hint: 'use a configMap, secret, downwardAPI or serviceAccountToken source',
      });
    }
  }

  function merge(payload: Payload): void {
    for (const [path, file] of payload) files.set(path, file);
  }

  for (const source of volume.sources) {
    try {
      await add(source);
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown instanceof TerminalError || !(thrown instanceof Error)) throw thrown;
      errors.push(thrown);
    }
  }
  const [first] = errors;
  if (first === undefined) return { payload: files, renewAt };
  const message = errors.length === 1 ? first.message : `[${errors.map((error) => error.message).join(', ')}]`;
  throw new TransientError('VOLUME_SOURCE', message, { cause: first });
}

function missing(kind: string, name: string): Error {
  return new TransientError('VOLUME_SOURCE_MISSING', `${kind} ${JSON.stringify(name)} not found`);
}

function downwardPayload(
  pod: Pod,
  items: readonly DownwardAPIVolumeFile[],
  mode: number,
  allocatable: Allocatable,
): Payload {
  return new Map(
    items.map((item) => {
      const text = item.resourceFieldRef
        ? resourceFieldValue(pod, undefined, item.resourceFieldRef, allocatable)
        : fieldValue(pod, item.fieldRef?.fieldPath ?? '');
      return [item.path, { data: Buffer.from(text), mode: item.mode ?? mode }];
    }),
  );
}

/** A token can be read by its user alone where that user is known; kubelet's rule. */
function tokenFile(pod: Pod, token: string, mode: number): PayloadFile {
  const data = Buffer.from(token);
  const uid = commonUser(pod);
  if (pod.spec?.securityContext?.fsGroup !== undefined)
    return { data, mode: 0o600, ...(uid === undefined ? {} : { uid }) };
  return uid === undefined ? { data, mode } : { data, mode: 0o600, uid };
}

/** The user as whom all containers run, if they name the same one. */
function commonUser(pod: Pod): number | undefined {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const users = new Set(
    [...initContainers, ...containers, ...ephemeralContainers].map(
      (container) => effectiveSecurity(pod, container).runAsUser,
    ),
  );
  const [only] = users;
  return users.size === 1 ? only : undefined;
}
