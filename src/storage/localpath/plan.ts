import path from 'node:path';
import { TerminalError } from '../../core/errors.ts';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../kube/types.gen.ts';
import {
  betaStorageProvisionerAnnotation,
  selectedNodeAnnotation,
  storageProvisionerAnnotation,
} from '../../kube/volume-annotations.ts';
import { type LocalPathConfig, pathsOfNode } from './config.ts';
import { expandPathPattern } from './path-pattern.ts';

/** The name under which StorageClasses ask for this provisioner. */
export const provisionerName = 'rancher.io/local-path';

const provisionedByAnnotation = 'pv.kubernetes.io/provisioned-by';
/** Where the volume's base path is kept, so that deletion knows what it must never remove. */
const basePathAnnotation = 'local.path.provisioner/base-path';
const selectedNodeOfVolume = 'local.path.provisioner/selected-node';

/** The node that this provisioner works for. */
export interface LocalNode {
  readonly name: string;
  /** Value of its label kubernetes.io/hostname. */
  readonly hostname: string;
}

/** What is to be made for a claim: a directory below a base path, then the volume. */
export interface ProvisionPlan {
  readonly basePath: string;
  readonly directory: string;
  readonly volume: PersistentVolume;
}

/** True when this claim asks for a volume of ours; says nothing about which node makes it. */
export function asksForLocalPath(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass | undefined,
): storageClass is StorageClass {
  if (storageClass?.provisioner !== provisionerName) return false;
  if (claim.spec?.volumeName || claim.metadata.deletionTimestamp !== undefined) return false;
  return claim.status?.phase !== 'Bound';
}

/**
 * Why a claim can never get a volume of this class, in words for its Event; undefined when it can. Told at once,
 * before any pod uses the claim.
 */
export function whyNever(claim: PersistentVolumeClaim, shared: boolean): string | undefined {
  const wrong = (claim.spec?.accessModes ?? []).filter((m) => m !== 'ReadWriteOnce' && m !== 'ReadWriteOncePod');
  if (wrong.length > 0 && !shared) {
    return (
      `NodePath only supports ReadWriteOnce and ReadWriteOncePod access modes, and the claim asks for ${wrong.join(', ')}: ` +
      'a local volume lives on one node; ask for ReadWriteOnce, or use a class with shared storage'
    );
  }
  if (claim.spec?.selector !== undefined)
    return 'claim.Spec.Selector is not supported: a new volume has no labels to select';
  if (claim.spec?.volumeMode === 'Block')
    return 'volumeMode Block is not supported: local-path volumes are directories';
  if (claim.spec?.dataSource !== undefined || claim.spec?.dataSourceRef !== undefined)
    return 'a dataSource is not supported';
  return undefined;
}

/**
 * What this node is to make for a claim that asks for local-path; null when it is another's turn (the PersistentVolume
 * controller has not asked yet, no node was chosen, or it is not this one). Throws TerminalError when it can't be made.
 */
export function planProvision(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  config: LocalPathConfig,
  node: LocalNode,
): ProvisionPlan | null {
  const annotations = claim.metadata.annotations ?? {};
  if ((annotations[storageProvisionerAnnotation] ?? annotations[betaStorageProvisionerAnnotation]) !== provisionerName)
    return null;
  const shared = config.sharedFileSystemPath !== undefined;
  const selected = annotations[selectedNodeAnnotation];
  if (selected !== undefined && selected !== node.name) return null;
  if (selected === undefined && !shared) {
    if (storageClass.volumeBindingMode === 'WaitForFirstConsumer') return null;
    throw new TerminalError(
      'NO_NODE',
      'configuration error, no node was specified: a local volume needs a class with volumeBindingMode WaitForFirstConsumer',
    );
  }
  const never = whyNever(claim, shared);
  if (never !== undefined) throw new TerminalError('UNSUPPORTED_CLAIM', never);
  const volumeName = `pvc-${claim.metadata.uid}`;
  const basePath = chooseBasePath(claim, storageClass, config, node);
  const pattern = storageClass.parameters?.['pathPattern'];
  const folder =
    pattern === undefined || pattern === ''
      ? `${volumeName}_${claim.metadata.namespace}_${claim.metadata.name}`
      : expandPathPattern(pattern, volumeName, claim);
  const directory = path.join(basePath, folder);
  return {
    basePath,
    directory,
    volume: volumeFor(claim, storageClass, { volumeName, basePath, directory, shared, node }),
  };
}

/** The class's nodePath if it is one of the node's; else one of them, always the same for the same claim. */
function chooseBasePath(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  config: LocalPathConfig,
  node: LocalNode,
): string {
  const paths = pathsOfNode(config, node.name);
  if (paths.length === 0) {
    throw new TerminalError('NO_PATH', `config doesn't contain path on node ${node.name}`, {
      hint: 'add the node to nodePathMap in the ConfigMap local-path-config',
    });
  }
  const wanted = storageClass.parameters?.['nodePath'];
  if (wanted !== undefined && wanted !== '') {
    if (paths.includes(wanted)) return wanted;
    throw new TerminalError('NO_PATH', `config doesn't contain path ${wanted} on node ${node.name}`);
  }
  let hash = 0;
  for (const c of claim.metadata.uid ?? '') hash = (hash * 31 + (c.codePointAt(0) ?? 0)) % 1_000_003;
  return paths[hash % paths.length] ?? '';
}

function volumeFor(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  made: { volumeName: string; basePath: string; directory: string; shared: boolean; node: LocalNode },
): PersistentVolume {
  const type = (
    claim.metadata.annotations?.['volumeType'] ??
    storageClass.metadata.annotations?.['defaultVolumeType'] ??
    'hostPath'
  ).toLowerCase();
  if (type !== 'local' && type !== 'hostpath') {
    throw new TerminalError('VOLUME_TYPE', `volumeType ${JSON.stringify(type)} is neither "hostPath" nor "local"`);
  }
  const { namespace = '', name = '', uid = '' } = claim.metadata;
  const storage = claim.spec?.resources?.requests?.['storage'];
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name: made.volumeName,
      annotations: {
        [provisionedByAnnotation]: provisionerName,
        [basePathAnnotation]: made.basePath,
        [selectedNodeOfVolume]: made.node.name,
      },
    },
    spec: {
      accessModes: claim.spec?.accessModes ?? ['ReadWriteOnce'],
      ...(storage === undefined ? {} : { capacity: { storage } }),
      claimRef: { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid },
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: storageClass.metadata.name ?? '',
      volumeMode: 'Filesystem',
      ...(storageClass.mountOptions === undefined ? {} : { mountOptions: storageClass.mountOptions }),
      ...(type === 'local'
        ? { local: { path: made.directory } }
        : { hostPath: { path: made.directory, type: 'DirectoryOrCreate' } }),
      ...(made.shared
        ? {}
        : {
            nodeAffinity: {
              required: {
                nodeSelectorTerms: [
                  {
                    matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [made.node.hostname] }],
                  },
                ],
              },
            },
          }),
    },
  };
}

/** A released volume of ours whose directory this node is to remove. */
export interface RemovalPlan {
  /** Undefined for volumes that another provisioner of the same name made. */
  readonly basePath: string | undefined;
  readonly directory: string;
}

/** What this node removes for a volume; null when it is not released, is to be kept, or lives elsewhere. */
export function planRemoval(volume: PersistentVolume, node: LocalNode): RemovalPlan | null {
  const annotations = volume.metadata.annotations ?? {};
  if (annotations[provisionedByAnnotation] !== provisionerName) return null;
  if (volume.status?.phase !== 'Released' && volume.status?.phase !== 'Failed') return null;
  if (volume.spec?.persistentVolumeReclaimPolicy !== 'Delete') return null;
  const directory = volume.spec.hostPath?.path ?? volume.spec.local?.path;
  if (directory === undefined) return null;
  const required = volume.spec.nodeAffinity?.required?.nodeSelectorTerms;
  const hosts = required?.flatMap((t) => t.matchExpressions ?? []).filter((e) => e.key === 'kubernetes.io/hostname');
  const here =
    hosts === undefined
      ? annotations[selectedNodeOfVolume] === node.name
      : hosts.some((e) => e.values?.includes(node.hostname));
  return here ? { basePath: annotations[basePathAnnotation], directory } : null;
}
