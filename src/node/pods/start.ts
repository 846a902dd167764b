import { join } from 'node:path';
import { describeError, errorCode, WherryError } from '../../core/errors.ts';
import type { PodSandboxConfig } from '../../engines/containerd/cri-messages.ts';
import { formatGoDuration } from '../../kube/go-duration.ts';
import type { Pod } from '../../kube/types.gen.ts';
import { containerConfigError } from '../environment-resolver.ts';
import { ImageError } from '../images/puller.ts';
import type { ContainerMount } from '../volume-set.ts';
import { containerConfig } from './config.ts';
import type { PodHost } from './host.ts';
import { formatPod, podUid, type SpecContainer } from './identity.ts';
import { newestInstance, type RuntimePod } from './runtime-pod.ts';
import { checkNonRoot } from './security.ts';

/** A container did not come to run; `reason` and `message` are those of its waiting state. */
export class StartError extends WherryError {
  readonly reason: string;
  /** When a new try is due, milliseconds since the epoch; undefined for soon. */
  readonly retryAt: number | undefined;

  constructor(reason: string, message: string, options: { readonly cause?: unknown; readonly retryAt?: number } = {}) {
    super('CONTAINER_START', message, options.cause === undefined ? {} : { cause: options.cause });
    this.reason = reason;
    this.retryAt = options.retryAt;
  }
}

export interface StartRequest {
  readonly pod: Pod;
  readonly spec: SpecContainer;
  readonly runtime: RuntimePod;
  /** Of the pod among those that start. */
  readonly order: number;
  readonly sandboxId: string;
  readonly sandboxConfig: PodSandboxConfig;
  readonly podIPs: readonly string[];
}

/** Under what a container's crashes are counted: a new image is a new start. */
export function containerKey(pod: Pod, { container }: SpecContainer): string {
  return `${podUid(pod)}/${container.name}/${container.image}`;
}

/** Starts a container, unless it crashed a short while ago. Throws StartError. */
export async function startContainer(host: PodHost, request: StartRequest, signal: AbortSignal): Promise<void> {
  const { pod, spec } = request;
  holdBack(host, request);
  const image = await ensureImage(host, request, signal);
  const created = await host.turns.take(request.order, signal, async () => {
    const made = await createContainer(host, request, image, signal);
    await runContainer(host, request, made.containerId, signal);
    return made;
  });
  const { containerId } = created;
  host.events.container(pod, spec, 'Normal', 'Started', 'Container started');
  await linkLog(host, request, created);
  await runPostStart(host, request, containerId, signal);
}

async function runContainer(
  host: PodHost,
  { pod, spec }: StartRequest,
  containerId: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await host.cri.startContainer({ containerId }, { signal });
  } catch (cause) {
    signal.throwIfAborted();
    const message = describeError(cause);
    host.events.container(pod, spec, 'Warning', 'Failed', `Error: ${message}`);
    throw new StartError('RunContainerError', message, { cause });
  }
}

/** For people and programs that look for logs by name; the container runs without it, too. */
async function linkLog(host: PodHost, { pod, spec }: StartRequest, created: CreatedContainer): Promise<void> {
  const { name: podName = '', namespace = '' } = pod.metadata;
  try {
    await host.logLinks?.add({ podName, namespace, containerName: spec.container.name, ...created });
  } catch (thrown) {
    host.log.warn('a log can not be linked', { pod: `${namespace}/${podName}`, error: describeError(thrown) });
  }
}

/** Back-off: a container that ended waits twice as long as the time before, from 10 s to 5 min. */
function holdBack(host: PodHost, { pod, spec, runtime, sandboxId }: StartRequest): void {
  const last = newestInstance(runtime, spec.container.name);
  // What ended with its former sandbox did not crash.
  if (last === undefined || last.state !== 'exited' || last.sandboxId !== sandboxId) return;
  const key = containerKey(pod, spec);
  const now = host.clock.now();
  const remaining = host.crashes.remainingMs(key, last.finishedAt, now);
  if (remaining === 0) {
    host.crashes.next(key, last.finishedAt, now);
    return;
  }
  const { name } = spec.container;
  const delay = formatGoDuration(host.crashes.delayMs(key));
  host.events.container(
    pod,
    spec,
    'Warning',
    'BackOff',
    `Back-off restarting failed container ${name} in pod ${formatPod(pod)}`,
  );
  const message = `back-off ${delay} restarting failed container=${name} pod=${formatPod(pod)}`;
  throw new StartError('CrashLoopBackOff', message, { retryAt: now + remaining });
}

async function ensureImage(host: PodHost, { pod, spec }: StartRequest, signal: AbortSignal) {
  try {
    return await host.images.ensure(pod, spec, signal);
  } catch (cause) {
    signal.throwIfAborted();
    if (!(cause instanceof ImageError)) throw cause;
    host.events.container(pod, spec, 'Warning', 'Failed', `Error: ${cause.reason}`);
    const retry = cause.retryAt === undefined ? {} : { retryAt: cause.retryAt };
    throw new StartError(cause.reason, cause.message, { cause, ...retry });
  }
}

interface CreatedContainer {
  readonly containerId: string;
  readonly logPath: string;
}

async function createContainer(
  host: PodHost,
  request: StartRequest,
  image: Awaited<ReturnType<typeof ensureImage>>,
  signal: AbortSignal,
): Promise<CreatedContainer> {
  const { pod, spec, runtime, sandboxId, sandboxConfig, podIPs } = request;
  const { container } = spec;
  const last = newestInstance(runtime, container.name);
  let step = 'CreateContainerConfigError';
  try {
    checkNonRoot(pod, container, image.user);
    const environment = await host.environment.resolve(pod, container, { podIPs, hostIPs: host.hostIPs });
    const mounts = await containerMounts(host, request, environment, signal);
    await host.files.makeLogFolder(pod, container.name);
    const terminationMessageFile = await host.files.makeMessageFile(pod, container.name);
    const target = spec.targetContainerName ? newestInstance(runtime, spec.targetContainerName) : undefined;
    const config = containerConfig(
      pod,
      {
        spec,
        restartCount: last === undefined ? 0 : last.restartCount + 1,
        imageRef: image.id,
        imageUser: image.user,
        environment,
        mounts,
        terminationMessageFile,
        ...(target === undefined ? {} : { targetId: target.id }),
      },
      host.settings,
    );
    step = 'CreateContainerError';
    const { containerId } = await host.cri.createContainer(
      { podSandboxId: sandboxId, config, sandboxConfig },
      { signal },
    );
    host.events.container(pod, spec, 'Normal', 'Created', 'Container created');
    return { containerId, logPath: join(sandboxConfig.logDirectory ?? '', config.logPath ?? '') };
  } catch (cause) {
    signal.throwIfAborted();
    const isConfig = errorCode(cause) === containerConfigError;
    const message = isConfig && cause instanceof Error ? cause.message : describeError(cause);
    host.events.container(pod, spec, 'Warning', 'Failed', `Error: ${message}`);
    throw new StartError(isConfig ? 'CreateContainerConfigError' : step, message, { cause });
  }
}

/** The volumes' mounts, and /etc/hosts unless the container brings its own. */
async function containerMounts(
  host: PodHost,
  { pod, spec, podIPs }: StartRequest,
  environment: Awaited<ReturnType<PodHost['environment']['resolve']>>,
  signal: AbortSignal,
): Promise<readonly ContainerMount[]> {
  const mounts = await host.volumes.mounts(pod, spec.container, environment, signal);
  if (mounts.some(({ containerPath }) => containerPath.replace(/\/+$/, '') === '/etc/hosts')) return mounts;
  const hostPath = await host.files.writeHosts(pod, podIPs);
  const hosts = { containerPath: '/etc/hosts', hostPath, readOnly: false, propagation: 'None' } as const;
  return [...mounts, hosts];
}

async function runPostStart(
  host: PodHost,
  request: StartRequest,
  containerId: string,
  signal: AbortSignal,
): Promise<void> {
  const { pod, spec, podIPs } = request;
  const handler = spec.container.lifecycle?.postStart;
  if (handler === undefined) return;
  try {
    await host.hooks.run({ pod, container: spec.container, containerId, podIP: podIPs[0] }, handler, signal);
  } catch (cause) {
    signal.throwIfAborted();
    host.events.container(pod, spec, 'Warning', 'FailedPostStartHook', 'PostStartHook failed');
    const grace = pod.spec?.terminationGracePeriodSeconds ?? 30;
    host.events.container(pod, spec, 'Normal', 'Killing', 'FailedPostStartHook');
    await host.cri.stopContainer({ containerId, timeout: grace }, { timeoutMs: (grace + 60) * 1000, signal });
    throw new StartError('PostStartHookError', describeError(cause), { cause });
  }
}
