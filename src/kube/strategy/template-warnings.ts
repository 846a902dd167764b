import { isDns1123Label } from '../names.ts';
import type { KubeObject } from '../object.ts';
import type {
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  PodTemplate,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../types.gen.ts';
import { claimSpecWarnings } from './claim-warnings.ts';
import { podSpecWarnings } from './pod-warnings.ts';

type Workload = Deployment | ReplicaSet | ReplicationController | DaemonSet | StatefulSet | Job;

/** Warnings for kinds that make pods: on creation, and when their spec changes. */
export function templateWarnings(object: Workload, old: KubeObject | null): readonly string[] {
  if (old !== null && old.metadata.generation === object.metadata.generation) return [];
  const template = object.spec?.template;
  return podSpecWarnings(template?.spec, template?.metadata, 'spec.template.');
}

/** The same, and a word on names that become parts of the names of pods. */
export function namedTemplateWarnings(object: Workload, old: KubeObject | null): readonly string[] {
  return [...(old === null ? podNameWarnings(object) : []), ...templateWarnings(object, old)];
}

export function cronJobWarnings(cronJob: CronJob, old: KubeObject | null): readonly string[] {
  const name = old === null ? podNameWarnings(cronJob) : [];
  if (old !== null && old.metadata.generation === cronJob.metadata.generation) return name;
  const template = cronJob.spec?.jobTemplate?.spec?.template;
  const timeZone = /TZ/.test(cronJob.spec?.schedule ?? '')
    ? ['spec.schedule: cannot use TZ or CRON_TZ in schedule, use timeZone instead']
    : [];
  return [
    ...name,
    ...podSpecWarnings(template?.spec, template?.metadata, 'spec.jobTemplate.spec.template.'),
    ...timeZone,
  ];
}

export function statefulSetWarnings(set: StatefulSet, old: KubeObject | null): readonly string[] {
  if (old !== null && old.metadata.generation === set.metadata.generation) return [];
  const revisions = set.spec?.revisionHistoryLimit ?? 0;
  return [
    ...templateWarnings(set, old),
    ...(set.spec?.volumeClaimTemplates ?? []).flatMap(({ spec }, index) =>
      claimSpecWarnings(spec, `spec.volumeClaimTemplates[${index}].spec`),
    ),
    ...(revisions < 0
      ? ['spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended']
      : []),
  ];
}

function podNameWarnings(object: KubeObject): readonly string[] {
  const problems = object.metadata.name ? isDns1123Label(object.metadata.name) : [];
  if (problems.length === 0) return [];
  const what = 'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior';
  return [`${what}; a DNS label is recommended: [${problems.join(' ')}]`];
}

export function podTemplateWarnings({ template, metadata }: PodTemplate, old: KubeObject | null): readonly string[] {
  if (old !== null && old.metadata.generation === metadata.generation) return [];
  return podSpecWarnings(template?.spec, template?.metadata, 'template.');
}
