import type { Clock } from '../../core/clock.ts';
import { describeError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Cri } from '../../engines/containerd/cri.ts';
import type { RuntimeImage } from '../../engines/containerd/cri-messages.ts';
import type { DiskUse } from '../registration/machine.ts';

/** Kubelet's defaults: collect above 85 % of the disk, down to 80 %, nothing younger than two minutes. */
const highShare = 0.85;
const lowShare = 0.8;
const ageMsMin = 120_000;
const periodMs = 300_000;

/** How long an image has been known and unused. */
export interface ImageAge {
  readonly image: RuntimeImage;
  readonly firstSeenAt: number;
  /** Undefined while never used since the agent's start. */
  readonly lastUsedAt: number | undefined;
  readonly isInUse: boolean;
}

/** The images to remove so that the disk's use falls to the low threshold, those unused for longest first. Pure. */
export function planImageCollection(images: readonly ImageAge[], disk: DiskUse, now: number): readonly RuntimeImage[] {
  const used = disk.capacityBytes - disk.availableBytes;
  if (disk.capacityBytes === 0 || used < disk.capacityBytes * highShare) return [];
  let surplus = used - disk.capacityBytes * lowShare;
  const removed: RuntimeImage[] = [];
  for (const image of unusedImages(images, now)) {
    if (surplus <= 0) break;
    removed.push(image);
    surplus -= image.size;
  }
  return removed;
}

/** Images that may go, those unused for longest first. Pure. */
export function unusedImages(images: readonly ImageAge[], now: number): readonly RuntimeImage[] {
  return images
    .filter(({ image, isInUse, firstSeenAt }) => !isInUse && !image.pinned && now - firstSeenAt >= ageMsMin)
    .toSorted((a, b) => (a.lastUsedAt ?? 0) - (b.lastUsedAt ?? 0) || a.firstSeenAt - b.firstSeenAt)
    .map(({ image }) => image);
}

export interface ImageCollector extends AsyncDisposable {
  /** Removes every image that nobody uses, before pods are evicted for want of disk. */
  removeUnused(): Promise<void>;
}

export interface ImageCollectorOptions {
  readonly cri: Cri;
  readonly clock: Clock;
  readonly log: Log;
  /** The sandbox image, which no container shows to be in use. */
  readonly keep: readonly string[];
  disk(): Promise<DiskUse>;
  /** Tells the user that the disk stays full. */
  failed(message: string): void;
}

/** Removes unused images when the disk fills up. */
export function startImageCollector(options: ImageCollectorOptions): ImageCollector {
  const { cri, clock, log } = options;
  const abort = new AbortController();
  const { signal } = abort;
  const seen = new Map<string, { firstSeenAt: number; lastUsedAt: number | undefined }>();

  async function observe(): Promise<readonly ImageAge[]> {
    const [{ images }, { containers }] = await Promise.all([cri.listImages({}), cri.listContainers({})]);
    const used = new Set(containers.flatMap(({ image, imageRef }) => [image?.image ?? '', imageRef]));
    const ids = new Set(images.map(({ id }) => id));
    for (const id of seen.keys()) if (!ids.has(id)) seen.delete(id);
    const now = clock.now();
    return images.map((image) => {
      const isInUse = [image.id, ...image.repoTags, ...image.repoDigests].some(
        (name) => used.has(name) || options.keep.includes(name),
      );
      const entry = seen.get(image.id) ?? { firstSeenAt: now, lastUsedAt: undefined };
      if (isInUse) entry.lastUsedAt = now;
      seen.set(image.id, entry);
      return { image, isInUse, ...entry };
    });
  }

  async function remove(images: readonly RuntimeImage[]): Promise<void> {
    for (const image of images) {
      await cri.removeImage({ image: { image: image.id } });
      log.info('an unused image was removed', { image: image.repoTags[0] ?? image.id, bytes: image.size });
    }
  }

  async function collect(): Promise<void> {
    const images = await observe();
    const disk = await options.disk();
    await remove(planImageCollection(images, disk, clock.now()));
    const after = await options.disk();
    const used = 1 - after.availableBytes / Math.max(1, after.capacityBytes);
    if (used >= highShare)
      options.failed(
        `Failed to garbage collect required amount of images. Attempted to free ${Math.ceil((used - lowShare) * after.capacityBytes)} bytes, but only found 0 bytes eligible to free.`,
      );
  }

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      try {
        await collect();
      } catch (thrown) {
        if (!signal.aborted) log.warn('images can not be collected', { error: describeError(thrown) });
      }
      await clock.sleep(periodMs, signal).catch(() => {});
    }
  }

  const ended = loop();
  return {
    async removeUnused() {
      await remove(unusedImages(await observe(), clock.now()));
    },
    async [Symbol.asyncDispose]() {
      abort.abort();
      await ended;
    },
  };
}
