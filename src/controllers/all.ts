import type { Controller } from '../runtime/controller.ts';
import { type CertificateSigner, createCertificateController } from './certificate-signing.ts';
import { clusterRoleAggregationController } from './clusterrole-aggregation.ts';
import { cronJobController } from './cronjob.ts';
import { createDaemonSetController } from './daemonset.ts';
import { deploymentController } from './deployment.ts';
import { disruptionController } from './disruption.ts';
import { endpointsController } from './endpoints.ts';
import { endpointSliceController } from './endpointslice.ts';
import { endpointSliceMirroringController } from './endpointslice-mirroring.ts';
import { ephemeralVolumeController } from './ephemeral-volume.ts';
import { createGarbageCollector } from './garbage-collector.ts';
import { jobController } from './job.ts';
import { namespaceController } from './namespace.ts';
import { createNodeIpamController } from './node-ipam.ts';
import { createNodeLifecycleController, type NodeLifecycleOptions } from './node-lifecycle.ts';
import { persistentVolumeController } from './persistent-volume.ts';
import { createPodGcController } from './pod-gc.ts';
import { replicaSetController, replicationControllerController } from './replicaset.ts';
import { createResourceQuotaController } from './resourcequota.ts';
import { createRootCaPublisher } from './root-ca-publisher.ts';
import { serviceAccountController } from './serviceaccount.ts';
import { createServiceAccountTokensController, type ServiceAccountTokensOptions } from './serviceaccount-tokens.ts';
import { statefulSetController } from './statefulset.ts';
import { createTaintEvictionController } from './taint-eviction.ts';
import { tokenCleanerController } from './token-cleaner.ts';
import { ttlAfterFinishedController } from './ttl-after-finished.ts';
import { claimProtectionController, volumeProtectionController } from './volume-protection.ts';

export interface ControllersOptions {
  /** PEM of the authority that signed the API server's certificate, for kube-root-ca.crt. */
  readonly rootCaPem: string;
  /** E.g. `['10.42.0.0/16']`; without, nodes get no pod addresses from here. */
  readonly clusterCidrs?: readonly string[];
  /** Prefix lengths of a node's ranges; 24 and 64 when absent. */
  readonly nodeMaskSizeIPv4?: number;
  readonly nodeMaskSizeIPv6?: number;
  readonly nodeLifecycle?: NodeLifecycleOptions;
  /** Signs what kubelets and users ask for; without, certificate signing requests are left alone. */
  readonly certificateSigner?: CertificateSigner;
  /** Signs tokens for Secrets of type service-account-token; without, those stay empty. */
  readonly signServiceAccountToken?: ServiceAccountTokensOptions['sign'];
}

/** All controllers of a cluster. Their names are those of their service accounts in kube-system. */
export function createControllers(options: ControllersOptions): readonly Controller[] {
  const { rootCaPem, clusterCidrs = [], nodeLifecycle, certificateSigner, signServiceAccountToken: sign } = options;
  return [
    deploymentController,
    replicaSetController,
    replicationControllerController,
    createDaemonSetController(),
    statefulSetController,
    jobController,
    cronJobController,
    ttlAfterFinishedController,
    disruptionController,
    clusterRoleAggregationController,
    endpointsController,
    endpointSliceController,
    endpointSliceMirroringController,
    serviceAccountController,
    createRootCaPublisher(rootCaPem),
    namespaceController,
    createGarbageCollector(),
    persistentVolumeController,
    ephemeralVolumeController,
    claimProtectionController,
    volumeProtectionController,
    createNodeLifecycleController(nodeLifecycle),
    createTaintEvictionController(),
    createPodGcController(),
    createResourceQuotaController(),
    tokenCleanerController,
    ...(certificateSigner ? [createCertificateController(certificateSigner)] : []),
    ...(sign ? [createServiceAccountTokensController({ rootCaPem, sign })] : []),
    ...(clusterCidrs.length > 0 ? [createNodeIpamController({ ...options, clusterCidrs })] : []),
  ];
}
