import type { ConfigMap, StorageClass } from '../../kube/types.gen.ts';
import { defaultNode } from './config.ts';
import { provisionerName } from './plan.ts';

/** Where the configuration is read from; k3s's name. */
export const configMapKey = { namespace: 'kube-system', name: 'local-path-config' } as const;

/** The default class, as k3s has it. */
export const localPathClass: StorageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: {
    name: 'local-path',
    annotations: { 'storageclass.kubernetes.io/is-default-class': 'true', defaultVolumeType: 'hostPath' },
  },
  provisioner: provisionerName,
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
};

/** The first configuration: one base path for every node. Users change it as they like. */
export function defaultConfigMap(basePath: string): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { ...configMapKey },
    data: {
      'config.json': `${JSON.stringify({ nodePathMap: [{ node: defaultNode, paths: [basePath] }] }, null, 2)}\n`,
    },
  };
}
