import { open } from 'node:fs/promises';
import type { Client } from '../../client/client.ts';
import type { Informer } from '../../client/informer.ts';
import type { Clock } from '../../core/clock.ts';
import { describeError, toError, WherryError } from '../../core/errors.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { Resource } from '../../kube/resource.ts';
import { configmaps, secrets } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type {
  ConfigMap,
  Container,
  EnvVarSource,
  FileKeySelector,
  Pod,
  Secret,
  Service,
} from '../../kube/types.gen.ts';
import { containerConfigError, type EnvironmentResolver, type PodAddresses } from '../environment-resolver.ts';
import { openInside } from '../volumes/sub-path.ts';
import { volumeFolder } from '../volumes/volume-paths.ts';
import { findVariable } from './environment-file.ts';
import { expand } from './expansion.ts';
import { type Allocatable, fieldValue, resourceFieldValue } from './field-value.ts';
import { linkedServices, serviceVariables } from './service-links.ts';

export interface EnvironmentResolverOptions {
  readonly client: Client;
  /** All services of the cluster. */
  readonly services: Informer<Service>;
  readonly clock: Clock;
  readonly allocatable: () => Allocatable;
  /** The folder of VolumeSet, for variables that come from files of an emptyDir. */
  readonly podsFolder: string;
}

/** Milliseconds that a container waits for the services to be known at all. */
const servicesTimeoutMs = 10_000;
/** Bytes that are read of an environment file. */
const fileBytesMax = 64 * 1024;

/** Resolves containers' environments; see EnvironmentResolver. */
export function createEnvironmentResolver(options: EnvironmentResolverOptions): EnvironmentResolver {
  const { client, services, clock, allocatable, podsFolder } = options;

  return {
    async resolve(pod, container, addresses) {
      const namespace = pod.metadata.namespace ?? '';
      await servicesKnown();
      const { enableServiceLinks = true } = pod.spec ?? {};
      const linked = linkedServices(services.list(), namespace, enableServiceLinks);
      const links = serviceVariables(linked);
      const values = new Map<string, string>();
      const read = objectReader(namespace);
      try {
        await addEnvFrom(container, values, read);
        // Later variables see earlier ones, and those of services behind them.
        const known = { get: (name: string) => values.get(name) ?? links.get(name) } as ReadonlyMap<string, string>;
        for (const { name, value = '', valueFrom } of container.env ?? []) {
          if (value !== '' || valueFrom === undefined) values.set(name, expand(value, known));
          else {
            const resolved = await fromSource(pod, container, valueFrom, addresses, read);
            if (resolved !== undefined) values.set(name, resolved);
          }
        }
      } catch (thrown) {
        throw new WherryError(containerConfigError, describeError(thrown), { cause: toError(thrown) });
      }
      for (const [name, value] of links) if (!values.has(name)) values.set(name, value);
      return [...values].map(([name, value]) => ({ name, value }));
    },
  };

  async function servicesKnown(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    using _timer = clock.after(servicesTimeoutMs, () => {
      const message = 'services have not yet been read at least once, cannot construct envvars';
      reject(new WherryError(containerConfigError, message));
    });
    services.synced.then(resolve, reject);
    await promise;
  }

  interface Reader {
    configMap(name: string): Promise<ConfigMap | undefined>;
    secret(name: string): Promise<Secret | undefined>;
  }

  /** Reads each object once for one container. */
  function objectReader(namespace: string): Reader {
    const once = <T extends KubeObject>(resource: Resource<T>) => {
      const reads = new Map<string, Promise<T | undefined>>();
      return (name: string) => {
        const read = reads.get(name) ?? readIfAny(resource, namespace, name);
        reads.set(name, read);
        return read;
      };
    };
    return { configMap: once(configmaps), secret: once(secrets) };
  }

  async function readIfAny<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string) {
    try {
      return await client.get(resource, { namespace, name });
    } catch (thrown) {
      if (isReason(thrown, 'NotFound')) return undefined;
      throw thrown;
    }
  }

  async function addEnvFrom(container: Container, values: Map<string, string>, read: Reader): Promise<void> {
    for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
      const name = configMapRef?.name ?? secretRef?.name ?? '';
      const data = configMapRef ? (await read.configMap(name))?.data : decodeSecret(await read.secret(name));
      const isThere = configMapRef ? (await read.configMap(name)) !== undefined : data !== undefined;
      const { optional = false } = configMapRef ?? secretRef ?? {};
      if (!isThere && !optional) throw notFound(configMapRef ? 'configmap' : 'secret', name);
      for (const [key, value] of Object.entries(data ?? {})) values.set(`${prefix}${key}`, value);
    }
  }

  /** Undefined when an optional source is missing: the variable is then not set. */
  async function fromSource(
    pod: Pod,
    container: Container,
    source: EnvVarSource,
    addresses: PodAddresses,
    read: Reader,
  ): Promise<string | undefined> {
    const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = source;
    const namespace = pod.metadata.namespace ?? '';
    if (fieldRef) return fieldValue(pod, fieldRef.fieldPath, addresses);
    if (resourceFieldRef) return resourceFieldValue(pod, container, resourceFieldRef, allocatable());
    if (configMapKeyRef) {
      const { name = '', key, optional = false } = configMapKeyRef;
      const object = await read.configMap(name);
      if (object === undefined && !optional) throw notFound('configmap', name);
      const value = object?.data?.[key];
      if (value === undefined && !optional) throw keyMissing(key, 'ConfigMap', namespace, name);
      return value;
    }
    if (secretKeyRef) {
      const { name = '', key, optional = false } = secretKeyRef;
      const object = await read.secret(name);
      if (object === undefined && !optional) throw notFound('secret', name);
      const value = decodeSecret(object)?.[key];
      if (value === undefined && !optional) throw keyMissing(key, 'Secret', namespace, name);
      return value;
    }
    return fileKeyRef ? fromFile(pod, fileKeyRef) : '';
  }

  /** An init container left the file in an emptyDir; it is read without following links out of the volume. */
  async function fromFile(pod: Pod, { volumeName, path, key, optional = false }: FileKeySelector) {
    const folder = volumeFolder(podsFolder, pod.metadata.uid ?? '', 'empty-dir', volumeName);
    const text = await readInside(folder, path);
    const value = text === undefined ? undefined : findVariable(text, key);
    if (value === undefined && !optional)
      throw new WherryError(
        'ENV_FILE',
        `environment variable key ${JSON.stringify(key)} not found in file ${JSON.stringify(path)}`,
      );
    return value;
  }
}

async function readInside(folder: string, path: string): Promise<string | undefined> {
  await using entry = await openInside(folder, path);
  if (entry === undefined || !(await entry.stat()).isFile()) return undefined;
  await using file = await open(`/proc/self/fd/${entry.fd}`, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(fileBytesMax), 0, fileBytesMax, 0);
  return buffer.toString('utf8', 0, bytesRead);
}

function decodeSecret(secret: Secret | undefined): Readonly<Record<string, string>> | undefined {
  if (secret === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(secret.data ?? {}).map(([key, base64]) => [key, Buffer.from(base64, 'base64').toString('utf8')]),
  );
}

function notFound(kind: string, name: string): Error {
  return new WherryError('ENV_SOURCE_MISSING', `${kind} ${JSON.stringify(name)} not found`);
}

function keyMissing(key: string, kind: string, namespace: string, name: string): Error {
  return new WherryError('ENV_KEY_MISSING', `couldn't find key ${key} in ${kind} ${namespace}/${name}`);
}
