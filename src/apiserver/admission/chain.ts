import type { Client } from '../../client/client.ts';
import type { Clock } from '../../core/clock.ts';
import type { Authorization } from '../authz/authorization.ts';
import { RbacEscalationCheck } from '../rbac/escalation.ts';
import type { ClusterReader } from '../reader.ts';
import type { AdmissionPlugin } from '../request.ts';
import {
  certificateApproval,
  certificateRequester,
  certificateSigning,
  certificateSubjectRestriction,
} from './certificates.ts';
import {
  defaultIngressClass,
  defaultStorageClass,
  persistentVolumeClaimResize,
  storageObjectInUseProtection,
} from './default-classes.ts';
import { LimitRanger } from './limit-ranger.ts';
import { NamespaceLifecycle } from './namespace-lifecycle.ts';
import { NodeRestriction } from './node-restriction.ts';
import { defaultTolerationSeconds, RuntimeClassAdmission, taintNodesByCondition } from './pod-defaults.ts';
import { PodSecurity } from './pod-security/pod-security.ts';
import { podTopologyLabels } from './pod-topology-labels.ts';
import { PriorityAdmission } from './priority.ts';
import { ResourceQuotaAdmission } from './resource-quota.ts';
import { ServiceAccountAdmission } from './service-account.ts';

export interface AdmissionDependencies {
  readonly reader: ClusterReader;
  readonly authorization: Authorization;
  /** Writes the usage of quotas; must be allowed to. */
  readonly client: () => Client;
  readonly clock: Clock;
  /** Plugins that were added to the server (webhooks, policies): they run before the quota is charged. */
  readonly extensions?: readonly AdmissionPlugin[];
}

/** The admission plugins that are on by default in Kubernetes, and NodeRestriction, in their order. */
export function createAdmissionChain(dependencies: AdmissionDependencies): readonly AdmissionPlugin[] {
  const { reader, authorization, client, clock, extensions = [] } = dependencies;
  return [
    new NamespaceLifecycle(reader),
    new LimitRanger(reader),
    new ServiceAccountAdmission(reader),
    new NodeRestriction(reader, authorization),
    taintNodesByCondition,
    new PodSecurity(reader),
    new PriorityAdmission(reader),
    defaultTolerationSeconds,
    defaultStorageClass(reader),
    storageObjectInUseProtection,
    persistentVolumeClaimResize(reader),
    new RuntimeClassAdmission(reader),
    certificateRequester,
    certificateApproval(authorization),
    certificateSigning(authorization),
    certificateSubjectRestriction,
    defaultIngressClass(reader),
    podTopologyLabels(reader),
    ...extensions,
    new RbacEscalationCheck(authorization.rbac, authorization),
    new ResourceQuotaAdmission(reader, client, clock),
  ];
}
