import type { Informer } from '../../client/informer.ts';
import { describeError, TerminalError } from '../../core/errors.ts';
import { keyOf } from '../../kube/resource.ts';
import { configmaps, persistentvolumeclaims, persistentvolumes, storageclasses } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { ConfigMap, PersistentVolumeClaim, StorageClass } from '../../kube/types.gen.ts';
import { selectedNodeAnnotation } from '../../kube/volume-annotations.ts';
import type { Controller, ControllerContext, Informers, Outcome, Watch } from '../../runtime/controller.ts';
import { type LocalPathConfig, parseConfig } from './config.ts';
import { makeDirectory, removeDirectory } from './directories.ts';
import { configMapKey } from './objects.ts';
import { asksForLocalPath, type LocalNode, planProvision, planRemoval, whyNever } from './plan.ts';

const done: Outcome = { done: true };
const configOptions = { namespace: configMapKey.namespace, fieldSelector: `metadata.name=${configMapKey.name}` };

/**
 * Makes volumes of class local-path on one node, and removes them: each node's agent runs both controllers for itself.
 */
export function createLocalPathControllers(node: LocalNode): readonly Controller[] {
  return [new ClaimController(node), new VolumeController(node)];
}

function unbound(informers: Informers): readonly PersistentVolumeClaim[] {
  return informers
    .of(persistentvolumeclaims)
    .list()
    .filter((claim) => claim.status?.phase !== 'Bound');
}

class ClaimController implements Controller {
  readonly name = 'local-path-provisioner';
  readonly concurrency = 4;
  readonly watches: readonly Watch[] = [
    { resource: persistentvolumeclaims, keys: (claim) => [keyOf(claim)] },
    {
      resource: storageclasses,
      keys: (storageClass, informers) =>
        unbound(informers)
          .filter((claim) => claim.spec?.storageClassName === storageClass.metadata.name)
          .map(keyOf),
    },
    {
      resource: configmaps,
      options: configOptions,
      keys: (_, informers) => unbound(informers).map(keyOf),
    },
  ];
  readonly #node: LocalNode;
  /** The last configuration of each class that could be read, which stays in force while a newer one is malformed. */
  readonly #lastGood = new Map<string, LocalPathConfig>();

  constructor(node: LocalNode) {
    this.#node = node;
  }

  async reconcile(key: string, context: ControllerContext): Promise<Outcome> {
    const { informers, client, events } = context;
    const claim = informers.of(persistentvolumeclaims).get(key);
    if (claim === undefined) return done;
    const storageClass = informers.of(storageclasses).get(claim.spec?.storageClassName ?? '');
    if (!asksForLocalPath(claim, storageClass)) return done;
    try {
      const config = this.#config(informers.of(configmaps, configOptions), storageClass, context);
      const never = whyNever(claim, config.sharedFileSystemPath !== undefined);
      if (never !== undefined) throw new TerminalError('UNSUPPORTED_CLAIM', never);
      const plan = planProvision(claim, storageClass, config, this.#node);
      if (plan === null) return done;
      events.event(claim, 'Normal', 'Provisioning', `External provisioner is provisioning volume for claim "${key}"`);
      await makeDirectory(plan.basePath, plan.directory);
      await client.create(persistentvolumes, plan.volume).catch((error: unknown) => {
        // Made before a restart, or by another node on the shared file system.
        if (!isReason(error, 'AlreadyExists')) throw error;
      });
      events.event(
        claim,
        'Normal',
        'ProvisioningSucceeded',
        `Successfully provisioned volume ${plan.volume.metadata.name}`,
      );
      return done;
    } catch (error) {
      if (isReason(error, 'Conflict')) throw error;
      const message = `failed to provision volume with StorageClass "${storageClass.metadata.name}": ${describeError(error)}`;
      events.event(claim, 'Warning', 'ProvisioningFailed', message);
      await this.#giveBack(claim, context);
      if (error instanceof TerminalError) return done;
      throw error;
    }
  }

  /** Lets the scheduler choose again, and tell the pod, instead of waiting for a volume that does not come. */
  async #giveBack(claim: PersistentVolumeClaim, { client }: ControllerContext): Promise<void> {
    if (claim.metadata.annotations?.[selectedNodeAnnotation] !== this.#node.name) return;
    const { namespace = '', name = '', resourceVersion } = claim.metadata;
    const body = { metadata: { resourceVersion, annotations: { [selectedNodeAnnotation]: null } } };
    await client.patch(persistentvolumeclaims, { namespace, name }, { type: 'merge', body });
  }

  #config(informer: Informer<ConfigMap>, storageClass: StorageClass, { events }: ControllerContext): LocalPathConfig {
    const className = storageClass.metadata.name ?? '';
    const configMap = informer.get(`${configMapKey.namespace}/${configMapKey.name}`);
    const text = configMap?.data?.['config.json'];
    if (configMap === undefined || text === undefined) {
      const good = this.#lastGood.get(className);
      if (good !== undefined) return good;
      throw new TerminalError('LOCAL_PATH_CONFIG', 'the ConfigMap kube-system/local-path-config has no config.json');
    }
    try {
      const config = parseConfig(text, className);
      this.#lastGood.set(className, config);
      return config;
    } catch (error) {
      events.event(configMap, 'Warning', 'InvalidConfiguration', describeError(error));
      const good = this.#lastGood.get(className);
      if (good === undefined) throw new TerminalError('LOCAL_PATH_CONFIG', describeError(error), { cause: error });
      return good;
    }
  }
}

class VolumeController implements Controller {
  readonly name = 'local-path-deleter';
  readonly concurrency = 4;
  readonly watches: readonly Watch[] = [{ resource: persistentvolumes, keys: (volume) => [keyOf(volume)] }];
  readonly #node: LocalNode;

  constructor(node: LocalNode) {
    this.#node = node;
  }

  async reconcile(key: string, { informers, client, events }: ControllerContext): Promise<Outcome> {
    const volume = informers.of(persistentvolumes).get(key);
    const plan = volume === undefined ? null : planRemoval(volume, this.#node);
    if (volume === undefined || plan === null) return done;
    try {
      await removeDirectory(plan.basePath, plan.directory);
    } catch (error) {
      events.event(volume, 'Warning', 'VolumeFailedDelete', describeError(error));
      if (error instanceof TerminalError) return done;
      throw error;
    }
    const preconditions = { uid: volume.metadata.uid ?? '' };
    await client.delete(persistentvolumes, { name: key }, { preconditions }).catch((error: unknown) => {
      if (!isReason(error, 'NotFound')) throw error;
    });
    return done;
  }
}
