import type { Clock } from '../../core/clock.ts';
import type { ContainerStatus, Pod } from '../../kube/types.gen.ts';
import type { DirectoryContainer, PodDirectory } from '../streaming-server.ts';
import { HttpError } from './http-error.ts';
import type { LogOptions } from './read-log.ts';

/** Reads the options of /containerLogs. Throws HttpError 400. */
export function parseLogOptions(query: URLSearchParams, clock: Clock): LogOptions & { readonly previous: boolean } {
  const tailLines = integer(query, 'tailLines');
  const limitBytes = integer(query, 'limitBytes');
  const sinceSeconds = integer(query, 'sinceSeconds');
  const sinceTime = query.get('sinceTime') ?? undefined;
  const since = sinceSeconds === undefined ? sinceTime : new Date(clock.now() - sinceSeconds * 1000).toISOString();
  if (since !== undefined && Number.isNaN(Date.parse(since)))
    throw new HttpError(400, `invalid sinceTime ${JSON.stringify(since)}`);
  const stream = query.get('stream') ?? 'All';
  if (stream !== 'All' && stream !== 'Stdout' && stream !== 'Stderr')
    throw new HttpError(400, `invalid stream ${JSON.stringify(stream)}`);
  return {
    follow: isTrue(query.get('follow')),
    timestamps: isTrue(query.get('timestamps')),
    previous: isTrue(query.get('previous')),
    stream,
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(since === undefined ? {} : { since }),
  };
}

function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d+$/.test(text)) throw new HttpError(400, `invalid ${name} ${JSON.stringify(text)}`);
  return Number(text);
}

/** A parameter that is there without a value is true. */
export function isTrue(value: string | null): boolean {
  return value !== null && value !== 'false' && value !== '0';
}

/** The container whose log is meant. Throws HttpError with kubelet's words. */
export function findLog(directory: PodDirectory, pod: Pod, name: string, previous: boolean): DirectoryContainer {
  const uid = pod.metadata.uid ?? '';
  const podName = pod.metadata.name ?? '';
  const found = previous ? directory.previousContainer(uid, name) : directory.container(uid, name);
  if (found !== undefined && found.logPath !== '') return found;
  const where = `container ${JSON.stringify(name)} in pod ${JSON.stringify(podName)}`;
  if (previous) throw new HttpError(400, `previous terminated ${where} not found`);
  const reason = statusOf(pod, name)?.state?.waiting?.reason;
  if (reason === 'ErrImagePull' || reason === 'ImagePullBackOff') {
    const why = reason === 'ErrImagePull' ? "image can't be pulled" : 'trying and failing to pull image';
    throw new HttpError(400, `${where} is waiting to start: ${why}`);
  }
  throw new HttpError(400, `${where} is waiting to start: ${reason ?? 'ContainerCreating'}`);
}

function statusOf(pod: Pod, name: string): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
    (one) => one.name === name,
  );
}
