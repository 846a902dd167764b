import type { Client } from '../../client/client.ts';
import type { Clock } from '../../core/clock.ts';
import { describeError, TerminalError, WherryError } from '../../core/errors.ts';
import type { Cri } from '../../engines/containerd/cri.ts';
import type { AuthConfig, RuntimeImage } from '../../engines/containerd/cri-messages.ts';
import { formatGoDuration } from '../../kube/go-duration.ts';
import { secrets } from '../../kube/resources.gen.ts';
import { isReason } from '../../kube/status-error.ts';
import type { Pod, Secret } from '../../kube/types.gen.ts';
import { BackoffTable } from '../backoff-table.ts';
import type { PodEvents } from '../pod-events.ts';
import type { SpecContainer } from '../pods/identity.ts';
import { podUid } from '../pods/identity.ts';
import type { ImageUser } from '../pods/security.ts';
import { createTurns } from '../turns.ts';
import { credentialsFor } from './credentials.ts';
import { formatImageName, type ImageName, parseImageName } from './image-name.ts';

/** Why a container's image is not there; `reason` is that of the waiting state. */
export class ImageError extends WherryError {
  readonly reason: string;
  /** When a new try is due, milliseconds since the epoch. */
  readonly retryAt: number | undefined;

  constructor(reason: string, message: string, options: { readonly cause?: unknown; readonly retryAt?: number } = {}) {
    super('IMAGE', message, options.cause === undefined ? {} : { cause: options.cause });
    this.reason = reason;
    this.retryAt = options.retryAt;
  }
}

export interface PresentImage {
  /** What the runtime knows it by. */
  readonly id: string;
  readonly user: ImageUser;
}

/** Sees to it that the images of containers are on the node, by their pull policies. */
export interface ImagePuller {
  /** Throws ImageError. */
  ensure(pod: Pod, spec: SpecContainer, signal: AbortSignal): Promise<PresentImage>;
}

export interface ImagePullerOptions {
  readonly cri: Cri;
  readonly client: Client;
  readonly events: PodEvents;
  readonly clock: Clock;
  /** Pulls at the same time. */
  readonly parallel: number;
}

/** Milliseconds that one pull may take. */
const pullTimeoutMs = 60 * 60_000;

export function createImagePuller(options: ImagePullerOptions): ImagePuller {
  const { cri, client, events, clock } = options;
  const backoff = new BackoffTable();
  /** When an image of a pod last failed, and why. */
  const failures = new Map<string, { readonly at: number; readonly reason: string; readonly message: string }>();
  const turns = createTurns({ width: options.parallel });

  async function find(name: string): Promise<RuntimeImage | undefined> {
    const { image } = await cri.imageStatus({ image: { image: name } });
    return image;
  }

  async function pullSecrets(pod: Pod): Promise<readonly Secret[]> {
    const { namespace = '' } = pod.metadata;
    const found: Secret[] = [];
    for (const { name } of pod.spec?.imagePullSecrets ?? []) {
      if (!name) continue;
      try {
        found.push(await client.get(secrets, { namespace, name }));
      } catch (thrown) {
        if (!isReason(thrown, 'NotFound', 'Forbidden')) throw thrown;
        const which = `${namespace}/${name}`;
        events.pod(
          pod,
          'Warning',
          'FailedToRetrieveImagePullSecret',
          `Unable to retrieve some image pull secrets (${which.split('/')[1]}); attempting to pull the image may not succeed.`,
        );
      }
    }
    return found;
  }

  async function pull(pod: Pod, image: ImageName, name: string, signal: AbortSignal): Promise<void> {
    const credentials: readonly (AuthConfig | undefined)[] = credentialsFor(image, await pullSecrets(pod));
    let failure: unknown;
    for (const auth of credentials.length === 0 ? [undefined] : credentials) {
      try {
        const request = { image: { image: name }, ...(auth === undefined ? {} : { auth }) };
        await cri.pullImage(request, { timeoutMs: pullTimeoutMs, signal });
        return;
      } catch (thrown) {
        signal.throwIfAborted();
        failure = thrown;
      }
    }
    throw failure;
  }

  async function pullOrFail(pod: Pod, spec: SpecContainer, image: ImageName, signal: AbortSignal): Promise<void> {
    const shown = spec.container.image ?? '';
    const key = `${podUid(pod)}_${shown}`;
    const last = failures.get(key);
    const remaining = last === undefined ? 0 : backoff.remainingMs(key, last.at, clock.now());
    if (last !== undefined && remaining > 0) {
      const message = `Back-off pulling image "${shown}"`;
      events.container(pod, spec, 'Normal', 'BackOff', message);
      throw new ImageError('ImagePullBackOff', `${message}: ${last.reason}: ${last.message}`, {
        retryAt: clock.now() + remaining,
      });
    }
    events.container(pod, spec, 'Normal', 'Pulling', `Pulling image "${shown}"`);
    const askedAt = clock.monotonic();
    try {
      const startedAt = await turns.take(0, signal, async () => {
        const began = clock.monotonic();
        await pull(pod, image, formatImageName(image), signal);
        return began;
      });
      const now = clock.monotonic();
      const size = (await find(formatImageName(image)))?.size ?? 0;
      const [own, whole] = [roundMs(now - startedAt), roundMs(now - askedAt)].map(formatGoDuration);
      events.container(
        pod,
        spec,
        'Normal',
        'Pulled',
        `Successfully pulled image "${shown}" in ${own} (${whole} including waiting). Image size: ${size} bytes.`,
      );
      failures.delete(key);
      backoff.delete(key);
    } catch (cause) {
      signal.throwIfAborted();
      const message = describeError(cause);
      const at = clock.now();
      backoff.next(key, at, at);
      failures.set(key, { at, reason: 'ErrImagePull', message });
      prune(at);
      events.container(pod, spec, 'Warning', 'Failed', `Failed to pull image "${shown}": ${message}`);
      throw new ImageError('ErrImagePull', message, { cause, retryAt: at + backoff.remainingMs(key, at, at) });
    }
  }

  function prune(now: number): void {
    backoff.prune(now);
    for (const key of failures.keys()) if (backoff.delayMs(key) === 0) failures.delete(key);
  }

  return {
    async ensure(pod, spec, signal) {
      const shown = spec.container.image ?? '';
      let name: ImageName;
      try {
        name = parseImageName(shown);
      } catch (cause) {
        if (!(cause instanceof TerminalError)) throw cause;
        events.container(pod, spec, 'Warning', 'InspectFailed', cause.message);
        throw new ImageError('InvalidImageName', cause.message, { cause });
      }
      const policy = spec.container.imagePullPolicy ?? (name.tag === 'latest' ? 'Always' : 'IfNotPresent');
      const present = await find(formatImageName(name));
      if (present === undefined && policy === 'Never') {
        const message = `Container image "${shown}" is not present with pull policy of Never`;
        events.container(pod, spec, 'Warning', 'ErrImageNeverPull', message);
        throw new ImageError('ErrImageNeverPull', message);
      }
      if (present !== undefined && policy !== 'Always') {
        const message = `Container image "${shown}" already present on machine and can be accessed by the pod`;
        events.container(pod, spec, 'Normal', 'Pulled', message);
        return presentImage(present);
      }
      await pullOrFail(pod, spec, name, signal);
      const pulled = await find(formatImageName(name));
      if (pulled !== undefined) return presentImage(pulled);
      throw new ImageError('ImageInspectError', `image "${shown}" was pulled, but the runtime does not list it`);
    },
  };
}

function presentImage(image: RuntimeImage): PresentImage {
  // An image without any user runs as root.
  const uid = image.uid?.value ?? (image.username === '' ? 0 : undefined);
  return { id: image.id, user: { uid, username: image.username } };
}

function roundMs(ms: number): number {
  return Math.round(ms);
}
