import type { Draft } from '../draft.ts';
import { jobs } from '../resources.gen.ts';
import type { Job } from '../types.gen.ts';
import { dropDisabledTemplateFields } from './disabled-fields.ts';
import { clearStatus } from './status.ts';

const nameLabels = ['job-name', 'batch.kubernetes.io/job-name'];
const uidLabels = ['controller-uid', 'batch.kubernetes.io/controller-uid'];
const selectorLabel = 'batch.kubernetes.io/controller-uid';

/**
 * Gives the job a selector that only its own pods match, unless the client manages that itself. The registry has set
 * name and uid before.
 */
export function prepareJobForCreate(job: Draft<Job>): void {
  dropDisabledTemplateFields(job, null);
  if (job.spec !== undefined && job.spec.manualSelector !== true) generateSelector(job);
  labelLikeTemplate(job);
  clearStatus(jobs, job);
  job.metadata.generation = 1;
}

/** A job without labels of its own has those of its template, also when a client takes them away. */
export function labelLikeTemplate(job: Draft<Job>): void {
  const labels = job.spec?.template?.metadata?.labels ?? {};
  if (Object.keys(job.metadata.labels ?? {}).length > 0 || Object.keys(labels).length === 0) return;
  job.metadata.labels = { ...labels };
}

// What the client set stays: validation refuses it when it contradicts.
function generateSelector(job: Draft<Job>): void {
  const { spec, metadata } = job;
  if (spec?.template === undefined || spec.template === null) return;
  const uid = metadata.uid ?? '';
  spec.template.metadata ??= {};
  spec.template.metadata.labels ??= {};
  for (const label of nameLabels) spec.template.metadata.labels[label] ??= metadata.name ?? '';
  for (const label of uidLabels) spec.template.metadata.labels[label] ??= uid;
  spec.selector ??= {};
  spec.selector.matchLabels ??= {};
  spec.selector.matchLabels[selectorLabel] ??= uid;
}
