import type { RunningInformer } from '../client/informer-impl.ts';
import type { Clock } from '../core/clock.ts';
import type { KubeObject } from '../kube/object.ts';
import type { TrackedWrite } from './tracking-client.ts';

/** Orders two resource versions: decimal numbers of any length (KEP-5504). */
export function isAtLeast(version: string, wanted: string): boolean {
  return version.length === wanted.length ? version >= wanted : version.length > wanted.length;
}

/** True when the informer's copy is at least as new as the write. */
export function hasObserved(informer: RunningInformer<KubeObject>, write: TrackedWrite): boolean {
  const cached = informer.get(write.key);
  if (write.isDeletion) {
    if (!cached || cached.metadata.deletionTimestamp !== undefined) return true;
    return write.uid !== undefined && cached.metadata.uid !== write.uid;
  }
  if (isAtLeast(informer.resourceVersion, write.resourceVersion)) return true;
  return cached !== undefined && isAtLeast(cached.metadata.resourceVersion ?? '', write.resourceVersion);
}

/** Waits until the informer shows the write; false when that took longer than `limitMs` or the signal aborted. */
export async function waitObserved(
  informer: RunningInformer<KubeObject>,
  write: TrackedWrite,
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  if (hasObserved(informer, write)) return true;
  const seen = Promise.withResolvers<boolean>();
  using _progress = informer.onProgress(() => {
    if (hasObserved(informer, write)) seen.resolve(true);
  });
  using _limit = clock.after(limitMs, () => seen.resolve(false));
  const onAbort = () => seen.resolve(false);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await seen.promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
