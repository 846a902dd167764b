import {
  autoscalerAnnotations,
  autoscalerFromV1,
  autoscalerToV1,
  undefaultedFromV1,
} from '../conversion/horizontal-pod-autoscaler.ts';
import {
  setDaemonSetDefaults,
  setDeploymentDefaults,
  setReplicaSetDefaults,
  setStatefulSetDefaults,
} from '../defaults/apps.ts';
import { setAutoscalerDefaults, setAutoscalerV1Defaults } from '../defaults/autoscaling.ts';
import { setCronJobDefaults, setJobDefaults } from '../defaults/batch.ts';
import type { Kind } from '../kind.ts';
import { nameIsDnsLabel } from '../names.ts';
import {
  autoscalingV1Horizontalpodautoscalers,
  controllerrevisions,
  cronjobs,
  daemonsets,
  deployments,
  horizontalpodautoscalers,
  jobs,
  replicasets,
  statefulsets,
} from '../resources.gen.ts';
import {
  prepareDaemonSetForCreate,
  prepareDaemonSetForUpdate,
  prepareDeploymentForCreate,
  prepareDeploymentForUpdate,
  setTemplateGenerationDefault,
  templateGeneration,
} from '../strategy/apps.ts';
import {
  dropDisabledCronJobFields,
  dropDisabledStatefulSetFields,
  dropDisabledTemplateFields,
} from '../strategy/disabled-fields.ts';
import { labelLikeTemplate, prepareJobForCreate } from '../strategy/job.ts';
import { specAndStatus, specAndStatusResetFields, statusOnly, statusSubresource } from '../strategy/status.ts';
import {
  cronJobWarnings,
  namedTemplateWarnings,
  statefulSetWarnings,
  templateWarnings,
} from '../strategy/template-warnings.ts';
import type { AutoscalingV1HorizontalPodAutoscaler, HorizontalPodAutoscaler, Job } from '../types.gen.ts';
import {
  validateControllerRevision,
  validateControllerRevisionUpdate,
} from '../validation/apps/controller-revision.ts';
import {
  validateDaemonSet,
  validateDaemonSetStatusUpdate,
  validateDaemonSetUpdate,
} from '../validation/apps/daemon-set.ts';
import {
  validateDeployment,
  validateDeploymentStatusUpdate,
  validateDeploymentUpdate,
} from '../validation/apps/deployment.ts';
import {
  validateReplicaSet,
  validateReplicaSetStatusUpdate,
  validateReplicaSetUpdate,
} from '../validation/apps/replica-set.ts';
import {
  validateStatefulSet,
  validateStatefulSetStatusUpdate,
  validateStatefulSetUpdate,
} from '../validation/apps/stateful-set.ts';
import {
  validateAutoscaler,
  validateAutoscalerStatusUpdate,
  validateAutoscalerUpdate,
} from '../validation/autoscaling/horizontal-pod-autoscaler.ts';
import { validateCronJob, validateCronJobUpdate } from '../validation/batch/cron-job.ts';
import { validateJob, validateJobUpdate } from '../validation/batch/job.ts';
import { validateJobStatusUpdate } from '../validation/batch/job-status.ts';
import { kindOf } from './kind-of.ts';

const resetFields = specAndStatusResetFields();

// Both versions are checked in one form.
function stored(autoscaler: AutoscalingV1HorizontalPodAutoscaler): HorizontalPodAutoscaler {
  return undefaultedFromV1(autoscaler) as HorizontalPodAutoscaler;
}

const prepareJob = specAndStatus(jobs, dropDisabledTemplateFields);

export const workloadKinds: readonly Kind[] = [
  kindOf(controllerrevisions, {
    validateCreate: validateControllerRevision,
    validateUpdate: validateControllerRevisionUpdate,
  }),
  kindOf(
    daemonsets,
    {
      setDefaults(daemonSet) {
        setDaemonSetDefaults(daemonSet);
        setTemplateGenerationDefault(daemonSet);
      },
      prepareForCreate: prepareDaemonSetForCreate,
      prepareForUpdate: prepareDaemonSetForUpdate,
      validateCreate: validateDaemonSet,
      validateUpdate: validateDaemonSetUpdate,
      warnings: templateWarnings,
      subresources: { status: statusSubresource({ validateUpdate: validateDaemonSetStatusUpdate }) },
      resetFields,
    },
    { fieldAnnotations: [templateGeneration] },
  ),
  kindOf(deployments, {
    setDefaults: setDeploymentDefaults,
    prepareForCreate: prepareDeploymentForCreate,
    prepareForUpdate: prepareDeploymentForUpdate,
    validateCreate: validateDeployment,
    validateUpdate: validateDeploymentUpdate,
    warnings: namedTemplateWarnings,
    subresources: {
      status: statusSubresource({ restoresLabels: true, validateUpdate: validateDeploymentStatusUpdate }),
    },
    resetFields: specAndStatusResetFields([['f:spec'], ['f:metadata', 'f:labels']]),
  }),
  kindOf(replicasets, {
    ...specAndStatus(replicasets, dropDisabledTemplateFields),
    setDefaults: setReplicaSetDefaults,
    validateCreate: validateReplicaSet,
    validateUpdate: validateReplicaSetUpdate,
    warnings: namedTemplateWarnings,
    subresources: { status: statusSubresource({ validateUpdate: validateReplicaSetStatusUpdate }) },
    resetFields,
  }),
  kindOf(statefulsets, {
    ...specAndStatus(statefulsets, dropDisabledStatefulSetFields),
    setDefaults: setStatefulSetDefaults,
    validateCreate: validateStatefulSet,
    validateUpdate: validateStatefulSetUpdate,
    validateName: nameIsDnsLabel,
    warnings: statefulSetWarnings,
    subresources: { status: statusSubresource({ validateUpdate: validateStatefulSetStatusUpdate }) },
    resetFields,
  }),
  kindOf(jobs, {
    ...prepareJob,
    setDefaults: setJobDefaults,
    prepareForCreate: prepareJobForCreate,
    prepareForUpdate(job, old) {
      prepareJob.prepareForUpdate(job, old);
      labelLikeTemplate(job);
    },
    validateCreate: validateJob,
    validateUpdate: validateJobUpdate,
    warnings: namedTemplateWarnings,
    selectableFields: (job: Job) => ({ 'status.successful': String(job.status?.succeeded ?? 0) }),
    subresources: { status: statusSubresource({ validateUpdate: validateJobStatusUpdate }) },
    resetFields,
  }),
  kindOf(cronjobs, {
    ...specAndStatus(cronjobs, dropDisabledCronJobFields),
    setDefaults: setCronJobDefaults,
    validateCreate: validateCronJob,
    validateUpdate: validateCronJobUpdate,
    warnings: cronJobWarnings,
    subresources: { status: statusSubresource() },
    resetFields,
  }),
  kindOf(horizontalpodautoscalers, {
    ...statusOnly(horizontalpodautoscalers),
    setDefaults: setAutoscalerDefaults,
    validateCreate: validateAutoscaler,
    validateUpdate: validateAutoscalerUpdate,
    subresources: { status: statusSubresource({ validateUpdate: validateAutoscalerStatusUpdate }) },
    resetFields,
  }),
  kindOf(
    autoscalingV1Horizontalpodautoscalers,
    {
      ...statusOnly(autoscalingV1Horizontalpodautoscalers),
      setDefaults: setAutoscalerV1Defaults,
      validateCreate: (autoscaler) => validateAutoscaler(stored(autoscaler)),
      validateUpdate: (autoscaler, old) => validateAutoscalerUpdate(stored(autoscaler), stored(old)),
      subresources: {
        status: statusSubresource({
          validateUpdate: (autoscaler, old) => validateAutoscalerStatusUpdate(stored(autoscaler), stored(old)),
        }),
      },
      resetFields,
    },
    {
      storage: { resource: horizontalpodautoscalers, toStorage: autoscalerFromV1, fromStorage: autoscalerToV1 },
      fieldAnnotations: autoscalerAnnotations,
    },
  ),
];
