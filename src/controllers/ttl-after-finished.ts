import { keyOf } from '../kube/resource.ts';
import { jobs } from '../kube/resources.gen.ts';
import { isReason } from '../kube/status-error.ts';
import { parseTime } from '../kube/time.ts';
import type { Job } from '../kube/types.gen.ts';
import { type Controller, done, watchOf } from '../runtime/controller.ts';
import { finishedCondition } from './job-plan.ts';
import { nameOf } from './support/ownership.ts';

/** Milliseconds until a finished Job may go; undefined when it stays. Pure. */
export function timeToLiveMs(job: Job, nowMs: number): number | undefined {
  const seconds = job.spec?.ttlSecondsAfterFinished;
  const finishedAt = parseTime(finishedCondition(job)?.lastTransitionTime);
  if (seconds === undefined || finishedAt === undefined || job.metadata.deletionTimestamp !== undefined)
    return undefined;
  return finishedAt + seconds * 1000 - nowMs;
}

/** Deletes Jobs some time after they have finished. */
export const ttlAfterFinishedController: Controller = {
  name: 'ttl-after-finished-controller',
  watches: [watchOf(jobs, (job) => [keyOf(job)])],
  async reconcile(key, { informers, client, clock }) {
    const job = informers.of(jobs).get(key);
    const waitMs = job && timeToLiveMs(job, clock.now());
    if (!job || waitMs === undefined) return done;
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    const { uid, resourceVersion } = job.metadata;
    try {
      await client.delete(jobs, nameOf(job), {
        propagationPolicy: 'Foreground',
        preconditions: { ...(uid ? { uid } : {}), ...(resourceVersion ? { resourceVersion } : {}) },
      });
    } catch (thrown) {
      if (!isReason(thrown, 'NotFound')) throw thrown;
    }
    return done;
  },
};
