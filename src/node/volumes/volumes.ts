import { mkdir } from 'node:fs/promises';
import type { Client } from '../../client/client.ts';
import type { Clock } from '../../core/clock.ts';
import { describeError, TerminalError, TransientError, WherryError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { parseQuantity, quantityValue } from '../../kube/quantity.ts';
import type { Pod, Volume } from '../../kube/types.gen.ts';
import type { Allocatable } from '../environment/field-value.ts';
import type { PodEvents } from '../pod-events.ts';
import { allContainers, podUid } from '../pods/identity.ts';
import type { VolumeSet } from '../volume-set.ts';
import { writeAtomically } from './atomic-writer.ts';
import { resolveClaim } from './claims.ts';
import { cleanupVolumes, podsWithVolumes, unmountVolumes } from './cleanup.ts';
import { containerMounts, type MountableVolume } from './container-mounts.ts';
import { checkHostPath } from './host-path.ts';
import { createObjectWatch } from './object-watch.ts';
import { giveToGroup, ownershipOf } from './ownership.ts';
import {
  isMountPoint,
  mountMemory,
  prepareEmptyDir,
  prepareNfs,
  preparePersistentVolume,
  unsupported,
} from './plain-volumes.ts';
import { createServiceAccountTokens } from './service-account-tokens.ts';
import { volumeFolder } from './volume-paths.ts';
import { collectPayload, referencesOf, type WrittenVolume, writtenVolume } from './written-volume.ts';

export interface VolumeSetOptions {
  /** Holds a folder a pod uid, e.g. `<data-dir>/agent/pods`; absolute, and the same for every process of this node. */
  readonly podsFolder: string;
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: PodEvents;
  /** The node's allocatable resources: limits of containers that set none. */
  readonly allocatable: () => Allocatable;
  /** The runtime can make submounts read-only too (KEP-3857). */
  readonly supportsRecursiveReadOnly?: boolean;
}

/** What is known in memory of one pod; everything else is on disk and in the mount table. */
interface PodState {
  pod: Pod;
  readonly volumes: Map<string, MountableVolume>;
  /** Serialises prepare, refresh and cleanup of the pod. */
  tail: Promise<unknown>;
  /** What of the pod its volumes depend on, as it was when everything was last prepared. */
  preparedFor: string | undefined;
  isStale: boolean;
  failures: number;
  timer: Disposable | undefined;
}

/** Delay of a refresh that failed, milliseconds: the first, and the longest. */
const retryMs = { first: 1000, longest: 60_000 };

/** The volumes of a node's pods; see VolumeSet. */
export function createVolumeSet(options: VolumeSetOptions): VolumeSet {
  const { podsFolder, client, clock, log, events, allocatable } = options;
  const states = new Map<string, PodState>();
  const abort = new AbortController();
  const objects = createObjectWatch(client, { clock, log }, refreshSoon);
  const tokens = createServiceAccountTokens(client, clock);
  const sources = { objects, tokens, allocatable };

  function stateOf(pod: Pod): PodState {
    const uid = podUid(pod);
    let state = states.get(uid);
    if (state === undefined) {
      state = {
        pod,
        volumes: new Map(),
        tail: Promise.resolve(),
        preparedFor: undefined,
        isStale: false,
        failures: 0,
        timer: undefined,
      };
      states.set(uid, state);
    }
    state.pod = pod;
    return state;
  }

  function inTurn<T>(state: PodState, work: () => Promise<T>): Promise<T> {
    const turn = state.tail.then(work, work);
    state.tail = turn.catch(() => {});
    return turn;
  }

  /** Something that a pod's volumes are made of has changed, or is about to run out. */
  function refreshSoon(uid: string): void {
    const state = states.get(uid);
    if (state === undefined || abort.signal.aborted) return;
    if (state.isStale) return;
    state.isStale = true;
    void inTurn(state, () => refresh(uid, state));
  }

  async function refresh(uid: string, state: PodState): Promise<void> {
    if (states.get(uid) !== state || abort.signal.aborted) return;
    state.isStale = false;
    // Nothing stands yet that could be old; prepare is called until it succeeds.
    if (state.preparedFor === undefined) return;
    let name = '';
    try {
      let renewAt: number | undefined;
      for (const [volume, written] of writtenVolumes(state.pod)) {
        name = volume.name;
        renewAt = earlier(renewAt, await prepareWritten(state.pod, volume, written, state, abort.signal));
      }
      state.failures = 0;
      wakeAt(uid, state, renewAt);
    } catch (thrown) {
      if (abort.signal.aborted) return;
      // The files stay as they are; the pod goes on with them.
      events.pod(state.pod, 'Warning', 'FailedMount', setUpFailure(name, thrown));
      const delayMs = Math.min(retryMs.first * 2 ** Math.min(state.failures, 10), retryMs.longest);
      state.failures += 1;
      wakeAt(uid, state, clock.now() + delayMs);
    }
  }

  function wakeAt(uid: string, state: PodState, at: number | undefined): void {
    state.timer?.[Symbol.dispose]();
    state.timer = undefined;
    if (at === undefined || abort.signal.aborted) return;
    state.timer = clock.after(Math.max(0, Math.min(at - clock.now(), 2 ** 31 - 1)), () => refreshSoon(uid));
  }

  async function prepareAll(state: PodState, pod: Pod, signal: AbortSignal): Promise<void> {
    const uid = podUid(pod);
    const namespace = pod.metadata.namespace ?? '';
    objects.follow(
      uid,
      writtenVolumes(pod).flatMap(([, written]) => referencesOf(written, namespace)),
    );
    const used = usedVolumes(pod);
    let renewAt: number | undefined;
    for (const volume of pod.spec?.volumes ?? []) {
      if (!used.has(volume.name)) continue;
      try {
        const written = writtenVolume(volume);
        if (written) renewAt = earlier(renewAt, await prepareWritten(pod, volume, written, state, signal));
        else state.volumes.set(volume.name, await preparePlain(pod, volume, signal));
      } catch (cause) {
        signal.throwIfAborted();
        const message = setUpFailure(volume.name, cause);
        if (cause instanceof TerminalError) throw new TerminalError('FAILED_MOUNT', message);
        throw new TransientError('FAILED_MOUNT', message);
      }
    }
    state.preparedFor = dependencies(pod);
    wakeAt(uid, state, renewAt);
  }

  async function prepareWritten(
    pod: Pod,
    volume: Volume,
    written: WrittenVolume,
    state: PodState,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const folder = volumeFolder(podsFolder, podUid(pod), written.plugin, volume.name);
    const { payload, renewAt } = await collectPayload(written, pod, sources, signal);
    await mkdir(folder, { recursive: true, mode: 0o755 });
    if (written.inMemory && !(await isMountPoint(folder))) await mountMemory(folder, memoryBytesMax(), signal);
    const ownership = ownershipOf(pod, true);
    await writeAtomically(folder, payload, async () => {
      // The folder too, as kubelet does: programs look at the mount point's group.
      if (ownership !== undefined) await giveToGroup(folder, { ...ownership, policy: 'Always' });
    });
    state.volumes.set(volume.name, { hostPath: folder, readOnly: true });
    return renewAt;
  }

  async function preparePlain(pod: Pod, volume: Volume, signal: AbortSignal): Promise<MountableVolume> {
    const uid = podUid(pod);
    const { emptyDir, hostPath, nfs, persistentVolumeClaim, ephemeral, gitRepo } = volume;
    if (emptyDir) {
      const folder = volumeFolder(podsFolder, uid, 'empty-dir', volume.name);
      return prepareEmptyDir(pod, emptyDir, folder, memoryBytesMax(), signal);
    }
    if (hostPath) {
      await checkHostPath(hostPath);
      return { hostPath: hostPath.path, readOnly: false };
    }
    if (nfs) return prepareNfs(nfs, [], volumeFolder(podsFolder, uid, 'nfs', volume.name), signal);
    if (persistentVolumeClaim || ephemeral) {
      const { persistentVolume, readOnly } = await resolveClaim(client, pod, volume, signal);
      const name = persistentVolume.metadata.name ?? '';
      const folderOf = (plugin: 'local-volume' | 'nfs') => volumeFolder(podsFolder, uid, plugin, name);
      return preparePersistentVolume(pod, persistentVolume, readOnly, folderOf, signal);
    }
    if (gitRepo)
      throw new TerminalError('VOLUME_UNSUPPORTED', 'git-repo volume plugin has been disabled', {
        hint: 'clone the repository in an init container, into an emptyDir',
      });
    const kind = Object.keys(volume).find((key) => key !== 'name') ?? 'unknown';
    throw unsupported(kind, `volume ${volume.name}`);
  }

  function memoryBytesMax(): number {
    const { memory } = allocatable();
    return memory === undefined ? Number.POSITIVE_INFINITY : quantityValue(parseQuantity(memory));
  }

  return {
    prepare(pod, signal) {
      const state = stateOf(pod);
      if (state.preparedFor === dependencies(pod) && !state.isStale) return Promise.resolve();
      return inTurn(state, () => prepareAll(state, pod, signal));
    },
    mounts(pod, container, environment, signal) {
      const state = stateOf(pod);
      const { supportsRecursiveReadOnly = false } = options;
      return inTurn(state, () => {
        signal.throwIfAborted();
        return containerMounts(pod, container, environment, {
          podsFolder,
          volumes: state.volumes,
          supportsRecursiveReadOnly,
        });
      });
    },
    async cleanup(uid) {
      const state = states.get(uid);
      states.delete(uid);
      state?.timer?.[Symbol.dispose]();
      objects.follow(uid, []);
      tokens.forget(uid);
      await state?.tail;
      await cleanupVolumes(podsFolder, uid);
    },
    async unmount(uid) {
      const state = states.get(uid);
      states.delete(uid);
      state?.timer?.[Symbol.dispose]();
      objects.follow(uid, []);
      await state?.tail;
      await unmountVolumes(podsFolder, uid);
    },
    podUids: () => podsWithVolumes(podsFolder),
    async [Symbol.asyncDispose]() {
      abort.abort();
      for (const state of states.values()) state.timer?.[Symbol.dispose]();
      await objects[Symbol.asyncDispose]();
      await Promise.all([...states.values()].map(({ tail }) => tail));
    },
  };
}

/** In kubelet's words, with what can be done about it where that is known. */
function setUpFailure(volume: string, cause: unknown): string {
  const hint = cause instanceof WherryError && cause.hint !== undefined ? ` (${cause.hint})` : '';
  return `MountVolume.SetUp failed for volume "${volume}" : ${describeError(cause)}${hint}`;
}

/** All of a pod that its volumes are made of: a new status changes nothing. */
function dependencies({ metadata, spec }: Pod): string {
  return JSON.stringify([metadata.labels, metadata.annotations, spec]);
}

/** The volumes that a container of the pod mounts or uses as a device; others are not made. */
function usedVolumes(pod: Pod): ReadonlySet<string> {
  return new Set(
    allContainers(pod).flatMap(({ container }) => [
      ...(container.volumeMounts ?? []).map(({ name }) => name),
      ...(container.volumeDevices ?? []).map(({ name }) => name),
    ]),
  );
}

function writtenVolumes(pod: Pod): readonly (readonly [Volume, WrittenVolume])[] {
  const used = usedVolumes(pod);
  return (pod.spec?.volumes ?? []).flatMap((volume) => {
    const written = used.has(volume.name) ? writtenVolume(volume) : undefined;
    return written === undefined ? [] : [[volume, written] as const];
  });
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}
