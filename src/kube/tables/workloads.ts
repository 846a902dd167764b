import { humanDuration } from '../kinds/name-and-age.ts';
import type {
  ControllerRevision,
  CronJob,
  DaemonSet,
  Deployment,
  HorizontalPodAutoscaler,
  Job,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
  PodDisruptionBudget,
  ReplicaSet,
  StatefulSet,
} from '../types.gen.ts';
import { containersAndImages, labelsText, none, selectorText, tableWith } from './columns.ts';

export const deploymentTable = tableWith<Deployment>(
  ['Ready', 'Up-to-date', 'Available', 'Age', 'Containers!', 'Images!', 'Selector!'],
  (o, age) => [
    `${o.status?.readyReplicas ?? 0}/${o.spec?.replicas ?? 0}`,
    o.status?.updatedReplicas ?? 0,
    o.status?.availableReplicas ?? 0,
    age(o.metadata.creationTimestamp),
    ...containersAndImages(o.spec?.template.spec),
    selectorText(o.spec?.selector),
  ],
);

export const replicaSetTable = tableWith<ReplicaSet>(
  ['Desired:integer', 'Current:integer', 'Ready:integer', 'Age', 'Containers!', 'Images!', 'Selector!'],
  (o, age) => [
    o.spec?.replicas ?? 0,
    o.status?.replicas ?? 0,
    o.status?.readyReplicas ?? 0,
    age(o.metadata.creationTimestamp),
    ...containersAndImages(o.spec?.template?.spec),
    selectorText(o.spec?.selector),
  ],
);

export const statefulSetTable = tableWith<StatefulSet>(['Ready', 'Age', 'Containers!', 'Images!'], (o, age) => [
  `${o.status?.readyReplicas ?? 0}/${o.spec?.replicas ?? 0}`,
  age(o.metadata.creationTimestamp),
  ...containersAndImages(o.spec?.template.spec),
]);

export const daemonSetTable = tableWith<DaemonSet>(
  [
    'Desired:integer',
    'Current:integer',
    'Ready:integer',
    'Up-to-date:integer',
    'Available:integer',
    'Node Selector',
    'Age',
    'Containers!',
    'Images!',
    'Selector!',
  ],
  (o, age) => [
    o.status?.desiredNumberScheduled ?? 0,
    o.status?.currentNumberScheduled ?? 0,
    o.status?.numberReady ?? 0,
    o.status?.updatedNumberScheduled ?? 0,
    o.status?.numberAvailable ?? 0,
    labelsText(o.spec?.template.spec?.nodeSelector),
    age(o.metadata.creationTimestamp),
    ...containersAndImages(o.spec?.template.spec),
    selectorText(o.spec?.selector),
  ],
);

export const controllerRevisionTable = tableWith<ControllerRevision>(['Controller', 'Revision', 'Age'], (o, age) => {
  const owner = o.metadata.ownerReferences?.find((r) => r.controller);
  const [group = ''] = owner?.apiVersion.includes('/') ? owner.apiVersion.split('/') : [];
  const kind = `${owner?.kind.toLowerCase()}${group === '' ? '' : `.${group}`}`;
  return [owner === undefined ? none : `${kind}/${owner.name}`, o.revision, age(o.metadata.creationTimestamp)];
});

export const jobTable = tableWith<Job>(
  ['Status', 'Completions', 'Duration', 'Age', 'Containers!', 'Images!', 'Selector!'],
  (o, age, nowMs) => [
    jobStatus(o),
    completions(o),
    jobDuration(o, nowMs),
    age(o.metadata.creationTimestamp),
    ...containersAndImages(o.spec?.template.spec),
    selectorText(o.spec?.selector),
  ],
);

function jobStatus(job: Job): string {
  const has = (type: string) => job.status?.conditions?.some((c) => c.type === type && c.status === 'True') ?? false;
  if (has('Complete')) return 'Complete';
  if (has('Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (has('Suspended')) return 'Suspended';
  if (has('FailureTarget')) return 'FailureTarget';
  if (has('SuccessCriteriaMet')) return 'SuccessCriteriaMet';
  return 'Running';
}

function completions(job: Job): string {
  const succeeded = job.status?.succeeded ?? 0;
  if (job.spec?.completions !== undefined) return `${succeeded}/${job.spec.completions}`;
  const parallelism = job.spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function jobDuration(job: Job, nowMs: number): string {
  const { startTime, completionTime } = job.status ?? {};
  if (startTime === undefined) return '';
  return humanDuration((completionTime === undefined ? nowMs : Date.parse(completionTime)) - Date.parse(startTime));
}

export const cronJobTable = tableWith<CronJob>(
  [
    'Schedule',
    'Timezone',
    'Suspend:boolean',
    'Active:integer',
    'Last Schedule',
    'Age',
    'Containers!',
    'Images!',
    'Selector!',
  ],
  (o, age) => [
    o.spec?.schedule ?? '',
    o.spec?.timeZone ?? none,
    o.spec?.suspend === undefined ? '<unset>' : o.spec.suspend ? 'True' : 'False',
    o.status?.active?.length ?? 0,
    o.status?.lastScheduleTime === undefined ? none : age(o.status.lastScheduleTime),
    age(o.metadata.creationTimestamp),
    ...containersAndImages(o.spec?.jobTemplate.spec?.template.spec),
    selectorText(o.spec?.jobTemplate.spec?.selector),
  ],
);

export const podDisruptionBudgetTable = tableWith<PodDisruptionBudget>(
  ['Min Available', 'Max Unavailable', 'Allowed Disruptions:integer', 'Age'],
  (o, age) => [
    String(o.spec?.minAvailable ?? 'N/A'),
    String(o.spec?.maxUnavailable ?? 'N/A'),
    o.status?.disruptionsAllowed ?? 0,
    age(o.metadata.creationTimestamp),
  ],
);

const targetsShown = 2;

export const horizontalPodAutoscalerTable = tableWith<HorizontalPodAutoscaler>(
  ['Reference', 'Targets', 'MinPods', 'MaxPods', 'Replicas', 'Age'],
  (o, age) => {
    const specs = o.spec?.metrics ?? [];
    const texts = specs.map((spec, i) => metricText(spec, o.status?.currentMetrics?.[i]));
    const more = texts.length - targetsShown;
    const shown = more > 0 ? `${texts.slice(0, targetsShown).join(', ')} + ${more} more...` : texts.join(', ');
    return [
      `${o.spec?.scaleTargetRef.kind}/${o.spec?.scaleTargetRef.name}`,
      texts.length === 0 ? none : shown,
      o.spec?.minReplicas === undefined ? '<unset>' : String(o.spec.minReplicas),
      o.spec?.maxReplicas ?? 0,
      o.status?.currentReplicas ?? 0,
      age(o.metadata.creationTimestamp),
    ];
  },
);

function metricText(spec: MetricSpec, status: MetricStatus | undefined): string {
  switch (spec.type) {
    case 'External':
      return targetText(spec.external?.target, status?.external?.current, '');
    case 'Pods':
      return targetText(spec.pods?.target, status?.pods?.current, '');
    case 'Object':
      return targetText(spec.object?.target, status?.object?.current, '');
    case 'Resource':
      return targetText(spec.resource?.target, status?.resource?.current, `${spec.resource?.name}: `);
    case 'ContainerResource':
      return targetText(
        spec.containerResource?.target,
        status?.containerResource?.current,
        `${spec.containerResource?.name}: `,
      );
    default:
      return '<unknown type>';
  }
}

function targetText(target: MetricTarget | undefined, current: MetricValueStatus | undefined, prefix: string): string {
  if (target?.averageUtilization !== undefined) {
    const now = current?.averageUtilization === undefined ? '<unknown>' : `${current.averageUtilization}%`;
    return `${prefix}${now}/${target.averageUtilization}%`;
  }
  if (target?.averageValue !== undefined) {
    const average = prefix === '' ? ' (avg)' : '';
    return `${prefix}${current?.averageValue ?? '<unknown>'}/${target.averageValue}${average}`;
  }
  return `${prefix}${current?.value ?? '<unknown>'}/${target?.value ?? '<auto>'}`;
}
