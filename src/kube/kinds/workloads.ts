import { autoscalerFromV1, autoscalerToV1 } from '../conversion/horizontal-pod-autoscaler.ts';
import {
  setDaemonSetDefaults,
  setDeploymentDefaults,
  setReplicaSetDefaults,
  setStatefulSetDefaults,
} from '../defaults/apps.ts';
import { setAutoscalerDefaults, setAutoscalerV1Defaults } from '../defaults/autoscaling.ts';
import { setCronJobDefaults, setJobDefaults } from '../defaults/batch.ts';
import type { Kind } from '../kind.ts';
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
} from '../strategy/apps.ts';
import {
  dropDisabledCronJobFields,
  dropDisabledStatefulSetFields,
  dropDisabledTemplateFields,
} from '../strategy/disabled-fields.ts';
import { prepareJobForCreate } from '../strategy/job.ts';
import { specAndStatus, specAndStatusResetFields, statusOnly, statusSubresource } from '../strategy/status.ts';
import {
  cronJobWarnings,
  namedTemplateWarnings,
  statefulSetWarnings,
  templateWarnings,
} from '../strategy/template-warnings.ts';
import type { Job } from '../types.gen.ts';
import { kindOf } from './kind-of.ts';

const resetFields = specAndStatusResetFields();

export const workloadKinds: readonly Kind[] = [
  kindOf(controllerrevisions),
  kindOf(daemonsets, {
    setDefaults: setDaemonSetDefaults,
    prepareForCreate: prepareDaemonSetForCreate,
    prepareForUpdate: prepareDaemonSetForUpdate,
    warnings: templateWarnings,
    subresources: { status: statusSubresource() },
    resetFields,
  }),
  kindOf(deployments, {
    setDefaults: setDeploymentDefaults,
    prepareForCreate: prepareDeploymentForCreate,
    prepareForUpdate: prepareDeploymentForUpdate,
    warnings: namedTemplateWarnings,
    subresources: { status: statusSubresource({ restoresLabels: true }) },
    resetFields: specAndStatusResetFields([['f:spec'], ['f:metadata', 'f:labels']]),
  }),
  kindOf(replicasets, {
    ...specAndStatus(replicasets, dropDisabledTemplateFields),
    setDefaults: setReplicaSetDefaults,
    warnings: namedTemplateWarnings,
    subresources: { status: statusSubresource() },
    resetFields,
  }),
  kindOf(statefulsets, {
    ...specAndStatus(statefulsets, dropDisabledStatefulSetFields),
    setDefaults: setStatefulSetDefaults,
    warnings: statefulSetWarnings,
    subresources: { status: statusSubresource() },
    resetFields,
  }),
  kindOf(jobs, {
    ...specAndStatus(jobs, dropDisabledTemplateFields),
    setDefaults: setJobDefaults,
    prepareForCreate: prepareJobForCreate,
    warnings: namedTemplateWarnings,
    selectableFields: (job: Job) => ({ 'status.successful': String(job.status?.succeeded ?? 0) }),
    subresources: { status: statusSubresource() },
    resetFields,
  }),
  kindOf(cronjobs, {
    ...specAndStatus(cronjobs, dropDisabledCronJobFields),
    setDefaults: setCronJobDefaults,
    warnings: cronJobWarnings,
    subresources: { status: statusSubresource() },
    resetFields,
  }),
  kindOf(horizontalpodautoscalers, {
    ...statusOnly(horizontalpodautoscalers),
    setDefaults: setAutoscalerDefaults,
    subresources: { status: statusSubresource() },
    resetFields,
  }),
  kindOf(
    autoscalingV1Horizontalpodautoscalers,
    {
      ...statusOnly(autoscalingV1Horizontalpodautoscalers),
      setDefaults: setAutoscalerV1Defaults,
      subresources: { status: statusSubresource() },
      resetFields,
    },
    { storage: { resource: horizontalpodautoscalers, toStorage: autoscalerFromV1, fromStorage: autoscalerToV1 } },
  ),
];
